"""What every kind of AWS resource is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Context:
    """The AWS to talk to, and how to wait for it."""

    aws: Aws
    waiting: Waiting = field(default_factory=Waiting)

    @property
    def place(self) -> Place:
        """Region and account."""
        return Place(self.aws.region, self.aws.account_id)

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's Region."""
        return self.aws.client(service)


def was_repeated(answer: Mapping[str, Any]) -> bool:
    """Whether botocore sent the call more than once: one whose answer was lost may have had its effect, too."""
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as DynamoDB, IAM and SSM take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as DynamoDB, IAM and SSM give them."""
    return {tag["Key"]: tag["Value"] for tag in tags}

"""What every kind of AWS resource is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from msgspec import Struct, field

from whatschat_ops.aws import Aws
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.provision import Kind, Resource
from whatschat_ops.provision.kind import NOTHING
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, allow
from whatschat_ops.stack.kinds.declaration import (
    ArnPattern,
    AwsField,
    CloudFormationType,
    Granted,
    Properties,
    TemplateOutputs,
)
from whatschat_ops.stack.shared_reads import SharedReads
from whatschat_ops.stack.waiting import Waiting

T = TypeVar("T")


class Context(Struct, frozen=True):
    """The AWS to talk to, and how to wait for it.

    With `shared` (while a plan is made) a read that several resources need is made once. With `stack`, too, the tags of
    what carries that stack's tag come from one listing. A call of a client that is going on now ends within `longest_call_s`.
    """

    aws: Aws
    waiting: Waiting = field(default_factory=Waiting)
    shared: SharedReads | None = None
    stack: str | None = None
    longest_call_s: float = 0.0

    @property
    def place(self) -> Place:
        """Region and account."""
        return Place(self.aws.region, self.aws.account_id)

    def client(self, service: str) -> Any:
        """A boto3 client of the stack's Region."""
        return self.aws.client(service)

    def once(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        """The answer of `read`; while a plan is made, the first one that was read for this key."""
        return read() if self.shared is None else self.shared.once(key, read)

    def pages(self, service: str, operation: str, **request: Any) -> list[Mapping[str, Any]]:
        """All pages of a listing (`get_routes`), shared as above."""
        return self.once(
            (service, operation, *(f"{name}={value}" for name, value in request.items())),
            lambda: list(self.client(service).get_paginator(operation).paginate(**request)),
        )

    def tagged(self, stack: str) -> Mapping[str, Mapping[str, str]]:
        """ARN -> tags of everything that carries the tag of `stack` (but what the tagging service does not know: IAM)."""
        return self.once(("tagged", stack), lambda: self._list_tagged(stack))

    def _list_tagged(self, stack: str) -> Mapping[str, Mapping[str, str]]:
        client = self.client("resourcegroupstaggingapi")
        filters = [{"Key": STACK_TAG, "Values": [stack]}]
        pages = client.get_paginator("get_resources").paginate(TagFilters=filters)
        return {
            item["ResourceARN"].removesuffix(":*"): tag_map(item.get("Tags", []))
            for page in pages
            for item in page["ResourceTagMappingList"]
        }

    def tags_of(self, arn: str, read: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """The tags of `arn`: from the listing of our stack, else by `read`, which asks the service itself.

        The listing lags by seconds, so what is missing from it is asked for.
        """
        listed = self.tagged(self.stack).get(arn) if self.stack and self.shared else None
        return read() if listed is None else listed


class AwsKind(Kind):
    """A kind of AWS resource: what is known of it stands in its one module."""

    service: ClassVar[str]
    """botocore's name of the service."""
    fields: ClassVar[Mapping[str, AwsField]]
    arn: ClassVar[ArnPattern | None] = None
    """Of the resource by name, the first field of its identity."""
    operator_sid: ClassVar[str] = ""
    operator_actions: ClassVar[Sequence[str]] = ()
    """What the operator needs to create, read, update and delete it."""
    operator_on: ClassVar[str | None] = None
    """The kind on whose resources IAM checks these actions, when it is not this one."""
    template: ClassVar[tuple[CloudFormationType, ...]] = ()
    """The CloudFormation types that it becomes; the first one is what other resources depend on."""
    template_outputs: ClassVar[TemplateOutputs] = NOTHING
    """What CloudFormation gives of it; its other fields are written out where they are referred to."""
    left_out: ClassVar[str | None] = None
    """Why it is in no template, if so."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _client(self) -> Any:
        return self._context.client(self.service)

    @classmethod
    def arns(cls, resource: Resource, place: Place) -> list[str]:
        """The ARNs on which IAM checks the operator's actions on a resource."""
        return [cls.arn.of(place, resource.fields[cls.identity[0]])] if cls.arn else []

    @classmethod
    def name_in(cls, arn: str) -> str | None:
        """The name of the resource that an ARN is of; None if it is an ARN of something else."""
        return cls.arn.name_in(arn) if cls.arn else None

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """What the operator needs to create, read, update and delete the resources of this kind."""
        if granted.actions:
            arns = [arn for each in granted.resources for arn in cls.arns(each, granted.place)]
            yield allow(cls.operator_sid, granted.actions, arns)


class GatewayKind(AwsKind):
    """A kind of resource in API Gateway."""

    service = "apigatewayv2"

    def _items(self, operation: str, api_id: str) -> list[Mapping[str, Any]]:
        """Everything that a listing of an API (`get_routes`) brings. Raises NotFound without the API."""
        return [
            item
            for page in self._context.pages("apigatewayv2", operation, ApiId=api_id)
            for item in page["Items"]
        ]


def was_repeated(answer: Mapping[str, Any]) -> bool:
    """Whether botocore sent the call more than once: one whose answer was lost may have had its effect, too."""
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as DynamoDB, IAM and SSM take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_list_property(tags: Mapping[str, str]) -> Properties:
    """Tags as most CloudFormation types take them."""
    return {"Tags": tag_list(tags)}


def tag_map(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as DynamoDB, IAM and SSM give them."""
    return {tag["Key"]: tag["Value"] for tag in tags}

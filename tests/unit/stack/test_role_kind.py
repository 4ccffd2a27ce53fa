"""A role is deleted with all its policies, however many pages IAM lists them in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.errors import Conflict
from whatschat_ops.provision import Live
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.role import Role

Page = dict[str, Any]


@dataclass
class FakePages:
    """A paginator of IAM: two items a page."""

    key: str
    items: list[Any]

    def paginate(self, RoleName: str) -> Iterator[Page]:
        for start in range(0, len(self.items), 2):
            yield {self.key: self.items[start : start + 2], "IsTruncated": start + 2 < len(self.items)}


@dataclass
class FakeIam:
    """One role with its policies."""

    inline: list[str] = field(default_factory=lambda: [f"inline-{number}" for number in range(5)])
    attached: list[str] = field(default_factory=lambda: [f"arn:aws:iam::1:policy/p{n}" for n in range(5)])
    deleted: bool = False

    def get_paginator(self, operation: str) -> FakePages:
        if operation == "list_role_policies":
            return FakePages("PolicyNames", list(self.inline))
        assert operation == "list_attached_role_policies"
        return FakePages("AttachedPolicies", [{"PolicyArn": arn} for arn in self.attached])

    def list_role_policies(self, *, RoleName: str, MaxItems: int = 2) -> Page:
        return {"PolicyNames": self.inline[:MaxItems], "IsTruncated": len(self.inline) > MaxItems}

    def delete_role_policy(self, *, RoleName: str, PolicyName: str) -> None:
        self.inline.remove(PolicyName)

    def detach_role_policy(self, *, RoleName: str, PolicyArn: str) -> None:
        self.attached.remove(PolicyArn)

    def delete_role(self, *, RoleName: str) -> None:
        if self.inline or self.attached:
            raise Conflict("DeleteRole: Cannot delete entity, must delete policies first.")
        self.deleted = True


class FakeAws(Aws):
    def __init__(self, iam: FakeIam) -> None:
        super().__init__(AwsTarget("us-east-1"))
        self._fake = iam

    def client(self, service: str, **_: Any) -> Any:
        assert service == "iam"
        return self._fake


def test_role_is_deleted_with_the_policies_of_every_page() -> None:
    iam = FakeIam()
    live = Live("arn:aws:iam::1:role/a/b/c/r", {"role_name": "r", "path": "/a/b/c/"})
    Role(Context(FakeAws(iam))).delete(live)
    assert (iam.inline, iam.attached, iam.deleted) == ([], [], True)

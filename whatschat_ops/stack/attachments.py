"""Put a policy document on a role, user or group of the account, as an inline policy with our name, and take it off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from whatschat_ops.aws import Aws
from whatschat_ops.errors import NotFound
from whatschat_ops.stack.policies import Document

PrincipalType = Literal["role", "user", "group"]

_NAME_ARGUMENT: Final[Mapping[PrincipalType, str]] = {
    "role": "RoleName",
    "user": "UserName",
    "group": "GroupName",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An IAM role, user or group by name."""

    type: PrincipalType
    name: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """An inline policy of a principal, now `attached` or detached. `changed`: whether that is news."""

    principal_type: str
    principal: str
    policy: str
    attached: bool
    changed: bool


def attach_policy(aws: Aws, principal: Principal, policy: str, document: Document) -> Attachment:
    """Put the inline policy there, replacing one of that name. Raises NotFound if the principal does not exist."""
    changed = _current(aws, principal, policy) != document
    if changed:
        _call(aws, "put", principal, policy, PolicyDocument=json.dumps(document))
    return Attachment(principal.type, principal.name, policy, attached=True, changed=changed)


def detach_policy(aws: Aws, principal: Principal, policy: str) -> Attachment:
    """Take the inline policy off. It is no error if it is not there."""
    try:
        _call(aws, "delete", principal, policy)
    except NotFound:
        return Attachment(principal.type, principal.name, policy, attached=False, changed=False)
    return Attachment(principal.type, principal.name, policy, attached=False, changed=True)


def _current(aws: Aws, principal: Principal, policy: str) -> Any:
    try:
        return _call(aws, "get", principal, policy)["PolicyDocument"]
    except NotFound:  # the policy or the principal: put_*_policy tells
        return None


def _call(aws: Aws, verb: str, principal: Principal, policy: str, **arguments: Any) -> Any:
    operation: Callable[..., Any] = getattr(aws.client("iam"), f"{verb}_{principal.type}_policy")
    return operation(**{_NAME_ARGUMENT[principal.type]: principal.name}, PolicyName=policy, **arguments)

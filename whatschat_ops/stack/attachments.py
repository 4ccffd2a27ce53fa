"""Put a policy document on a role, user or group of the account, as an inline policy with our name, and take it off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from whatschat_ops.aws import Aws
from whatschat_ops.errors import AwsError, Hint, NotFound, UsageError
from whatschat_ops.quotas import MAX_INLINE_POLICY_CHARACTERS, MAX_MANAGED_POLICY_CHARACTERS
from whatschat_ops.stack.iam_documents import Document

PrincipalType = Literal["role", "user", "group"]

NAME_ARGUMENT: Final[Mapping[PrincipalType, str]] = {
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


def attach_policy(
    aws: Aws, principal: Principal, policy: str, document: Document, *, earlier: str = ""
) -> Attachment:
    """Put the inline policy there, replacing one of that name, and one of the `earlier` name that is of this Region.

    Raises NotFound if the principal does not exist, UsageError if IAM takes no inline policy as long as this.
    """
    text = json.dumps(document, separators=(",", ":"))
    _require_room(principal, len(text))
    changed = _current(aws, principal, policy) != document
    replaced = bool(earlier) and _is_of_region(aws, principal, earlier)
    if changed:
        try:
            _call(aws, "put", principal, policy, PolicyDocument=text)
        except AwsError as error:
            if not replaced or error.aws_code != "LimitExceeded":
                raise
            _call(aws, "delete", principal, earlier)  # there is no room for both
            _call(aws, "put", principal, policy, PolicyDocument=text)
    if replaced:
        _delete(aws, principal, earlier)
    return Attachment(principal.type, principal.name, policy, attached=True, changed=changed or replaced)


def detach_policy(aws: Aws, principal: Principal, policy: str, *, earlier: str = "") -> Attachment:
    """Take the inline policy off, and one of the `earlier` name that is of this Region.

    It is no error if it is not there; NotFound if there is no such principal.
    """
    changed = _delete(aws, principal, policy)
    if earlier and _is_of_region(aws, principal, earlier):
        changed |= _delete(aws, principal, earlier)
    if not changed:
        describe_principal(aws, principal)
    return Attachment(principal.type, principal.name, policy, attached=False, changed=changed)


def _delete(aws: Aws, principal: Principal, policy: str) -> bool:
    try:
        _call(aws, "delete", principal, policy)
    except NotFound:
        return False
    return True


def _is_of_region(aws: Aws, principal: Principal, policy: str) -> bool:
    """Whether there is a policy of that name whose ARNs are of this Region: a name of 0.1.0 does not say which."""
    return f":{aws.region}:" in json.dumps(_current(aws, principal, policy))


def describe_principal(aws: Aws, principal: Principal) -> Any:
    """What IAM's GetRole, GetUser or GetGroup says of it. Raises NotFound."""
    name = {NAME_ARGUMENT[principal.type]: principal.name}
    try:
        answer = getattr(aws.client("iam"), f"get_{principal.type}")(**name)
    except NotFound as error:
        raise NotFound.of(
            error,
            f"There is no {principal.type} {principal.name} in the account {aws.account_id}.",
            hint=f"aws iam list-{principal.type}s",
        ) from error
    return answer[principal.type.capitalize()]


def _require_room(principal: Principal, size: int) -> None:
    limit = MAX_INLINE_POLICY_CHARACTERS[principal.type]
    if size > limit:
        raise UsageError(
            f"The policy has {size} characters, and IAM takes {limit} inline for a {principal.type}.",
            hint=Hint(
                ("iam", "policies", "operator"),
                "Attach it to a role, or create a managed policy with aws iam create-policy from the output of",
            )
            if size <= MAX_MANAGED_POLICY_CHARACTERS
            else f"Attach it to a role that the {principal.type} may assume; it is too long for a managed policy "
            f"({MAX_MANAGED_POLICY_CHARACTERS}), too. A shorter prefix makes it shorter.",
        )


def _current(aws: Aws, principal: Principal, policy: str) -> Any:
    try:
        return _call(aws, "get", principal, policy)["PolicyDocument"]
    except NotFound:
        describe_principal(aws, principal)
        return None


def _call(aws: Aws, verb: str, principal: Principal, policy: str, **arguments: Any) -> Any:
    operation: Callable[..., Any] = getattr(aws.client("iam"), f"{verb}_{principal.type}_policy")
    return operation(**{NAME_ARGUMENT[principal.type]: principal.name}, PolicyName=policy, **arguments)

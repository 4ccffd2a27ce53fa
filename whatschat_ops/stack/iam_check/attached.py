"""Everything attached to an IAM role, user or group: inline and managed policies, groups, the permissions boundary.

Only reads. Raises PermissionDenied when the caller may not read them, NotFound when there is no such principal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.errors import UsageError
from whatschat_ops.stack.attachments import NAME_ARGUMENT, Principal, describe_principal
from whatschat_ops.stack.iam_check.evaluator import Statement, statements


@dataclass(frozen=True, slots=True)
class Attached:
    """The statements of all policies of a principal; `boundary` None when it has no permissions boundary."""

    policies: tuple[str, ...]
    statements: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None


def principal_arn(aws: Aws, principal: Principal) -> str:
    """Its ARN. Raises NotFound."""
    return str(describe_principal(aws, principal)["Arn"])


def principal_of(caller_arn: str) -> Principal:
    """The role or user behind the ARN of GetCallerIdentity. Raises UsageError for root, which no policy limits."""
    if match := re.fullmatch(r"arn:[\w-]+:sts::\d+:assumed-role/([^/]+)/.+", caller_arn):
        return Principal("role", match[1])
    if match := re.fullmatch(r"arn:[\w-]+:iam::\d+:user/(?:.+/)?([^/]+)", caller_arn):
        return Principal("user", match[1])
    raise UsageError(
        f"{caller_arn} has no policies that could be checked.",
        hint="Name one with --role, --user or --group.",
    )


def attached_policies(aws: Aws, principal: Principal) -> Attached:
    """What is attached to it, to a user's groups too."""
    described = describe_principal(aws, principal)
    sources = list(_documents(aws, principal))
    if principal.type == "user":
        for page in aws.client("iam").get_paginator("list_groups_for_user").paginate(UserName=principal.name):
            for group in page["Groups"]:
                sources += _documents(aws, Principal("group", group["GroupName"]))
    user = principal.name if principal.type == "user" else None
    boundary_arn = described.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return Attached(
        tuple(name for name, _ in sources),
        tuple(item for name, document in sources for item in statements(name, document, user)),
        tuple(statements(boundary_arn, _managed(aws, boundary_arn), user)) if boundary_arn else None,
    )


def _documents(aws: Aws, principal: Principal) -> Iterator[tuple[str, Any]]:
    iam = aws.client("iam")
    name = {NAME_ARGUMENT[principal.type]: principal.name}
    for page in iam.get_paginator(f"list_{principal.type}_policies").paginate(**name):
        for policy in page["PolicyNames"]:
            answer = getattr(iam, f"get_{principal.type}_policy")(PolicyName=policy, **name)
            yield f"{principal.type}/{principal.name}/{policy}", answer["PolicyDocument"]
    for page in iam.get_paginator(f"list_attached_{principal.type}_policies").paginate(**name):
        for policy in page["AttachedPolicies"]:
            yield policy["PolicyArn"], _managed(aws, policy["PolicyArn"])


def _managed(aws: Aws, arn: str) -> Any:
    iam = aws.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

"""Lambda functions of the stack, of whatever part: function, alias, log group, role. Pure.

function -> role, its log group;  alias -> function, it points to the newest version
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whatschat_ops.config.names import LIVE_ALIAS
from whatschat_ops.provision import Reference, Resource
from whatschat_ops.stack.iam_documents import Document, actions, allow, pass_roles, trust_policy
from whatschat_ops.stack.kinds.alias import alias_arn
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.role import role_arn
from whatschat_ops.stack.parts.blueprint import Blueprint


def function(
    blueprint: Blueprint, short: str, *, role: str, role_name: str, fields: Mapping[str, Any]
) -> Resource:
    """The function `short` with the role of the logical name `role`. Its code is left alone when there is no package."""
    names = blueprint.names
    common: dict[str, Any] = {
        "function_name": names.function(short),
        "architecture": blueprint.settings.lambda_.architecture,
        "role_arn": arn_of_role(blueprint, role, role_name),
        "published": True,
        "tags": names.tags,
    }
    if (package := blueprint.packages.get(short)) is not None:
        common |= {
            "handler": package.handler,
            "code_sha256": package.sha256_base64,
            "zip": package.zip_bytes,
        }
    return Resource(
        "function",
        short,
        {**common, **fields},
        frozenset({f"log_group.{short}", *made_roles(blueprint, "role", role)}),
    )


def alias(blueprint: Blueprint, short: str, *, role: str) -> Resource:
    """The alias `live` of a function: what it points to is used, so its role must have its policy by then."""
    address = f"function.{short}"
    return Resource(
        "alias",
        short,
        {
            "function_name": Reference(address, "function_name"),
            "alias_name": LIVE_ALIAS,
            "version": Reference(address, "version"),
            "content": Reference(address, "content"),
            "keep_versions": blueprint.settings.lambda_.keep_versions,
        },
        made_roles(blueprint, "role_policy", role),
    )


def live_arn(blueprint: Blueprint, short: str) -> str:
    """The ARN of the alias `live` of a function."""
    return alias_arn(blueprint.place, blueprint.names.function(short), LIVE_ALIAS)


def log_group(blueprint: Blueprint, name: str, group_name: str, **more: Any) -> Resource:
    """A log group: of a function, of the access logs, of events. `more` are fields that not all have."""
    retention_days = blueprint.settings.lambda_.log_retention_days
    fields = {"group_name": group_name, "retention_days": retention_days, "tags": blueprint.names.tags}
    return Resource("log_group", name, {**fields, **more})


def function_log_group(blueprint: Blueprint, short: str) -> Resource:
    """The log group of a function."""
    return log_group(blueprint, short, blueprint.names.function_log_group(short))


def logs_statement(blueprint: Blueprint, *shorts: str) -> Document:
    """What functions need to write their logs."""
    groups = [LogGroup.arn.of(blueprint.place, blueprint.names.function_log_group(short)) for short in shorts]
    resources = [f"{group}:*" for group in groups]
    return allow(
        "Logs",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources if len(resources) > 1 else resources[0],
    )


def given_role(blueprint: Blueprint, name: str) -> str | None:
    """The ARN of the role that exists and is used in place of the stack's own (`lambda`, `broadcast-worker`, ...), if any."""
    iam = blueprint.settings.iam
    return {
        "lambda": iam.lambda_role,
        "broadcast-worker": iam.broadcast_worker_role,
        "broadcast-states": iam.broadcast_states_role,
        "open-connections": iam.open_connections_role,
    }.get(name)


def arn_of_role(blueprint: Blueprint, name: str, role_name: str) -> str:
    """The ARN of the role of that logical name: the one that the settings give, else the stack's own."""
    return given_role(blueprint, name) or role_arn(blueprint.place, blueprint.names.iam_path, role_name)


def made_roles(blueprint: Blueprint, kind: str, *names: str) -> frozenset[str]:
    """The addresses (of `role` or `role_policy`) of those of these roles that the stack makes."""
    return frozenset(f"{kind}.{name}" for name in names if not given_role(blueprint, name))


def use_given_role(blueprint: Blueprint, name: str, service: str) -> Iterator[Document]:
    """What the operator needs to pass a role that exists to `service`, and to check it."""
    if (arn := given_role(blueprint, name)) is not None:
        yield pass_roles(service, arn)
        yield allow("GivenRoles", actions("iam", "GetRole SimulatePrincipalPolicy"), arn)


def role(
    blueprint: Blueprint,
    name: str,
    role_name: str,
    service: str,
    policy: tuple[str, Document],
    *,
    for_account: str | None = None,
) -> Iterator[Resource]:
    """A role that `service` assumes, and its inline policy (name, document). Nothing if the settings give a role.

    `for_account`: the service says for which account it assumes the role, and it must be this one.
    """
    names, boundary = blueprint.names, blueprint.settings.iam.permissions_boundary
    if given_role(blueprint, name):
        return
    yield Resource(
        "role",
        name,
        {
            "role_name": role_name,
            "path": names.iam_path,
            "trust_policy": trust_policy(service, for_account),
            **({"permissions_boundary": boundary} if boundary else {}),
            "tags": names.tags,
        },
    )
    policy_name, document = policy
    yield Resource(
        "role_policy",
        name,
        {
            "role_name": Reference(f"role.{name}", "role_name"),
            "policy_name": policy_name,
            "document": document,
        },
    )

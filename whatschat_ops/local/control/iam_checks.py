"""What ministack's IAM would accept and not do.

IAM API reference; JSON policy grammar of the IAM user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Check, Checks, Refusal, first_of, refused

_NAME: Final = re.compile(r"[\w+=,.@-]+", re.ASCII)
_NAMES: Final = ("RoleName", "UserName", "GroupName", "PolicyName")
_SIMULATION: Final = (
    "CallerArn", "PermissionsBoundaryPolicyInputList", "PolicyExclusionList", "ResourceHandlingOption",
    "ResourceOwner", "ResourcePolicy",
)  # fmt: skip


def checks(policy_exists: Callable[[str], bool]) -> Checks:
    """The checks; `policy_exists` tells whether a managed policy is known by its ARN."""

    def attached(given: Mapping[str, Any]) -> Refusal | None:
        arn = given.get("PolicyArn", "")
        if policy_exists(
            re.sub("^arn:[^:]+:iam::aws:", "arn:aws:iam::aws:", arn)
        ):  # they are in every partition
            return None
        if ":iam::aws:policy/" in arn:
            return "NoSuchEntity", f"Policy {arn}: the embedded AWS does not have this AWS managed policy."
        return "NoSuchEntity", f"Policy {arn} does not exist or is not attachable."

    named: dict[str, Check] = dict.fromkeys(("CreateUser", "CreateGroup", "CreatePolicy"), _is_named)
    return {
        **named,
        **dict.fromkeys(("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy"), attached),
        "CreateRole": first_of(_is_named, lambda given: _trust(given, "AssumeRolePolicyDocument")),
        "UpdateAssumeRolePolicy": lambda given: _trust(given, "PolicyDocument"),
        "SimulateCustomPolicy": refused(*_SIMULATION, code="InvalidInput"),
        "SimulatePrincipalPolicy": refused(*_SIMULATION, code="InvalidInput"),
    }


def _is_named(given: Mapping[str, Any]) -> Refusal | None:
    for name in _NAMES:
        if name in given and not _NAME.fullmatch(given[name]):
            return (
                "ValidationError",
                f"The specified value for {name[0].lower()}{name[1:]} is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
            )
    return None


def _trust(given: Mapping[str, Any], parameter: str) -> Refusal | None:
    """A trust policy needs statements with an effect, a principal and an action."""
    try:
        statements = json.loads(given.get(parameter, ""))["Statement"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return "MalformedPolicyDocument", "Syntax errors in policy."
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            return "MalformedPolicyDocument", "Syntax errors in policy."
        if not {"Principal", "NotPrincipal"} & statement.keys():
            return "MalformedPolicyDocument", "Missing required field Principal"
        if not {"Action", "NotAction"} & statement.keys():
            return "MalformedPolicyDocument", "Missing required field Action"
    return None

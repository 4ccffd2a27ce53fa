"""Whether the resource policy of a function lets a service invoke it: a pure function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from whatschat_ops.local.control.records import Record, listed


def allows(statements: Iterable[Record], service: str, function_arn: str, source_arn: str) -> bool:
    """Whether a function's resource policy allows a service to invoke it for `source_arn`.

    Evaluated as IAM does for a service principal: at least one matching Allow, and no matching Deny.
    """
    matching = [s for s in statements if _statement_matches(s, service, function_arn, source_arn)]
    return bool(matching) and all(statement.get("Effect") == "Allow" for statement in matching)


def _statement_matches(statement: Record, service: str, function_arn: str, source_arn: str) -> bool:
    return (
        _principal_matches(statement.get("Principal"), service)
        and any(_like(action.lower(), "lambda:invokefunction") for action in listed(statement.get("Action")))
        and any(_like(resource, function_arn) for resource in listed(statement.get("Resource")))
        and _conditions_match(statement.get("Condition") or {}, source_arn)
    )


def _principal_matches(principal: Any, service: str) -> bool:
    if isinstance(principal, Mapping):
        return service in listed(principal.get("Service")) or "*" in listed(principal.get("AWS"))
    return bool(principal == "*")


def _conditions_match(conditions: Record, source_arn: str) -> bool:
    known = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_arn.split(":")[4]}
    return all(
        _condition_matches(operator.lower(), listed(expected), known.get(key.lower()))
        for operator, block in conditions.items()
        for key, expected in block.items()
    )


def _condition_matches(operator: str, expected: list[str], actual: str | None) -> bool:
    if actual is None:  # the service sends no such key
        return operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    if operator in ("arnlike", "arnequals"):
        return any(_arn_like(pattern, actual) for pattern in expected)
    if operator == "stringlike":
        return any(_like(pattern, actual) for pattern in expected)
    if operator == "stringequals":
        return actual in expected
    if operator == "stringequalsignorecase":
        return actual.lower() in [value.lower() for value in expected]
    return False


def _arn_like(pattern: str, arn: str) -> bool:
    """ArnLike: each of the six parts is compared separately, so that a wildcard does not match a colon."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_like, patterns, parts))


def _like(pattern: str, value: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None

"""What ministack's DynamoDB would ignore in expressions, statements and parameters.

DynamoDB developer guide (expressions, ql-reference.select.html) and API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Checks, Refusal, refused
from whatschat_ops.local.control.update_expressions import projection_problem, update_problem

Keys = Callable[[str], Collection[str]]
"""The name of a table -> its key attributes."""

_VALIDATION: Final = "ValidationException"
_CONDITIONS: Final = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
_CALL: Final = re.compile(r"(?<![#:\w])([A-Za-z_]\w*)\s*\(")
_NAMES_BEFORE_A_PARENTHESIS: Final = frozenset({
    "and", "or", "not", "in", "between",
    "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size",
})  # fmt: skip
_ORDER: Final = re.compile(r'\sORDER\s+BY\s+"?([^\s",]+)', re.IGNORECASE)
_TABLE: Final = re.compile(r'\sFROM\s+"?([\w.-]+)"?', re.IGNORECASE)
_AGGREGATE: Final = re.compile(r"^\s*SELECT\s+(count|sum|avg|min|max)\s*\(", re.IGNORECASE)
_INDEX: Final = re.compile(r'\sFROM\s+"[^"]+"\s*\.\s*"', re.IGNORECASE)
_SELECT: Final = re.compile(r"\s*SELECT\s", re.IGNORECASE)


def _request(given: Mapping[str, Any]) -> Refusal | None:
    """Update, projection and condition expressions of one request or one action of a transaction."""
    names, problem = given.get("ExpressionAttributeNames") or {}, None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        return None  # ministack rejects it
    if isinstance(update := given.get("UpdateExpression"), str):
        problem = update_problem(update, names)
    if not problem and isinstance(projection := given.get("ProjectionExpression"), str):
        problem = projection_problem(projection, names)
    problem = problem or next(
        filter(None, (_function_problem(kind, given.get(kind)) for kind in _CONDITIONS)), None
    )
    return (_VALIDATION, problem) if problem else None


def _function_problem(kind: str, expression: Any) -> str | None:
    for name in _CALL.findall(expression if isinstance(expression, str) else ""):
        if name.lower() not in _NAMES_BEFORE_A_PARENTHESIS:
            return f"Invalid {kind}: Invalid function name; function: {name}"
    return None


def _each(
    actions: Callable[[Mapping[str, Any]], Iterator[Any]],
) -> Callable[[Mapping[str, Any]], Refusal | None]:
    def check(given: Mapping[str, Any]) -> Refusal | None:
        found = (_request(action) for action in actions(given) if isinstance(action, dict))
        return next(filter(None, found), None)

    return check


def _transaction(given: Mapping[str, Any]) -> Iterator[Any]:
    for item in given.get("TransactItems") or ():
        yield from item.values() if isinstance(item, dict) else ()


def _batch(given: Mapping[str, Any]) -> Iterator[Any]:
    tables = given.get("RequestItems")
    yield from tables.values() if isinstance(tables, dict) else ()


def _statement(given: Mapping[str, Any], keys_of: Keys) -> Refusal | None:
    """PartiQL: what ministack leaves out of a SELECT."""
    text = str(given.get("Statement") or "")
    if not _SELECT.match(text):
        return None
    if _AGGREGATE.search(text):
        return _VALIDATION, "Statement wasn't well formed, can't be processed: Unexpected function"
    order = _ORDER.search(text)
    if _INDEX.search(text):
        if order:
            return _VALIDATION, "ORDER BY: the embedded AWS does not sort the items of an index in PartiQL."
        return None
    if "Limit" in given or "NextToken" in given:
        return _VALIDATION, "Limit: the embedded AWS does not page the items of a table in PartiQL."
    return _order_problem(text, order[1], keys_of) if order else None


def _order_problem(text: str, attribute: str, keys_of: Keys) -> Refusal | None:
    if not re.search(r"\sWHERE\s", text, re.IGNORECASE):
        return _VALIDATION, "Must have WHERE clause in the statement when using ORDER BY clause."
    table = _TABLE.search(text)
    if table and attribute not in keys_of(table[1]):
        return (
            _VALIDATION,
            f"Variable reference {attribute} in ORDER BY clause must be part of the primary key",
        )
    return None


def checks(keys_of: Keys) -> Checks:
    """The checks; `keys_of` gives the key attributes of a table."""

    def statements(given: Mapping[str, Any]) -> Refusal | None:
        found = (
            _statement(each, keys_of) for each in given.get("Statements") or () if isinstance(each, dict)
        )
        return next(filter(None, found), None)

    return {
        **_CHECKS,
        "BatchExecuteStatement": statements,
        "ExecuteStatement": lambda given: _statement(given, keys_of),
    }


_CHECKS: Final[Checks] = {
    "BatchGetItem": _each(_batch),
    "CreateTable": refused(
        "GlobalTableSettingsReplicationMode", "GlobalTableSourceArn", "ResourcePolicy", code=_VALIDATION
    ),
    "DeleteItem": _request,
    "GetItem": _request,
    "PutItem": _request,
    "Query": _request,
    "Scan": _request,
    "TransactGetItems": _each(_transaction),
    "TransactWriteItems": _each(_transaction),
    "UpdateItem": _request,
    "UpdateTable": refused(
        "GlobalTableSettingsReplicationMode",
        "GlobalTableWitnessUpdates",
        "MultiRegionConsistency",
        code=_VALIDATION,
    ),
}

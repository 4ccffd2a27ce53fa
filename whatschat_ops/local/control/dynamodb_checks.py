"""What ministack's DynamoDB would ignore in expressions, statements and parameters.

DynamoDB developer guide (expressions, ql-reference.select.html) and API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from whatschat_ops.local.control.request_checks import Checks, Refusal, refused
from whatschat_ops.local.control.update_expressions import projection_problem, update_problem

Tables = Callable[[str], Mapping[str, Any]]
"""The name of a table -> its KeySchema and indexes; empty if it does not exist."""

_VALIDATION: Final = "ValidationException"
_CONDITIONS: Final = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
_CALL: Final = re.compile(r"(?<![#:\w])([A-Za-z_]\w*)\s*\(")
_NAMES_BEFORE_A_PARENTHESIS: Final = frozenset({
    "and", "or", "not", "in", "between",
    "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size",
})  # fmt: skip
_IN_KEY_CONDITIONS: Final = frozenset({"and", "between", "begins_with"})
_OPERATOR: Final = re.compile(r"(?<![#:.\w])(?:OR|NOT|IN)\b|<>", re.IGNORECASE)
_RESERVED: Final = re.compile(r"(?<![#:\w])size\b(?!\s*\()", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"(?<![#:.\w])#?[A-Za-z_]\w*\b(?!\s*\()")
_TYPE_OPERAND: Final = re.compile(r"\battribute_type\s*\([^,()]+,\s*(:\w+)")
_TYPES: Final = ("B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M")
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
    values = given.get("ExpressionAttributeValues")
    values = values if isinstance(values, dict) else {}
    if isinstance(update := given.get("UpdateExpression"), str):
        problem = update_problem(update, names, values)
    if not problem and isinstance(projection := given.get("ProjectionExpression"), str):
        problem = projection_problem(projection, names)
    problem = problem or next(
        filter(None, (_condition_problem(kind, given.get(kind) or "", values) for kind in _CONDITIONS)), None
    )
    return (_VALIDATION, problem) if problem else None


def _condition_problem(kind: str, expression: Any, values: Mapping[str, Any]) -> str | None:
    if not isinstance(expression, str):
        return None  # ministack rejects it
    calls = _CALL.findall(expression)
    for name in calls:
        if name.lower() not in _NAMES_BEFORE_A_PARENTHESIS:
            return f"Invalid {kind}: Invalid function name; function: {name}"
    if reserved := _RESERVED.search(expression):
        return f"Invalid {kind}: Attribute name is a reserved keyword; reserved keyword: {reserved[0]}"
    for operand in _TYPE_OPERAND.findall(expression):
        value = values.get(operand)
        type_ = value.get("S") if isinstance(value, dict) else None
        if type_ is not None and type_ not in _TYPES:
            return f"Invalid {kind}: Invalid attribute type name found; type: {type_}, valid types: {{{','.join(_TYPES)}}}"
    return _key_condition_problem(expression, calls) if kind == "KeyConditionExpression" else None


def _key_condition_problem(expression: str, calls: list[str]) -> str | None:
    """A condition on keys has comparisons, BETWEEN and begins_with, joined by AND (Query.KeyConditionExpressions.html)."""
    operator = _OPERATOR.search(expression)
    found = operator[0].upper() if operator else None
    found = found or next((name for name in calls if name.lower() not in _IN_KEY_CONDITIONS), None)
    return f"Invalid operator used in KeyConditionExpression: {found}" if found else None


def _read(given: Mapping[str, Any], tables: Tables, *, query: bool) -> Refusal | None:
    """Query and Scan: their expressions, and what they may ask of the table or index."""
    if refusal := _request(given):
        return refusal
    table, index = tables(str(given.get("TableName"))), given.get("IndexName")
    of_index = [each for each in table.get("GlobalSecondaryIndexes") or () if each.get("IndexName") == index]
    projection = of_index[0].get("Projection", {}).get("ProjectionType", "ALL") if of_index else "ALL"
    if given.get("Select") == "ALL_ATTRIBUTES" and projection != "ALL":
        return _VALIDATION, (
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
            f"secondary index {index} because its projection type is not ALL"
        )
    of_index += [each for each in table.get("LocalSecondaryIndexes") or () if each.get("IndexName") == index]
    return _filter_problem(given, _keys((*of_index, table)[0])) if query else None


def _keys(schema: Mapping[str, Any]) -> list[str]:
    return [each["AttributeName"] for each in schema.get("KeySchema") or ()]


def _filter_problem(given: Mapping[str, Any], keys: list[str]) -> Refusal | None:
    names = given.get("ExpressionAttributeNames")
    names = names if isinstance(names, dict) else {}
    for part in _ATTRIBUTE.findall(str(given.get("FilterExpression") or "")):
        if (name := names.get(part, part)) in keys and part.lower() not in _NAMES_BEFORE_A_PARENTHESIS:
            return _VALIDATION, (
                "Filter Expression can only contain non-primary key attributes: "
                f"Primary key attribute: {name}"
            )
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


def _statement(given: Mapping[str, Any], tables: Tables) -> Refusal | None:
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
    return _order_problem(text, order[1], tables) if order else None


def _order_problem(text: str, attribute: str, tables: Tables) -> Refusal | None:
    if not re.search(r"\sWHERE\s", text, re.IGNORECASE):
        return _VALIDATION, "Must have WHERE clause in the statement when using ORDER BY clause."
    table = _TABLE.search(text)
    if table and attribute not in _keys(tables(table[1])):
        return (
            _VALIDATION,
            f"Variable reference {attribute} in ORDER BY clause must be part of the primary key",
        )
    return None


def checks(tables: Tables) -> Checks:
    """The checks of the operations."""

    def statements(given: Mapping[str, Any]) -> Refusal | None:
        found = (_statement(each, tables) for each in given.get("Statements") or () if isinstance(each, dict))
        return next(filter(None, found), None)

    return {
        **_CHECKS,
        "BatchExecuteStatement": statements,
        "ExecuteStatement": lambda given: _statement(given, tables),
        "Query": lambda given: _read(given, tables, query=True),
        "Scan": lambda given: _read(given, tables, query=False),
    }


_CHECKS: Final[Checks] = {
    "BatchGetItem": _each(_batch),
    "CreateTable": refused(
        "GlobalTableSettingsReplicationMode", "GlobalTableSourceArn", "ResourcePolicy", code=_VALIDATION
    ),
    "DeleteItem": _request,
    "GetItem": _request,
    "PutItem": _request,
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

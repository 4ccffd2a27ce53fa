"""The condition key `dynamodb:LeadingKeys`: the partition keys that a request names, by which policies limit items.

DynamoDB developer guide, specifying-conditions.html. A PartiQL statement's keys are not worked out: a policy that asks
for them denies it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

NAME: Final = "dynamodb:LeadingKeys"
NOT_KNOWN: Final = "\0"
"""No key of an item."""

PartitionKey = Callable[[str, str | None], str]
"""Names of a table and of an index, if it has one -> the name of the partition key; "" if there is no such table."""


def install(iam_actions: Any, tables: Mapping[str, Any]) -> None:
    """Add the key to what ministack knows of a request."""
    context_of = iam_actions.dynamodb_service_context

    def service_context(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = context_of(body)
        keys = leading_keys(body, lambda table, index: _partition_key(tables.get(table), index))
        return {**context, NAME: keys} if keys else context

    iam_actions.dynamodb_service_context = service_context


def leading_keys(body: bytes, partition_key: PartitionKey) -> list[str]:
    """The values of the partition keys in a request."""
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return []
    if not isinstance(request, dict):
        return []
    if "Statement" in request or "Statements" in request or "TransactStatements" in request:
        return [NOT_KNOWN]
    try:
        return [_text(value) for value in _values(request, partition_key) if value is not None]
    # Malformed: ministack rejects it.
    except (AttributeError, LookupError, StopIteration, TypeError, ValueError):
        return [NOT_KNOWN]


def _values(request: Mapping[str, Any], partition_key: PartitionKey) -> Iterator[Any]:
    for table, wanted in (request.get("RequestItems") or {}).items():
        items = wanted["Keys"] if isinstance(wanted, dict) else [_written(each) for each in wanted]
        key = partition_key(_name(table), None)
        yield from (item.get(key) for item in items)
    for action in request.get("TransactItems") or ():
        for each in action.values():
            yield from _values(each, partition_key)
    table = _name(str(request.get("TableName")))
    for item in filter(None, (request.get("Key"), request.get("Item"))):
        yield item.get(partition_key(table, None))
    if condition := request.get("KeyConditionExpression"):
        yield _queried(request, condition, partition_key(table, request.get("IndexName")))
    if conditions := request.get("KeyConditions"):  # the form of before expressions
        yield conditions[partition_key(table, request.get("IndexName"))]["AttributeValueList"][0]


def _queried(request: Mapping[str, Any], condition: str, key: str) -> Any:
    names = request.get("ExpressionAttributeNames") or {}
    # `a.k` and `a . k` name a member of `a`, not the key `k`.
    for name, value in re.findall(r"(?<![\w#:.])([#\w]+)\s*=\s*(:\w+)", re.sub(r"\s*\.\s*", ".", condition)):
        if names.get(name, name) == key:
            return request["ExpressionAttributeValues"].get(value)
    return {"S": NOT_KNOWN}


def _written(request: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (request.get("PutRequest") or request["DeleteRequest"]).get(
        "Item" if "PutRequest" in request else "Key"
    )
    return found


def _name(table: str) -> str:
    return table.rpartition("/")[2]  # a table may be named by its ARN


def _text(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))


def _partition_key(table: Mapping[str, Any] | None, index: str | None) -> str:
    if table is None:
        return ""
    if index is None:
        return str(table["pk_name"])
    indexes = [*(table.get("GlobalSecondaryIndexes") or ()), *(table.get("LocalSecondaryIndexes") or ())]
    schemas = [each["KeySchema"] for each in indexes if each["IndexName"] == index]
    return next(
        (str(key["AttributeName"]) for keys in schemas for key in keys if key["KeyType"] == "HASH"), ""
    )

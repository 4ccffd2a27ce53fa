"""The metrics of AWS/DynamoDB: what each request takes of its tables, and the items that TTL deletes.

ConsumedReadCapacityUnits, ConsumedWriteCapacityUnits and TimeToLiveDeletedItemCount with {TableName}, SuccessfulRequestLatency with
{TableName, Operation} (DynamoDB Developer Guide, "DynamoDB metrics and dimensions"). Statements of PartiQL have none here, and
nothing is throttled, so that there are no ThrottledRequests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.local.control.wire import Response

NAMESPACE: Final = "AWS/DynamoDB"
TTL_THREAD: Final = "dynamodb-ttl-reaper"
READ: Final = "ConsumedReadCapacityUnits"
WRITE: Final = "ConsumedWriteCapacityUnits"

OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "_get_item": ("GetItem", READ),
    "_query": ("Query", READ),
    "_scan": ("Scan", READ),
    "_batch_get_item": ("BatchGetItem", READ),
    "_transact_get_items": ("TransactGetItems", READ),
    "_put_item": ("PutItem", WRITE),
    "_update_item": ("UpdateItem", WRITE),
    "_delete_item": ("DeleteItem", WRITE),
    "_batch_write_item": ("BatchWriteItem", WRITE),
    "_transact_write_items": ("TransactWriteItems", WRITE),
}
"""ministack's function -> the operation, and the metric of the capacity that it consumes."""

Record = Callable[[str, str, float, str, Mapping[str, str]], None]
"""Namespace, name, value, unit and dimensions of one datum in the current Region."""


@dataclass(slots=True)
class _Request:
    """`asked`: its sender wants to see the consumed capacity."""

    asked: bool
    consumed: list[Mapping[str, Any]] = field(default_factory=list)


_current: ContextVar[_Request | None] = ContextVar("request of DynamoDB", default=None)


def install(dynamodb: Any, record: Record, scope: Callable[[str, str], Any]) -> None:
    """Record the metrics of every request, and of what TTL deletes. `scope(account, region)` is a context manager."""
    encode, remove = dynamodb.json_response, dynamodb._remove_item

    def json_response(data: Mapping[str, Any], *rest: Any, **options: Any) -> Response:
        request = _current.get()
        if request is not None:
            found = data.get("ConsumedCapacity") or []
            request.consumed = found if isinstance(found, list) else [found]
            if not request.asked:
                data = {name: value for name, value in data.items() if name != "ConsumedCapacity"}
        response: Response = encode(data, *rest, **options)
        return response

    def remove_item(table: Mapping[str, Any], *key: Any) -> Any:
        if threading.current_thread().name == TTL_THREAD:
            region, account = str(table["TableArn"]).split(":")[3:5]
            with scope(account, region):
                dimensions = {"TableName": str(table["TableName"])}
                record(NAMESPACE, "TimeToLiveDeletedItemCount", 1, "Count", dimensions)
        return remove(table, *key)

    dynamodb.json_response, dynamodb._remove_item = json_response, remove_item
    for name, (operation, metric) in OPERATIONS.items():
        setattr(dynamodb, name, _measured(getattr(dynamodb, name), operation, metric, record))


def _measured(
    original: Callable[[Any], Response], operation: str, metric: str, record: Record
) -> Callable[[Any], Response]:
    def handle(data: Any) -> Response:
        request = _Request(asked=data.get("ReturnConsumedCapacity", "NONE") != "NONE")
        token, began = _current.set(request), time.monotonic()
        try:
            response = original(data if request.asked else {**data, "ReturnConsumedCapacity": "TOTAL"})
        finally:
            _current.reset(token)
        for table, units in _by_table(request.consumed):
            record(NAMESPACE, metric, units, "Count", {"TableName": table})
            latency_ms = (time.monotonic() - began) * 1000
            of_operation = {"TableName": table, "Operation": operation}
            record(NAMESPACE, "SuccessfulRequestLatency", latency_ms, "Milliseconds", of_operation)
        return response

    return handle


def _by_table(consumed: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, float]]:
    for each in consumed:
        # A table may be named by its ARN, its metrics are not.
        yield str(each["TableName"]).rpartition("/")[2], float(each["CapacityUnits"])

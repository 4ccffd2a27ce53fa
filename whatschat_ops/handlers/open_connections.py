"""The scheduled count of open connections, written as CloudWatch metrics.

Reads the number of rows, not the rows: a Scan with Select=COUNT, whose filter leaves the unexpired ones in. All that was
read but not left in is expired, and DynamoDB has not deleted it yet. The line is in the embedded metric format (CloudWatch
User Guide, "Specification: Embedded metric format"), which CloudWatch makes metrics of, without a call.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from .aws_api import AwsApi
from .connections_table import JsonApi, table_name

NAMESPACE: Final = "WhatsChat"
MARGIN_MS: Final = 10_000
"""No page is asked for later than this before Lambda ends the function: one may be repeated, and the line is still to be written."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one pass. `read_units` are those that DynamoDB bills."""

    open: int
    stale: int
    pages: int
    read_units: float


class CountTooLong(Exception):
    """The table is too large for the time of one invocation."""


def count(api: JsonApi, table: str, now_s: int, time_left_ms: Callable[[], int]) -> Counted:
    """Count the rows whose `ttl` is later than `now_s`, or that have none. Raises CountTooLong, AwsCallFailed."""
    found = Counted(0, 0, 0, 0.0)
    start: dict[str, Any] = {}
    while True:
        if time_left_ms() < MARGIN_MS:
            raise CountTooLong(f"{found.open + found.stale} rows were counted when the time was over")
        page = api.call("dynamodb", "DynamoDB_20120810.Scan", {**_request(table, now_s), **start})
        kept, scanned = page["Count"], page["ScannedCount"]
        units = page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        found = Counted(
            found.open + kept, found.stale + scanned - kept, found.pages + 1, found.read_units + units
        )
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _request(table: str, now_s: int) -> dict[str, Any]:
    return {
        "TableName": table,
        "Select": "COUNT",
        "FilterExpression": "attribute_not_exists(#ttl) OR #ttl > :now",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {":now": {"N": str(now_s)}},
        "ReturnConsumedCapacity": "TOTAL",
    }


def metric_line(counted: Counted, table: str, now_ms: int, request_id: str) -> dict[str, Any]:
    """The log line that CloudWatch makes the metrics OpenConnections and StaleRows of."""
    metrics = [{"Name": name, "Unit": "Count"} for name in ("OpenConnections", "StaleRows")]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["TableName"]], "Metrics": metrics}
    return {
        "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]},
        "level": "INFO",
        "event": "open-connections",
        "outcome": "counted",
        "requestId": request_id,
        "TableName": table,
        "OpenConnections": counted.open,
        "StaleRows": counted.stale,
        "pages": counted.pages,
        "readUnits": counted.read_units,
    }


def handler(_event: Mapping[str, Any], context: Any) -> None:
    """The entry point of the Lambda function. What it raises makes Lambda try again, twice, and then drop the event."""
    table, now_s = table_name(os.environ), time.time()
    counted = count(_api(), table, int(now_s), context.get_remaining_time_in_millis)
    line = metric_line(counted, table, int(now_s * 1000), context.aws_request_id)
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@cache
def _api() -> AwsApi:
    return AwsApi(os.environ)

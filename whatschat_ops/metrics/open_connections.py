"""How many connections are open now: the last scheduled count of the table, or a count of this moment.

The count is of rows that have not expired. A running number of connects and disconnects would drift: `$disconnect` is best
effort (API Gateway Developer Guide, "Manage connected users and client apps"). Rows of connections that ended without it count
until they expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from whatschat_ops.aws import Aws

NAMESPACE: Final = "WhatsChat"
METRIC: Final = "OpenConnections"
LOOK_BACK: Final = timedelta(hours=3)
COUNTED_NOW: Final = "table"
SCHEDULED: Final = "metric"


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """`source`: `metric` is the scheduled count, `table` one of this moment, which took `read_units`. None: not counted;
    `refused` is the operation that IAM does not allow.
    """

    connections: int | None = None
    at: datetime | None = None
    source: str | None = None
    read_units: float | None = None
    refused: str | None = None


def last_count(aws: Aws, table: str, now: datetime) -> OpenConnections:
    """The newest value of the scheduled count of the last hours."""
    answer = aws.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=METRIC,
        Dimensions=[{"Name": "TableName", "Value": table}],
        StartTime=now - LOOK_BACK,
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    newest = max(answer["Datapoints"], key=lambda point: point["Timestamp"], default=None)
    if newest is None:
        return OpenConnections()
    return OpenConnections(int(newest["Maximum"]), newest["Timestamp"], SCHEDULED)


def count_now(aws: Aws, table: str, now: datetime, *, most_pages: int | None = None) -> OpenConnections:
    """Count the rows that have not expired. Reads the whole table; if that has more than `most_pages` of 1 MB, it is not counted."""
    request: dict[str, Any] = {
        "TableName": table,
        "Select": "COUNT",
        "FilterExpression": "#ttl > :now OR attribute_not_exists(#ttl)",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {":now": {"N": str(int(now.timestamp()))}},
        "ReturnConsumedCapacity": "TOTAL",
    }
    counted, read_units = 0, 0.0
    pages = aws.client("dynamodb").get_paginator("scan").paginate(**request)
    for number, page in enumerate(pages, start=1):
        counted += page["Count"]
        read_units += page["ConsumedCapacity"]["CapacityUnits"]
        if number == most_pages and page.get("LastEvaluatedKey"):
            return OpenConnections(read_units=read_units)
    return OpenConnections(counted, now, COUNTED_NOW, read_units)

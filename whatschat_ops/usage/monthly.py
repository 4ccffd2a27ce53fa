"""What is billed by the month because it exists: alarms, dashboards and custom metrics of one stack, as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names
from whatschat_ops.errors import NotFound
from whatschat_ops.metrics.open_connections import NAMESPACE
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.measured import Bounded, Name, months

HIGH_RESOLUTION_S: Final = 60
"""An alarm with a shorter period is billed as a high-resolution one."""


def monthly_quantities(aws: Aws, names: Names, since: datetime, until: datetime) -> dict[Name, Bounded]:
    """Each as its number times the months of the time. Raises PermissionDenied."""
    client = aws.client("cloudwatch")
    share = months(since, until)
    numbers: dict[Name, int] = {"metrics": _custom_metrics(client, names)}
    prefix = names.alarm("").rpartition("/")[0]
    numbers |= {"alarms": 0, "alarms_high_resolution": 0, "alarms_composite": 0}
    for page in client.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{prefix}/", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    ):
        numbers["alarms_composite"] += len(page.get("CompositeAlarms", ()))
        for alarm in page.get("MetricAlarms", ()):
            numbers[_kind_of(alarm)] += _metrics_of(alarm)
    numbers["dashboards"] = _dashboards(client, names)
    return {name: Bounded.exactly(plain(Decimal(number) * share)) for name, number in numbers.items()}


def _custom_metrics(client: Any, names: Names) -> int:
    table = [{"Name": "TableName", "Value": names.connections_table}]
    pages = client.get_paginator("list_metrics").paginate(Namespace=NAMESPACE, Dimensions=table)
    return sum(len(page.get("Metrics", ())) for page in pages)


def _dashboards(client: Any, names: Names) -> int:
    try:
        client.get_dashboard(DashboardName=names.dashboard)
    except NotFound:
        return 0
    return 1


def _kind_of(alarm: Mapping[str, Any]) -> Name:
    period_s = alarm.get("Period") or min(
        (each["MetricStat"]["Period"] for each in alarm.get("Metrics", ()) if "MetricStat" in each),
        default=HIGH_RESOLUTION_S,
    )
    return "alarms" if period_s >= HIGH_RESOLUTION_S else "alarms_high_resolution"


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    """An alarm is billed for each metric that it looks at."""
    return sum("MetricStat" in each for each in alarm.get("Metrics", ())) or 1

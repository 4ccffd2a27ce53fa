"""CloudWatch beside the logs: metrics, alarms, dashboards and what reads them; what the settings make, and what was given."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, cast

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.quantities import (
    KB_PER_GB,
    MONTH_MINUTES,
    SMALLEST,
    Quantity,
    Traffic,
    derived,
    round_up,
)
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.count_reads import BYTES_PER_ROW, count_reads
from whatschat_ops.pricing.rates import RateKey

SERVICE: Final = "CloudWatch"
COUNT: Final = "Count of open connections"
COUNT_S: Final = Decimal(1)
"""An assumption: the function reads about 1 MB of the table in 0.1 seconds."""
COUNT_LOG_KB: Final = Decimal(1)


def components(traffic: Traffic) -> Iterator[Component]:
    """Each with its number: of the settings and given; unknown if neither."""
    stack, given = traffic.stack, traffic.usage.cloudwatch
    rows: tuple[tuple[str, RateKey, str, int, Decimal | None], ...] = (
        ("Custom metrics", "metrics", "metric", stack.metrics, given.metrics),
        ("Alarms", "alarms", "alarm metric", stack.alarms, given.alarms),
        ("High-resolution alarms", "alarms_high_resolution", "alarm metric", 0, given.high_resolution_alarms),
        ("Composite alarms", "alarms_composite", "alarm", 0, given.composite_alarms),
        ("Dashboards", "dashboards", "dashboard", stack.dashboards, given.dashboards),
        ("Read by GetMetricData", "metrics_requested", "metric", 0, given.metrics_requested),
    )
    for item, price, unit, made, more in rows:
        yield Component(SERVICE, item, price, unit, _number(made, more))
    yield Component(
        "SNS", "Notifications by e-mail", "notifications_email", "notification", Quantity(given.emails)
    )


def count(traffic: Traffic) -> Iterator[Component]:
    """The scheduled function that reads the connections table, where monitoring.open_connections is set."""
    every = traffic.stack.count_every_minutes
    if every is None:
        return
    runs, basis = MONTH_MINUTES / every, f"one every {every} minutes: monitoring.open_connections is set"
    duration = cast(RateKey, f"lambda_duration_{traffic.architecture}")
    reads = derived(
        None,
        f"the average number of open connections × {BYTES_PER_ROW} bytes, read by each count",
        lambda total: count_reads(max(1, int(round_up(total / MONTH_MINUTES * BYTES_PER_ROW))), every),
        traffic.minutes,
    )
    seconds = Quantity(plain(runs * COUNT_S * traffic.memory_gb), "one second for each count")
    lines = Quantity(plain((runs * COUNT_LOG_KB / KB_PER_GB).quantize(SMALLEST)), "1 KB for each count")
    yield Component(COUNT, "Invocations", "lambda_requests", "request", Quantity(plain(runs), basis))
    yield Component(COUNT, "Duration", duration, "GB-second", seconds)
    yield Component(COUNT, "Reads of the table", "dynamodb_reads", "request unit", reads)
    yield Component(COUNT, "Log lines", "logs_ingested_lambda", "GB", lines)


def _number(made: int, more: Decimal | None) -> Quantity:
    if not made:
        return Quantity(more)
    return Quantity(made + (more or Decimal(0)), "of the settings" + (", and given" if more else ""))

"""What the settings cost every month, however little traffic there is: alarms, the dashboard, custom metrics, the count's reads.

settings, size of the table -> usage -> prices. Pure, but for the one call that reads the size of the table.
A month has 30 days, as in `cost estimate`; free units of the account are not deducted, since other stacks use them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound
from whatschat_ops.pricing.count_reads import BYTES_PER_ROW, count_reads
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import Rate
from whatschat_ops.provision.report import CostReport
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.alarms import watches
from whatschat_ops.stack.parts.blueprint import Blueprint

METRICS_OF_COUNT: Final = 2
"""OpenConnections and StaleRows."""
_MILLION: Final = 1_000_000


class MonthlyUsage(Struct, frozen=True):
    """What a setting uses in a month. `rate` is a key of the price cards, `quantity` in its unit; None: it depends on the rows,
    and is `per_million_rows` for each million of them.
    """

    setting: str
    what: str
    rate: str
    quantity: Decimal | None
    per_million_rows: Decimal | None = None


def monthly_usage(settings: Settings, table_bytes: int | None = None) -> tuple[MonthlyUsage, ...]:
    """What these settings use. `table_bytes`: of the connections table; None while that is not known."""
    monitoring = settings.monitoring
    return tuple(_of_monitoring(settings, table_bytes)) if monitoring.enabled else ()


def _of_monitoring(settings: Settings, table_bytes: int | None) -> Iterator[MonthlyUsage]:
    monitoring = settings.monitoring
    if monitoring.alarms:
        blueprint = Blueprint(settings, Place(settings.aws.region, "*"), api_id="*")
        number = sum(1 for _ in watches(blueprint))
        yield MonthlyUsage("monitoring.alarms", "alarms", "alarms", Decimal(number))
    if monitoring.dashboard:
        yield MonthlyUsage("monitoring.dashboard", "dashboard", "dashboards", Decimal(1))
    if monitoring.counts_connections:
        setting = "monitoring.open_connections"
        minutes = monitoring.open_connections.every_minutes
        yield MonthlyUsage(setting, "custom metrics", "metrics", Decimal(METRICS_OF_COUNT))
        yield MonthlyUsage(
            setting,
            f"read units of a count every {minutes} min",
            "dynamodb_reads",
            count_reads(table_bytes, minutes) if table_bytes else None,
            count_reads(_MILLION * BYTES_PER_ROW, minutes),
        )


def priced(usage: MonthlyUsage, rates: Mapping[str, Rate]) -> CostReport:
    """The line of a plan. Without a price in the card: no amount, and a source that says so."""
    rate = rates.get(usage.rate)
    quantity = usage.per_million_rows if usage.quantity is None else usage.quantity
    assert quantity is not None
    each = "of each million rows" if usage.quantity is None else None
    if rate is None:
        return CostReport(
            usage.what, usage.setting, str(quantity), None, f"price of {usage.rate} not found", each
        )
    cost = charge(quantity, rate, free_tiers=FreeTiers.NONE).cost
    return CostReport(usage.what, usage.setting, str(quantity), f"{cost:.2f}", rate.source, each)


def table_size_bytes(settings: Settings, aws: Aws) -> int | None:
    """Of the connections table, as DynamoDB says about every six hours; None if it is not there, or said to be empty."""
    try:
        table = aws.client("dynamodb").describe_table(TableName=Names(settings).connections_table)["Table"]
    except NotFound:
        return None
    return int(table.get("TableSizeBytes", 0)) or None

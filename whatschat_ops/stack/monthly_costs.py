"""What the settings cost every month, however little traffic there is: alarms, the dashboard, custom metrics, the count's reads.

settings, size of the table -> usage -> prices. Pure, but for the one call that reads the size of the table.
A month has 30 days, as in `cost estimate`; free units of the account are not deducted, since other stacks use them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

from msgspec import Struct

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import Rate
from whatschat_ops.provision.report import CostReport
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.alarms import watches
from whatschat_ops.stack.parts.blueprint import Blueprint

MINUTES_PER_MONTH: Final = 30 * 24 * 60
METRICS_OF_COUNT: Final = 2
"""OpenConnections and StaleRows."""
BYTES_PER_ROW: Final = 120
"""A row of the built-in functions: its four attributes with their names, and ids of usual lengths."""
_MILLION: Final = 1_000_000
_BYTES_PER_UNIT: Final = 4_096
_EVENTUAL: Final = Decimal("0.5")
"""Units of an eventually consistent read for each 4 KB (DynamoDB developer guide, "Read consistency")."""


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


def count_reads(table_bytes: int, every_minutes: int) -> Decimal:
    """Read units a month of counting a table of this size.

    >>> count_reads(8_192, 5)  # one unit, 8,640 times
    Decimal('8640')
    """
    units = (Decimal(table_bytes) / _BYTES_PER_UNIT).to_integral_value(ROUND_CEILING) * _EVENTUAL
    counts = (Decimal(MINUTES_PER_MONTH) / every_minutes).to_integral_value(ROUND_CEILING)
    return plain(units * counts)


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

"""A bill, whatever its format: sums by usage type, operation, price and day, and what is beside them. Knows no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from whatschat_ops.pricing.amounts import Usd
from whatschat_ops.usage.measured import Finding

FINAL_AFTER: Final = timedelta(hours=48)
"""AWS adds to a day's charges for up to two days (OpenCost and Kubecost reconcile after the same time)."""


class Kind(Enum):
    """What a line of a bill is for. Only usage has a price."""

    USAGE = "usage"
    CREDIT = "credit"
    DISCOUNT = "discount"
    REFUND = "refund"
    TAX = "tax"
    FEE = "fee"
    OTHER = "other"


KINDS: Final[Mapping[str, Kind]] = {
    "Usage": Kind.USAGE,
    "DiscountedUsage": Kind.USAGE,
    "SavingsPlanCoveredUsage": Kind.USAGE,
    "SavingsPlanNegation": Kind.DISCOUNT,
    "Discount": Kind.DISCOUNT,
    "BundledDiscount": Kind.DISCOUNT,
    "EdpDiscount": Kind.DISCOUNT,
    "PrivateRateDiscount": Kind.DISCOUNT,
    "Credit": Kind.CREDIT,
    "Refund": Kind.REFUND,
    "Tax": Kind.TAX,
    "Fee": Kind.FEE,
    "RIFee": Kind.FEE,
    "SavingsPlanRecurringFee": Kind.FEE,
    "SavingsPlanUpfrontFee": Kind.FEE,
    "Purchase": Kind.FEE,
    "Correction": Kind.REFUND,
}
"""`line_item_line_item_type` of a Cost and Usage Report, `ChargeCategory` of FOCUS (its `ChargeClass` Correction is a refund)."""


class Owner(Enum):
    """Whose usage a line is, by its resource id and its tags."""

    STACK = "this stack's"
    OTHER = "other stacks'"
    UNKNOWN = "not said"


@dataclass(frozen=True, slots=True)
class BillLine:
    """A sum of a bill's rows. `quantity` None: no row has a number there. `day` None: no row says one. Money in US dollars."""

    service: str
    usage_type: str
    operation: str
    region: str
    rate_code: str
    """AWS's code of the price: the tiers of one usage type have several."""
    kind: Kind
    day: date | None
    unit: str
    quantity: Decimal | None
    cost: Usd
    rows: int
    owner: Owner = Owner.UNKNOWN
    description: str = ""
    estimated: bool = False
    """Cost Explorer says that the amount may still change."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a bill says. `rows`: all that were read."""

    format: str
    files: int
    rows: int
    lines: tuple[BillLine, ...]
    rejects: tuple[Finding, ...] = ()
    """Rows that were not read, or not added up."""
    handled: tuple[Finding, ...] = ()
    """Rows that were, as the reason says."""
    remarks: tuple[str, ...] = ()

    @property
    def days(self) -> tuple[date, ...]:
        """Those with usage, the first one first."""
        return tuple(sorted({line.day for line in self.lines if line.day and line.kind is Kind.USAGE}))

    def not_final(self, now: datetime) -> tuple[date, ...]:
        """The days that ended less than 48 hours ago, or of which Cost Explorer says that they are estimated."""
        estimated = {line.day for line in self.lines if line.estimated}
        return tuple(day for day in self.days if day in estimated or not is_final(day, now))


def is_final(day: date, now: datetime) -> bool:
    """Whether AWS adds nothing to this day of UTC any more.

    >>> is_final(date(2026, 11, 1), datetime(2026, 11, 4, tzinfo=UTC))
    True
    >>> is_final(date(2026, 11, 1), datetime(2026, 11, 3, 23, tzinfo=UTC))
    False
    """
    ended = datetime.combine(day, time(), UTC) + timedelta(days=1)
    return now - ended >= FINAL_AFTER


def sums(lines: Iterable[BillLine]) -> dict[Kind, Decimal]:
    """Kind -> dollars."""
    found: dict[Kind, Decimal] = {}
    for line in lines:
        found[line.kind] = found.get(line.kind, Decimal(0)) + line.cost
    return found

"""Estimate, measured usage and bill side by side, by usage type, with the gap between them and its likely reason. Pure.

A month of the bill is compared. Estimate and measurement are priced like the bill: units after metering, on one rate card, with
the account's free units and tiers. The gap is the bill minus what was measured (minus the estimate, where nothing was).
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from whatschat_ops.cost.result import Estimate
from whatschat_ops.pricing.amounts import Usd, plain
from whatschat_ops.pricing.offers import PRICES
from whatschat_ops.pricing.pricing import ZERO, FreeTiers, Month
from whatschat_ops.pricing.rates import RateCard, RateKey
from whatschat_ops.usage.bills.bill import Bill, BillLine, Kind, Owner, sums
from whatschat_ops.usage.bills.prices import is_in, one_of_meetings, rate_of
from whatschat_ops.usage.measured import Bounded, Finding, Measured
from whatschat_ops.usage.reasons import Compared, reasons
from whatschat_ops.usage.units import COMPARABLE, SMALLEST, billed_units, unmetered

BILLING_DAYS: Final = 30
"""Of the month that an estimate is of."""
_PERCENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the three says. Bounds where it does not know exactly."""

    quantity: Bounded
    cost: Bounded


@dataclass(frozen=True, slots=True)
class Gap:
    """The bill minus the other side; 0 where the bill is within its bounds. `percent`: of the bill's dollars, None if that is 0."""

    to: str
    quantity: Decimal
    cost: Usd
    percent: Decimal | None


@dataclass(frozen=True, slots=True)
class ReconciledLine:
    """One price. None: that side does not say. `usage_types` as the bill has them."""

    rate: RateKey
    service: str
    usage_types: tuple[str, ...]
    unit: str
    estimate: Side | None
    measured: Side | None
    bill: Side | None
    rate_codes: tuple[str, ...]
    gap: Gap | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """Lines of the bill that are in no row of the table: whose they are, how many rows, and their cost."""

    what: str
    rows: int
    cost: Usd


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A month, or the part of it that the bill has. `days` and `not_final` are days of UTC."""

    format: str
    month: str
    days: tuple[date, ...]
    not_final: tuple[date, ...]
    region: str
    rows: int
    lines: tuple[ReconciledLine, ...]
    estimate_cost: Bounded | None
    measured_cost: Bounded | None
    bill_cost: Usd
    gap_cost: Usd | None
    """Of the lines that have a gap."""
    beside: tuple[Beside, ...]
    rejects: tuple[Finding, ...]
    handled: tuple[Finding, ...]
    remarks: tuple[str, ...]
    sources: tuple[Measured, ...] = ()
    """What was measured, with what of it could not be counted."""


def reconcile(
    bill: Bill,
    card: RateCard,
    now: datetime,
    *,
    month: str = "",
    estimate: Estimate | None = None,
    measured: Measured | None = None,
    sources: Sequence[Measured] = (),
    free_tiers: FreeTiers = FreeTiers.ALWAYS,
) -> Reconciliation:
    """The lines of a month (`2026-11`; the last one of the bill if not given). The estimate is of a month and is scaled to the bill's days."""
    chosen = month or last_month(bill, now)
    ours, beside = _split(bill.lines, card, chosen)
    days = tuple(sorted({line.day for lines in ours.values() for line in lines if line.day}))
    late = tuple(day for day in bill.not_final(now) if day in days)
    sides = _Sides(
        ours, _estimated(estimate, card, len(days)), None if measured is None else _measured(measured)
    )
    prices = _Prices(card, free_tiers)
    lines = tuple(_line(key, sides, prices, len(late)) for key in card.rates if sides.name(key))
    gaps = [line.gap.cost for line in lines if line.gap]
    return Reconciliation(
        bill.format, chosen, days, late, card.region, bill.rows, lines,
        _total(line.estimate for line in lines) if estimate else None,
        _total(line.measured for line in lines) if measured else None,
        plain(sum((line.bill.cost.low for line in lines if line.bill), ZERO)),
        plain(sum(gaps, ZERO)) if gaps else None,
        tuple(beside), bill.rejects, bill.handled,
        (*bill.remarks, *_remarks(bill, chosen, days, estimate, measured)), tuple(sources),
    )  # fmt: skip


def last_month(bill: Bill, now: datetime) -> str:
    """The last month of which the bill has usage."""
    return max((f"{day:%Y-%m}" for day in bill.days), default=f"{now:%Y-%m}")


def days_of(bill: Bill, card: RateCard, month: str) -> tuple[date, ...]:
    """The days of a month of which the bill has usage of the stack, the first one first."""
    days = {line.day for line in bill.lines if line.day and is_of_stack(line, card)}
    return tuple(day for day in sorted(days) if f"{day:%Y-%m}" == month)


def is_of_stack(line: BillLine, card: RateCard) -> bool:
    """Whether it is usage that the card prices, and not known to be another stack's."""
    return (
        line.kind is Kind.USAGE
        and line.owner is not Owner.OTHER
        and rate_of(line, card, card.region) is not None
    )


def _split(
    lines: Iterable[BillLine], card: RateCard, month: str
) -> tuple[dict[RateKey, list[BillLine]], list[Beside]]:
    """Price -> lines of the stack; and all others, by why they are none."""
    ours: defaultdict[RateKey, list[BillLine]] = defaultdict(list)
    others: defaultdict[str, list[BillLine]] = defaultdict(list)
    for line in lines:
        key = rate_of(line, card, card.region)
        if line.day is not None and f"{line.day:%Y-%m}" != month:
            others["of other months"].append(line)
        elif line.kind is not Kind.USAGE:
            others[line.kind.value].append(line)
        elif key is None:
            elsewhere = not is_in(line, card.region)
            others["usage of other Regions" if elsewhere else "usage of other services"].append(line)
        elif line.owner is Owner.OTHER:
            others["usage of other stacks"].append(line)
        else:
            ours[key].append(line)
    beside = [
        Beside(what, sum(line.rows for line in found), plain(sum(sums(found).values(), ZERO)))
        for what, found in sorted(others.items())
    ]
    return dict(ours), beside


@dataclass(frozen=True, slots=True)
class _Sides:
    """What each says of a price: the bill's lines, and units after metering. `counted` None: nothing was measured."""

    billed: Mapping[RateKey, list[BillLine]]
    estimated: Mapping[RateKey, Bounded]
    counted: Mapping[RateKey, Bounded] | None

    def name(self, key: RateKey) -> bool:
        """Whether one of them has it."""
        return key in self.billed or key in self.estimated or key in (self.counted or ())


def _estimated(estimate: Estimate | None, card: RateCard, days: int) -> dict[RateKey, Bounded]:
    if estimate is None:
        return {}
    units = billed_units(estimate, card, Decimal(days) / BILLING_DAYS)
    return {key: Bounded.exactly(amount) for key, amount in units.items()}


def _measured(measured: Measured) -> dict[RateKey, Bounded]:
    found: dict[RateKey, Bounded] = {}
    for name in COMPARABLE:
        if (amount := measured.get(name)) is not None:
            key = one_of_meetings(name)
            found[key] = found[key] + amount if key in found else amount
    return found


@dataclass(frozen=True, slots=True)
class _Prices:
    """Each side has a month of its own: its prices share free units and tiers in the order of the card."""

    card: RateCard
    free_tiers: FreeTiers
    months: dict[str, Month] = field(default_factory=dict)

    def cost(self, side: str, key: RateKey, units: Decimal) -> Decimal:
        """Of units that are metered already."""
        month = self.months.setdefault(side, Month(self.free_tiers))
        return month.charge(key, unmetered(self.card.rates[key]), {ZERO: units}).cost

    def side(self, name: str, key: RateKey, quantity: Bounded | None) -> Side | None:
        if quantity is None:
            return None
        low = self.cost(f"{name}, low", key, quantity.low)
        return Side(quantity, Bounded(low, max(low, self.cost(f"{name}, high", key, quantity.high))))


def _line(key: RateKey, sides: _Sides, prices: _Prices, late_days: int) -> ReconciledLine:
    rate, found, counted = prices.card.rates[key], sides.billed.get(key, []), (sides.counted or {}).get(key)
    estimate = prices.side("estimate", key, sides.estimated.get(key))
    measured = prices.side("measured", key, counted)
    bill = _billed(found)
    units, cost = (bill.quantity.low, bill.cost.low) if bill else (None, None)
    listed = None if units is None else prices.cost("bill", key, units)
    measures = sides.counted is not None
    why = reasons(Compared(key, rate, found, units, cost, counted, late_days, listed, measures))
    gap = _gap(bill, measured, "measured") or _gap(bill, estimate, "estimate")
    price = PRICES.get(key)
    types = tuple(sorted({line.usage_type for line in found})) or ((price.usage_type,) if price else ())
    service = next((line.service for line in found if line.service), price.service if price else "")
    codes = tuple(sorted({line.rate_code for line in found if line.rate_code}))
    return ReconciledLine(key, service, types, rate.unit, estimate, measured, bill, codes, gap, tuple(why))


def _billed(lines: Iterable[BillLine]) -> Side | None:
    """None without lines. Corrections can make the sum of a day negative, not the amount of a bound."""
    found = list(lines)
    if not found:
        return None
    quantity = max(ZERO, sum((line.quantity or ZERO for line in found), ZERO))
    cost = max(ZERO, sum((line.cost for line in found), ZERO))
    return Side(Bounded.exactly(plain(quantity)), Bounded.exactly(plain(cost)))


def _gap(bill: Side | None, other: Side | None, name: str) -> Gap | None:
    if bill is None or other is None:
        return None
    cost = _beyond(bill.cost.low, other.cost)
    percent = plain((cost / bill.cost.low * 100).quantize(_PERCENT)) if bill.cost.low else None
    return Gap(name, _beyond(bill.quantity.low, other.quantity), cost, percent)


def _beyond(amount: Decimal, bounds: Bounded) -> Decimal:
    """How far an amount is outside of bounds. A bill has ten decimals: what is finer is no gap.

    >>> [_beyond(Decimal(n), Bounded(Decimal(2), Decimal(4))) for n in (1, 3, 6)]
    [Decimal('-1'), Decimal('0'), Decimal('2')]
    """
    return plain((amount - min(max(amount, bounds.low), bounds.high)).quantize(SMALLEST))


def _total(sides: Iterable[Side | None]) -> Bounded | None:
    costs = [side.cost for side in sides if side]
    return sum(costs[1:], costs[0]) if costs else None


def _remarks(
    bill: Bill, month: str, days: tuple[date, ...], estimate: Estimate | None, measured: Measured | None
) -> Iterator[str]:
    year, number = map(int, month.split("-"))
    if days and len(days) < monthrange(year, number)[1]:
        yield f"The bill has {len(days)} of the {monthrange(year, number)[1]} days of {month}."
    if estimate is not None:
        yield f"The estimate is of {BILLING_DAYS} days: {len(days)}/{BILLING_DAYS} of its quantities are compared."
    if measured is not None and days:
        first, last = measured.since.date(), measured.until
        same = first == days[0] and last.date().toordinal() == days[-1].toordinal() + 1
        if not same:
            yield (
                f"Usage was measured from {measured.since:%Y-%m-%d %H:%M} until {last:%Y-%m-%d %H:%M} UTC, "
                f"the bill is of {days[0]} to {days[-1]}."
            )
    if not days:
        there = ", ".join(sorted({f"{day:%Y-%m}" for day in bill.days}))
        yield f"The bill has no usage of the stack in {month}; it has usage of {there or 'no month'}."
        if bill.format.startswith("FOCUS"):
            yield "Rows are matched by x_UsageType, which not every FOCUS export has."

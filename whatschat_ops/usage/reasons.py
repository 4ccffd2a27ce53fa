"""Why a bill differs from what was measured, as far as the figures tell. Rules in the order of their certainty; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from whatschat_ops.plurals import counted
from whatschat_ops.pricing.amounts import Usd, show_amount
from whatschat_ops.pricing.rates import Rate, RateKey
from whatschat_ops.usage.bills.bill import BillLine, Owner
from whatschat_ops.usage.measured import Bounded

CENT: Final = Decimal("0.01")
"""AWS rounds the lines of a bill to ten decimals; less than a cent is no gap of money."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One price. `list_cost`: of the bill's units on the card, with the free units."""

    key: RateKey
    rate: Rate
    lines: Sequence[BillLine]
    units: Decimal | None
    cost: Usd | None
    measured: Bounded | None
    late_days: int
    list_cost: Usd | None
    measures: bool = True
    """Whether there is a measurement at all."""

    @property
    def beyond(self) -> Decimal:
        """The bill's units minus those that were measured; 0 within their bounds."""
        if self.units is None or self.measured is None:
            return Decimal(0)
        return self.units - min(max(self.units, self.measured.low), self.measured.high)

    @property
    def dearer(self) -> Decimal:
        """The bill's cost minus what the card says for its units; 0 below a cent."""
        if self.cost is None or self.list_cost is None or abs(self.cost - self.list_cost) < CENT:
            return Decimal(0)
        return self.cost - self.list_cost

    @property
    def worth_of_free_units(self) -> Decimal:
        """Dollars that a month's free units save at most, with a cent of rounding."""
        free = self.rate.free.quantity if self.rate.free else Decimal(0)
        return free * self.rate.tiers[0].price / self.rate.per + CENT


def reasons(it: Compared) -> Iterator[str]:
    """Those that fit, in words; none where there is no gap."""
    for rule in _RULES:
        if text := rule(it):
            yield text


def _missing(it: Compared) -> str:
    if it.units is None and (it.measured is None or it.measured.high):
        free = f": up to {show_amount(it.rate.free.quantity)} a month are free" if it.rate.free else ""
        return f"the bill has no such usage{free}"
    return "not measured" if it.measures and it.measured is None and it.units is not None else ""


def _meter(it: Compared) -> str:
    if (
        it.measured is None
        or it.units is None
        or it.beyond
        or it.measured.is_exact
        or it.units == it.measured.low
    ):
        return ""
    if it.key == "websocket_messages":
        return "units of 32 KB: the measurement knows the number of messages, not their sizes"
    return "within what the measurement cannot tell"


def _late(it: Compared) -> str:
    if it.beyond < 0 and it.late_days:
        return f"{counted(it.late_days, 'day')} of the bill may still grow: less than 48 hours old"
    return ""


def _others(it: Compared) -> str:
    shared = any(line.owner is Owner.UNKNOWN for line in it.lines)
    if it.beyond > 0 and shared:
        return "the bill does not say whose usage it is: other resources of the account have this usage type, too"
    return "usage that the measurement does not see" if it.beyond > 0 else ""


def _fewer(it: Compared) -> str:
    return "fewer than were measured: check the times of both" if it.beyond < 0 and not it.late_days else ""


def _cheaper(it: Compared) -> str:
    if not it.dearer < 0 or it.cost is None or not it.units:
        return ""
    if it.rate.free and it.cost <= 0:
        return "free tier: nothing was charged"
    first, *lower = (tier.price / it.rate.per for tier in it.rate.tiers)
    if lower and lower[-1] <= it.cost / it.units < first:
        return "tier: the account's usage reaches a cheaper one"
    if -it.dearer <= it.worth_of_free_units:
        return "free tier: the account has more free units than the card deducts"
    return "charged below the list price: a discount or a private price"


def _dearer(it: Compared) -> str:
    if not it.dearer > 0:
        return ""
    if it.dearer <= it.worth_of_free_units:
        return "free tier: other usage of the account took the free units"
    return "charged above the card's price: refresh the card"


_RULES: Final[tuple[Callable[[Compared], str], ...]] = (
    _missing, _meter, _late, _others, _fewer, _cheaper, _dearer,
)  # fmt: skip

"""How the cost of a month grows with one quantity: totals at round values, and where a price changes.

Input: the range, and a function that estimates a month for a value of it. Output: a `Curve`. Pure but for that function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import Final

from whatschat_ops.cost.result import Card, Estimate, NotIncluded
from whatschat_ops.pricing.amounts import Usd, parse_amount, plain
from whatschat_ops.pricing.pricing import ZERO
from whatschat_ops.pricing.rates import Rate, RateCard

STEPS_OF_A_DECADE: Final = (1, 2, 5)
MOST_DECADES: Final = 4
FINEST: Final = Decimal("0.01")
"""Of small quantities, such as hours a day; others are whole."""


@dataclass(frozen=True, slots=True)
class Range:
    """The values of one quantity, ends included."""

    low: Decimal
    high: Decimal

    @classmethod
    def parse(cls, text: str) -> Range:
        """`10k..1M`. Raises ValueError."""
        ends = text.split("..", 1)
        low, high = (parse_amount(part) for part in ends) if all(ends) else (Decimal(0), Decimal(0))
        if not 0 <= low < high:
            raise ValueError(f"expected a lower and a higher value, such as 10k..1M (got {text!r})")
        return cls(low, high)

    @property
    def step(self) -> Decimal:
        """How finely an edge is found."""
        return FINEST if self.high < 1_000 else Decimal(1)


@dataclass(frozen=True, slots=True)
class Point:
    """A value and what a month costs there, by card."""

    value: Decimal
    totals: Mapping[str, Usd | None]


@dataclass(frozen=True, slots=True)
class Edge:
    """From `value` on, more of a rate costs `price` for `per` units. `free`: the free units end there."""

    value: Decimal
    card: str
    rate: str
    limit: Decimal
    """Units of the rate up to which the price before holds."""
    price: Usd
    per: Decimal
    unit: str
    free: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A month's cost over a range of one quantity. `points` have the edges, too."""

    quantity: str
    cards: tuple[Card, ...]
    points: tuple[Point, ...]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...]
    not_included: tuple[NotIncluded, ...]


def curve(
    quantity: str, values: Range, cards: Iterable[RateCard], month: Callable[[Decimal], Estimate]
) -> Curve:
    """`month` gives the estimate for a value, on these cards."""
    low, high = month(values.low), month(values.high)
    rates = dict(zip(low.totals, cards, strict=True))
    edges = sorted(_edges(values, rates, low, high, month), key=lambda edge: edge.value)
    at = sorted({values.low, values.high, *_round_values(values), *(edge.value for edge in edges)})
    points = tuple(Point(plain(value), _totals(month(value))) for value in at)
    return Curve(quantity, low.cards, points, tuple(edges), high.notes, high.not_included)


def _totals(estimate: Estimate) -> dict[str, Decimal | None]:
    return {name: total.cost for name, total in estimate.totals.items()}


def _round_values(values: Range) -> Iterator[Decimal]:
    """1, 2 and 5 of each decade between the ends, of the last decades if there are many."""
    lowest = max(values.low, values.step, values.high.scaleb(-MOST_DECADES))
    decade = Decimal(10) ** lowest.adjusted()
    while decade < values.high:
        yield from (decade * step for step in STEPS_OF_A_DECADE if values.low < decade * step < values.high)
        decade *= 10


def _edges(
    values: Range,
    cards: Mapping[str, RateCard],
    low: Estimate,
    high: Estimate,
    month: Callable[[Decimal], Estimate],
) -> Iterator[Edge]:
    for name, card in cards.items():
        for key, rate in card.rates.items():
            before, after = _used(low, name, key), _used(high, name, key)
            for tier, limit in _limits(rate, free=after.free > 0):
                if before.charged <= limit < after.charged:
                    value = _first(values, partial(_is_beyond, month, name, key, limit))
                    yield Edge(
                        plain(value), name, key, plain(limit + after.free),
                        plain(rate.tiers[tier].price), plain(rate.per), rate.unit, free=tier == 0,
                    )  # fmt: skip


def _limits(rate: Rate, *, free: bool) -> Iterator[tuple[int, Decimal]]:
    """The number of each tier that begins after charged units, and after how many: the first one where free units end."""
    if free:
        yield 0, ZERO
    yield from ((tier, last.up_to) for tier, last in enumerate(rate.tiers[:-1], start=1) if last.up_to)


def _is_beyond(
    month: Callable[[Decimal], Estimate], card: str, rate: str, limit: Decimal, value: Decimal
) -> bool:
    return _used(month(value), card, rate).charged > limit


@dataclass(frozen=True, slots=True)
class _Used:
    free: Decimal
    charged: Decimal


def _used(estimate: Estimate, card: str, rate: str) -> _Used:
    """How much of a rate the lines together have used."""
    charges = [line.charges[card].charge for line in estimate.lines if line.rate == rate]
    free = sum((charge.free for charge in charges if charge), ZERO)
    billed = sum((charge.billed for charge in charges if charge), ZERO)
    return _Used(free, billed - free)


def _first(values: Range, is_beyond: Callable[[Decimal], bool]) -> Decimal:
    """The lowest value of the range, to a step, that is beyond: found by halving, where what is used grows with the value."""
    low, high = values.low, values.high
    while high - low > values.step:
        middle = ((low + high) / 2 / values.step).to_integral_value(ROUND_CEILING) * values.step
        if middle >= high:
            break
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return high

"""Two months side by side on one card: what the second costs more, line by line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from whatschat_ops.cost.result import Card, Estimate, Line
from whatschat_ops.pricing.amounts import Usd, plain
from whatschat_ops.pricing.pricing import ZERO


@dataclass(frozen=True, slots=True)
class Month:
    """A line or a total of one month. None: unknown, or not on the bill."""

    quantity: Decimal | None
    cost: Usd | None


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of both months. `difference`: b minus a, where what is unknown is nothing."""

    rate: str
    service: str
    item: str
    unit: str
    a: Month
    b: Month
    difference: Usd


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two months on one card."""

    a: str
    b: str
    card: Card
    lines: tuple[ComparedLine, ...]
    total_a: Usd | None
    total_b: Usd | None
    difference: Usd
    complete: bool
    """Whether the card prices every line of both. If not, the totals and their difference lack what it does not price."""


def compare(a: Estimate, b: Estimate, names: tuple[str, str]) -> Comparison:
    """Both on the first card of `a`, which `b` has as well."""
    card = a.cards[0]
    found = [{(line.service, line.item): line for line in month.lines} for month in (a, b)]
    keys = dict.fromkeys([*found[0], *found[1]])
    lines = (_line(found[0].get(key), found[1].get(key), card.name) for key in keys)
    of_a, of_b = a.totals[card.name], b.totals[card.name]
    return Comparison(
        *names,
        card=card,
        lines=tuple(line for line in lines if (line.a.quantity, line.b.quantity) != (None, None)),
        total_a=of_a.cost,
        total_b=of_b.cost,
        difference=plain((of_b.cost or ZERO) - (of_a.cost or ZERO)),
        complete=of_a.complete and of_b.complete,
    )


def _line(a: Line | None, b: Line | None, card: str) -> ComparedLine:
    some = a or b
    assert some is not None, "a key of one of them"
    first, second = _month(a, card), _month(b, card)
    difference = plain((second.cost or ZERO) - (first.cost or ZERO))
    return ComparedLine(some.rate, some.service, some.item, some.unit, first, second, difference)


def _month(line: Line | None, card: str) -> Month:
    return Month(None, None) if line is None else Month(line.quantity, line.charges[card].cost)

"""One month on any number of rate cards, line by line.

Input: `Usage`, the facts of the stack, rate cards. Output: an `Estimate` in exact Decimal; the command line rounds. Makes no
request and needs no account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext

from whatschat_ops.cost import remarks
from whatschat_ops.cost.components import Component
from whatschat_ops.cost.coverage import not_included
from whatschat_ops.cost.quantities import Quantity, StackFacts, Traffic, traffic
from whatschat_ops.cost.resources import components
from whatschat_ops.cost.resources.meetings import SERVICE as CHIME
from whatschat_ops.cost.result import (
    Card,
    Estimate,
    Line,
    OnCard,
    Price,
    State,
    Total,
    lines_without_price,
)
from whatschat_ops.cost.usage import Usage
from whatschat_ops.pricing.amounts import PRECISION, SMALLEST_MONEY, plain
from whatschat_ops.pricing.pricing import ZERO, FreeTiers, Month
from whatschat_ops.pricing.rates import Rate, RateCard


def estimate(
    usage: Usage,
    stack: StackFacts,
    cards: Sequence[RateCard],
    *,
    free_tiers: FreeTiers = FreeTiers.ALWAYS,
    is_measured: bool = False,
) -> Estimate:
    """Price a month of `usage` on every card. What is not in usage that `is_measured` stays unknown: nothing is derived."""
    named = dict(zip(names_of(cards), cards, strict=True))
    with localcontext(prec=PRECISION):
        whole = traffic(usage, stack)
        parts = tuple(map(_as_measured, components(whole))) if is_measured else components(whole)
        lines = _lines(parts, named, free_tiers)
        totals = {name: _total(name, lines, whole) for name in named}
        notes = (remarks.notes_of_measured if is_measured else remarks.notes)(whole, lines, totals, named)
    return Estimate(
        period="month",
        currency="USD",
        free_tiers=free_tiers.value,
        cards=tuple(Card(name, card.title, card.region, card.as_of) for name, card in named.items()),
        lines=lines,
        totals=totals,
        notes=tuple(notes),
        not_included=not_included(parts, cards),
    )


def names_of(cards: Sequence[RateCard]) -> list[str]:
    """What the cards are called side by side: their titles, with the Region where several have one title."""
    titles = [card.title for card in cards]
    names = [card.title if titles.count(card.title) == 1 else f"{card.title} {card.region}" for card in cards]
    return [
        name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)
    ]


def _as_measured(part: Component) -> Component:
    return replace(part, quantity=Quantity(None)) if part.quantity.basis else part


def _lines(
    parts: Iterable[Component], cards: Mapping[str, RateCard], free_tiers: FreeTiers
) -> tuple[Line, ...]:
    months = {name: Month(free_tiers) for name in cards}
    lines = []
    for part in parts:
        amount = part.quantity.amount
        charges = {
            name: _on_card(part, card.rates.get(part.rate), months[name]) for name, card in cards.items()
        }
        if amount is None and all(on.state is State.NOT_FOUND for on in charges.values()):
            continue  # listed as not included
        quantity = None if amount is None else plain(amount)
        lines.append(
            Line(part.rate, part.service, part.item, part.unit, quantity, part.quantity.basis, charges)
        )
    return tuple(lines)


def _on_card(part: Component, rate: Rate | None, month: Month) -> OnCard:
    if rate is None:
        return OnCard(State.NOT_FOUND, None, None)
    price = Price(plain(rate.tiers[0].price), plain(rate.per), rate.unit)
    if part.quantity.amount is None:
        return OnCard(State.DEPENDS_ON_USAGE, price, None)
    return OnCard(State.PRICED, price, month.charge(part.rate, rate, part.sizes))


def _total(name: str, lines: Sequence[Line], whole: Traffic) -> Total:
    known = [line for line in lines if line.quantity is not None]
    priced = [line for line in known if line.charges[name].charge]
    usage = whole.usage
    minutes = usage.chime.minutes and usage.chime.meetings and usage.chime.minutes * usage.chime.meetings
    messages = whole.messages.amount
    return Total(
        cost=_cost(name, priced) if known else None,
        common=_cost(name, (line for line in priced if is_common(line))),
        free_tier=plain(sum((on.saved for line in priced if (on := line.charges[name].charge)), ZERO)),
        per_user=_per(usage.websocket.users, name, priced),
        per_1000_messages=_per(
            messages and messages / 1000, name, priced, lambda line: line.service != CHIME
        ),
        per_call_minute=_per(minutes, name, priced, lambda line: line.service == CHIME),
        depends_on_usage=len(lines) - len(known),
        not_found=len(known) - len(priced),
        complete=not lines_without_price(name, lines),
    )


def is_common(line: Line) -> bool:
    """Whether every card prices it, so that the cards can be compared."""
    return all(on.state is State.PRICED for on in line.charges.values())


def _cost(name: str, lines: Iterable[Line]) -> Decimal:
    return plain(sum((line.charges[name].cost or ZERO for line in lines), ZERO))


def _per(
    count: Decimal | None, name: str, lines: Iterable[Line], counts: Callable[[Line], bool] = lambda _: True
) -> Decimal | None:
    """A share of the cost, which division makes inexact: rounded to the smallest money that is shown anywhere."""
    if not count:
        return None
    return plain((_cost(name, filter(counts, lines)) / count).quantize(SMALLEST_MONEY))

"""What several sources measured of one time, side by side: where they differ, and what it costs. Pure.

A quantity is priced as the source with the narrowest bounds says, the first one named if several are as narrow. Two sources
differ where their bounds do not meet. Nothing is derived: what no source measured is in no total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Final, get_args

from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.cost.result import Card, Estimate, Line, State
from whatschat_ops.pricing.amounts import plain, show_amount
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import RateCard
from whatschat_ops.usage.measured import COUNTS, MEASURABLE, Bounded, Count, Measured, Name, Source, to_usage

SOURCES: Final[tuple[Source, ...]] = get_args(Source)
REASONS: Final[Mapping[Name, str]] = {
    "messages": "lines are missing, or messages were sent by other programs than the stack's functions and broadcasts",
    "inbound_messages": "lines are missing",
    "connections": "ConnectCount has rejected handshakes, too; or lines are missing",
    "lambda_requests": "lines are missing, or the log groups are not all of the functions'",
    "lambda_duration_arm64": "REPORT lines have what is billed, with INIT phases; the metric has neither",
    "lambda_duration_x86_64": "REPORT lines have what is billed, with INIT phases; the metric has neither",
    "meetings": "one of them has meetings that the other does not know",
    "attendances": "one of them has meetings that the other does not know",
    "chime_audio": "one of them has attendances that the other does not know",
    "chime_video": "one of them has attendances that the other does not know",
}
"""Why sources may differ, as far as that is known."""
COUNT_LABELS: Final[Mapping[Count, str]] = {
    "messages": "Messages",
    "inbound_messages": "Messages from clients",
    "outbound_messages": "Messages to clients",
    "inbound_bytes": "Bytes from clients",
    "outbound_bytes": "Bytes to clients",
    "connections": "Connections",
    "meetings": "Meetings",
    "attendances": "Attendances",
}
MONTHLY: Final[frozenset[Name]] = frozenset(
    ("metrics", "alarms", "alarms_high_resolution", "alarms_composite", "dashboards")
)
"""Billed for each month of which they exist: their quantity is their number times the months of the time."""
UNITS_OF_MESSAGES: Final = "Messages, units of 32 KB"
"""`Messages` of an estimate, where each has its size."""


@dataclass(frozen=True, slots=True)
class ActualLine:
    """One quantity: what each source says of it (None: not measured), and the cost on each card of what `priced` says.

    `rate` is the price's key, or the name of a count, which costs nothing by itself.
    """

    rate: Name
    service: str
    item: str
    unit: str
    by_source: Mapping[Source, Bounded | None]
    priced: Source | None
    cost: Mapping[str, Bounded | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sources whose bounds do not meet: by how much `second` is over (or, negative, under) `first`, at least."""

    rate: Name
    first: Source
    second: Source
    by: Decimal
    text: str


@dataclass(frozen=True, slots=True)
class Actual:
    """What was used and what it costs. `totals` has US dollars by card; `complete` the cards that price all that was measured."""

    since: datetime
    until: datetime
    free_tiers: str
    cards: tuple[Card, ...]
    sources: tuple[Measured, ...]
    counts: tuple[ActualLine, ...]
    lines: tuple[ActualLine, ...]
    totals: Mapping[str, Bounded | None]
    complete: tuple[str, ...]
    differences: tuple[Difference, ...]
    not_measured: tuple[str, ...]
    notes: tuple[str, ...]


def actual(
    sources: Sequence[Measured], stack: StackFacts, cards: Sequence[RateCard], free_tiers: FreeTiers
) -> Actual:
    """What the sources measured, at the prices of every card. All sources are of the same time."""
    whole = narrowest(sources)
    facts = StackFacts(stack.region, stack.memory_mb, stack.architecture, stack.log_retention_days)
    low, high = (
        estimate(to_usage(whole, bound), facts, cards, free_tiers=free_tiers, is_measured=True)
        for bound in ("low", "high")
    )
    names = [card.name for card in low.cards]
    used = [pair for pair in zip(low.lines, high.lines, strict=True) if pair[0].quantity is not None]
    return Actual(
        whole.since,
        whole.until,
        low.free_tiers,
        low.cards,
        tuple(sources),
        tuple(_counts(sources)),
        tuple(_line(*pair, sources, names) for pair in used),
        {name: _total(low, high, name) for name in names},
        tuple(name for name in names if low.totals[name].complete and high.totals[name].complete),
        tuple(_differences(sources)),
        tuple(_not_measured(low)),
        low.notes,
    )


def priced_by(sources: Sequence[Measured], name: Name) -> Source | None:
    """The source whose quantity is priced: the one with the narrowest bounds."""
    known = [(source, amount) for source in sources if (amount := source.get(name)) is not None]
    best = min(known, key=lambda each: each[1].high - each[1].low, default=None)
    return best[0].source if best else None


def narrowest(sources: Sequence[Measured]) -> Measured:
    """Each quantity as the source with the narrowest bounds says. Raises ValueError without sources."""
    by_name = {source.source: source for source in sources}
    names = dict.fromkeys(name for source in sources for name in source.quantities)
    chosen = {name: priced_by(sources, name) for name in names}
    quantities = {name: by_name[source].get(name) for name, source in chosen.items() if source is not None}
    return Measured(sources[0].source, sources[0].origin, sources[0].since, sources[0].until, quantities)


def _not_measured(found: Estimate) -> Iterator[str]:
    """The first line of each price that no source has a quantity of."""
    measured = {line.rate for line in found.lines if line.quantity is not None}
    first = {line.rate: line.name for line in reversed(found.lines)}
    yield from (first[rate] for rate in MEASURABLE if rate in first and rate not in measured)


def _counts(sources: Sequence[Measured]) -> Iterator[ActualLine]:
    for name in COUNTS:
        said = {source.source: source.get(name) for source in sources}
        if any(amount is not None for amount in said.values()):
            yield ActualLine(name, "Counted", COUNT_LABELS[name], "", said, None, {})


def _line(low: Line, high: Line, sources: Sequence[Measured], cards: Sequence[str]) -> ActualLine:
    said = {source.source: source.get(low.rate) for source in sources}
    item = UNITS_OF_MESSAGES if low.rate == "websocket_messages" else low.item
    unit = f"{low.unit}-month" if low.rate in MONTHLY else low.unit
    cost = {name: _cost(low, high, name) for name in cards}
    return ActualLine(low.rate, low.service, item, unit, said, priced_by(sources, low.rate), cost)


def _cost(low: Line, high: Line, card: str) -> Bounded | None:
    """Each at its place in the month's tiers; shared free units can make the lower bound the dearer one."""
    costs = [line.charges[card].cost for line in (low, high)]
    if low.charges[card].state is not State.PRICED or None in costs:
        return None
    known = [cost for cost in costs if cost is not None]
    return Bounded(min(known), max(known))


def _total(low: Estimate, high: Estimate, card: str) -> Bounded | None:
    costs = [each.totals[card].cost for each in (low, high)]
    known = [cost for cost in costs if cost is not None]
    return Bounded(min(known), max(known)) if len(known) == len(costs) else None


def _differences(sources: Sequence[Measured]) -> Iterator[Difference]:
    names = dict.fromkeys(name for source in sources for name in source.quantities)
    for name in names:
        for first, second in combinations(sources, 2):
            ours, theirs = first.get(name), second.get(name)
            if ours is None or theirs is None or (ours.low <= theirs.high and theirs.low <= ours.high):
                continue
            by = theirs.low - ours.high if theirs.low > ours.high else theirs.high - ours.low
            text = (
                f"{first.source} says {show_bounded(ours)}, {second.source} {show_bounded(theirs)}: "
                f"{show_amount(abs(by))} {'more' if by > 0 else 'fewer'}"
            )
            why = REASONS.get(name)
            yield Difference(name, first.source, second.source, plain(by), f"{text}; {why}" if why else text)


def show_bounded(amount: Bounded) -> str:
    """`1,204`, or `1,204 to 4,816`."""
    low, high = show_amount(amount.low), show_amount(amount.high)
    return low if low == high else f"{low} to {high}"

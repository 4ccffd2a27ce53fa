"""How `cost rates` shows cards. No amount or id is ever cut: on a narrow terminal a line is longer than it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from whatschat_ops.cli.terminal.lines import Lines, Styled, aligned
from whatschat_ops.pricing.amounts import show_amount, show_price

if TYPE_CHECKING:
    from whatschat_ops.cost.cards import CardRow, RateChange, RateRow
    from whatschat_ops.pricing.rates import Tier

NOT_PRICED = "–"


def render_rates(rows: Sequence[RateRow]) -> Lines:
    """One line per rate and tier, then where and when each was read."""
    table = [("Rate", "Per", "Guide", "AWS", "Free a month on AWS")]
    for row in rows:
        per = row.unit if row.per == 1 else f"{show_amount(row.per)} {row.unit}s"
        kind = " (first year)" if row.free_kind == "first_year" else ""
        free = "" if row.aws is None else f"{show_amount(row.free)}{kind}" if row.free else "none"
        tiers = zip_longest(_tiers(row.guide), _tiers(row.aws, "not found"), fillvalue="")
        for number, (guide, aws) in enumerate(tiers):
            table.append(("", "", guide, aws, "") if number else (row.rate, per, guide, aws, free))
    sources = dict.fromkeys((row.source, row.as_of) for row in rows if row.aws)
    return Lines(
        [
            *_headed(table),
            Styled(""),
            *(Styled(f"{source} ({as_of})", "dim") for source, as_of in sources),
            Styled(_identified(rows), wrapped=True),
        ]
    )


def _identified(rows: Sequence[RateRow]) -> str:
    """How many prices can be found in AWS's price list by their SKU."""
    found = [row for row in rows if row.aws]
    named = sum(row.sku is not None for row in found)
    if named == len(found):
        return f"All {named} prices have a SKU, rate code, usage type and offer version (--json)."
    return (
        f"{named} of {len(found)} prices have a SKU: the sources of the others name none. "
        "`cost rates refresh` reads them with SKU, rate code, usage type and offer version."
    )


def _headed(rows: Sequence[Sequence[str]]) -> list[Styled]:
    return [Styled(text, "" if number else "bold") for number, text in enumerate(aligned(rows))]


def render_cards(cards: Sequence[CardRow]) -> Lines:
    """A line per Region."""
    rows = [
        ("Region", "Title", "As of", "Prices", "File"),
        *((card.region, card.title, str(card.as_of), str(card.prices), card.file) for card in cards),
    ]
    return Lines(_headed(rows))


def render_changes(changes: Sequence[RateChange]) -> Lines:
    """The tiers of both cards, rate by rate."""
    if not changes:
        return Lines([Styled("No price differs.")])
    rows = [
        ("Rate", "First", "Second"),
        *(
            (
                change.rate,
                *("; ".join(_tiers(side)) if side else "not found" for side in (change.a, change.b)),
            )
            for change in changes
        ),
    ]
    return Lines(_headed(rows))


def _tiers(tiers: Sequence[Tier] | None, without: str = NOT_PRICED) -> list[str]:
    if tiers is None:
        return [without]
    return [
        show_price(tier.price) + (f" to {show_amount(tier.up_to)}" if tier.up_to is not None else "")
        for tier in tiers
    ]

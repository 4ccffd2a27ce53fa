"""How `cost` shows its results. Rounds to cents; the exact figures are in `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from whatschat_ops.cli.terminal.lines import Lines, Styled, aligned

if TYPE_CHECKING:
    from rich.console import RenderableType

    from whatschat_ops.cost.result import CardRow, Estimate, Line, Price, RateChange, RateRow, Totals
    from whatschat_ops.pricing.rates import Tier

NOT_PRICED = "–"


def render_estimate(estimate: Estimate) -> Lines:
    """The lines by service, the totals, how quantities were derived, and the notes."""
    cards = (
        f"Prices: {estimate.guide_card.title} of {estimate.guide_card.as_of}; {estimate.aws_card.title} list, "
        f"{estimate.aws_card.region}, {estimate.aws_card.as_of}. Taxes not included."
    )
    derived = [Styled(text, "dim", wrapped=True) for text in _derivations(estimate.lines)]
    notes = [Styled(f"- {text}", wrapped=True) for text in (*estimate.notes, cards)]
    items = "; ".join(f"{each.service}: {each.item} ({each.why})" for each in estimate.not_included)
    missing = Styled(f"Not included: {items}.", "dim", wrapped=True)
    return Lines([*_estimate_table(estimate), Styled(""), *derived, *notes, missing])


def _estimate_table(estimate: Estimate) -> list[Styled]:
    headings = (
        "A month, in US dollars",
        "Quantity",
        estimate.guide_card.title,
        estimate.aws_card.title,
        "Difference",
    )
    rows: list[Sequence[str]] = [headings]
    bold = {0}
    for service, lines in groupby(estimate.lines, key=lambda line: line.service):
        bold.add(len(rows))
        rows += [(service, "", "", "", ""), *(_cells(line) for line in lines)]
    rows += _total_rows(estimate.totals)
    bold.add(len(rows) - 1)
    texts = aligned(rows, right=range(1, len(headings)), gap=1)
    return [Styled(text, "bold" if number in bold else "") for number, text in enumerate(texts)]


def render_rates(rows: Sequence[RateRow]) -> RenderableType:
    """One line per rate and tier, then where and when each was read."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from whatschat_ops.pricing.amounts import show_amount

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Rate", no_wrap=True)
    for heading in ("Per", "Guide", "AWS", "Free a month on AWS"):
        table.add_column(heading)
    for row in rows:
        per = row.unit if row.per == 1 else f"{show_amount(row.per)} {row.unit}s"
        first_year = " (first year)" if row.free_kind == "first_year" else ""
        free = f"{show_amount(row.free)}{first_year}" if row.free else ""
        table.add_row(*(Text(cell) for cell in (row.rate, per, _tiers(row.guide), _tiers(row.aws), free)))
    sources = dict.fromkeys((row.source, row.as_of) for row in rows)
    return Group(table, Text(""), *(Text(f"{source} ({as_of})", style="dim") for source, as_of in sources))


def render_cards(cards: Sequence[CardRow]) -> Lines:
    """A line per Region."""
    rows = [
        ("Region", "Title", "As of", "Prices", "File"),
        *((card.region, card.title, str(card.as_of), str(card.prices), card.file) for card in cards),
    ]
    return Lines([Styled(text, "" if number else "bold") for number, text in enumerate(aligned(rows))])


def render_changes(changes: Sequence[RateChange]) -> Lines:
    """The tiers of both cards, rate by rate."""
    if not changes:
        return Lines([Styled("No price differs.")])
    rows = [
        ("Rate", "First", "Second"),
        *(
            (
                change.rate,
                *(_tiers(side).replace("\n", "; ") if side else "not found" for side in (change.a, change.b)),
            )
            for change in changes
        ),
    ]
    return Lines([Styled(text, "" if number else "bold") for number, text in enumerate(aligned(rows))])


def _cells(line: Line) -> list[str]:
    from whatschat_ops.pricing.amounts import show_amount, show_money

    if line.quantity is None:
        prices = (_price(line.guide_price), _price(line.aws_price))
        return [_label(line), "depends on usage", *prices, ""]
    derived = "~" if line.basis else ""
    aws_cost = (
        show_money(line.aws.cost) if line.aws else "not found" if line.aws_price is None else NOT_PRICED
    )
    difference = "" if line.difference is None else _signed(line.difference)
    return [
        _label(line),
        f"{derived}{show_amount(line.quantity)}",
        show_money(line.guide.cost) if line.guide else NOT_PRICED,
        aws_cost,
        difference,
    ]


def _label(line: Line) -> str:
    plural = f"{line.unit}s" if line.unit != "GB" else line.unit
    return f"  {line.item}" if plural == line.item.lower() else f"  {line.item}, {plural}"


def _total_rows(totals: Totals) -> list[Sequence[str]]:
    from whatschat_ops.pricing.amounts import show_money

    guide, aws = show_money(totals.guide), show_money(totals.aws_on_guide_lines)
    return [
        ("What the guide prices", "", guide, aws, _signed(totals.difference)),
        ("Total", "", "", show_money(totals.aws), ""),
    ]


def _derivations(lines: Iterable[Line]) -> list[str]:
    return [f"~ {line.service}, {line.item.lower()}: {line.basis}." for line in lines if line.basis]


def _price(price: Price | None) -> str:
    from whatschat_ops.pricing.amounts import show_amount, show_price

    if price is None:
        return NOT_PRICED
    per = (
        "each" if price.per == 1 else "per 1M" if price.per == 1_000_000 else f"per {show_amount(price.per)}"
    )
    return f"{show_price(price.amount)} {per}"


def _signed(value: Decimal) -> str:
    from whatschat_ops.pricing.amounts import show_money

    text = show_money(value)
    return f"+{text}" if value > 0 else text


def _tiers(tiers: Sequence[Tier] | None) -> str:
    from whatschat_ops.pricing.amounts import show_amount, show_price

    if tiers is None:
        return NOT_PRICED
    return "\n".join(
        show_price(tier.price) + (f" to {show_amount(tier.up_to)}" if tier.up_to is not None else "")
        for tier in tiers
    )

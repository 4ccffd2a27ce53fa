"""How `cost` shows its results. Rounds to cents; the exact figures are in `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from whatschat_ops.cost.result import Estimate, Line, Price, RateRow, Totals
    from whatschat_ops.pricing.rates import Tier

NOT_PRICED = "–"


def render_estimate(estimate: Estimate) -> RenderableType:
    """The lines by service, the totals, how quantities were derived, and the notes."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("A month, in US dollars", no_wrap=True)
    for heading in ("Quantity", estimate.guide_card.title, estimate.aws_card.title, "Difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    for service, lines in groupby(estimate.lines, key=lambda line: line.service):
        table.add_row(Text(service, style="bold"))
        for line in lines:
            table.add_row(*_cells(line))
    _add_totals(table, estimate.totals)
    cards = (
        f"Prices: {estimate.guide_card.title} of {estimate.guide_card.as_of}; {estimate.aws_card.title} list, "
        f"{estimate.aws_card.region}, {estimate.aws_card.as_of}. Taxes not included."
    )
    derived = [Text(text, style="dim") for text in _derivations(estimate.lines)]
    notes = [Text(f"- {text}") for text in (*estimate.notes, cards)]
    return Group(table, Text(""), *derived, *notes)


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


def _cells(line: Line) -> list[str]:
    from whatschat_ops.pricing.amounts import show_amount, show_money

    if line.quantity is None:
        prices = (_price(line.guide_price), _price(line.aws_price))
        return [_label(line), "depends on usage", *prices, ""]
    derived = "~" if line.basis else ""
    difference = "" if line.difference is None else _signed(line.difference)
    return [
        _label(line),
        f"{derived}{show_amount(line.quantity)}",
        *(show_money(charge.cost) if charge else NOT_PRICED for charge in (line.guide, line.aws)),
        difference,
    ]


def _label(line: Line) -> str:
    plural = f"{line.unit}s" if line.unit != "GB" else line.unit
    return f"  {line.item}" if plural == line.item.lower() else f"  {line.item}, {plural}"


def _add_totals(table: Table, totals: Totals) -> None:
    from whatschat_ops.pricing.amounts import show_money

    table.add_section()
    table.add_row(
        "What the guide prices",
        "",
        show_money(totals.guide),
        show_money(totals.aws_on_guide_lines),
        _signed(totals.difference),
    )
    table.add_row("Total", "", "", show_money(totals.aws), "", style="bold")


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

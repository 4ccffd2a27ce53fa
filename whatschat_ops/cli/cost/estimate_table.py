"""How `cost estimate` shows a month: lines by service with their free units and tiers, totals, what depends on usage, notes.

Rounds to cents; the exact figures are in JSON and CSV. Amounts are never cut: where a table does not fit, the bars go, and
then each line is a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Cell, Column, Table, bar, figures
from whatschat_ops.pricing.amounts import show_amount, show_money, show_price

if TYPE_CHECKING:
    from whatschat_ops.cost.result import Estimate, Line, OnCard, Price, Total
    from whatschat_ops.pricing.pricing import Charge

NOT_PRICED = "–"
HEADING = "A month, in US dollars"
BAR_WIDTH: Final = 20


def render_estimate(estimate: Estimate) -> Blocks:
    """The tables, how quantities were derived, and the notes."""
    derived = [Styled(f"~ {line.name}: {line.basis}.", "dim") for line in estimate.lines if line.basis]
    *notes, missing = notes_of(estimate)
    listed = [f"- {text}" for text in notes]
    return Blocks([_known(estimate), *_unknown(estimate), "", *derived, *listed, Styled(missing, "dim")])


def notes_of(estimate: Estimate) -> list[str]:
    """The notes, the prices' dates, and what is not included."""
    return [*estimate.notes, _cards(estimate), f"Not included: {_not_included(estimate)}."]


def _not_included(estimate: Estimate) -> str:
    groups = groupby(estimate.not_included, key=lambda each: (each.service, each.why))
    return "; ".join(
        f"{service}: {', '.join(each.item for each in group)} ({why})" for (service, why), group in groups
    )


def rows_of(estimate: Estimate) -> list[Sequence[str]]:
    """Headings, the lines whose quantity is known, and the totals, as text."""
    known = [line for line in estimate.lines if line.quantity is not None]
    lines = [[line.service, *_cells(line, estimate)] for line in known]
    return [["Service", *_headings(estimate, "Item")], *lines, *(["", *row] for row in _totals(estimate))]


def _cards(estimate: Estimate) -> str:
    cards = "; ".join(
        f"{card.name} of {card.as_of}"
        if card.name == "Guide"
        else f"{card.name} list, {card.region}, {card.as_of}"
        for card in estimate.cards
    )
    return f"Prices: {cards}. Taxes not included."


def _headings(estimate: Estimate, first: str) -> list[str]:
    difference = ["Difference"] if len(estimate.cards) == 2 else []
    return [first, "Quantity", *estimate.totals, *difference]


def _known(estimate: Estimate) -> Table:
    barred = next(iter(estimate.limited))
    first, *others = _headings(estimate, HEADING)
    shares = Column(f"Share of {barred}", optional=True)
    rows: list[Sequence[Cell] | Styled] = []
    known = [line for line in estimate.lines if line.quantity is not None]
    for service, lines in groupby(known, key=lambda line: line.service):
        rows.append(Styled(service, "bold"))
        for line in lines:
            label, *amounts = _cells(line, estimate)
            rows.append([f"  {label}", *amounts, _bar(line.charges[barred].cost, estimate.totals[barred])])
            rows += [Styled(tier, "dim") for tier in _tiers(line)]
    for row in _totals(estimate):
        rows.append([Styled(cell, "bold") for cell in row] if row[0] == "Total" else row)
    return Table([Column(first, wraps=True), *figures(*others), shares], rows)


def _bar(cost: Decimal | None, total: Total) -> str:
    return bar(float(cost / total.cost), BAR_WIDTH) if cost and total.cost else ""


def _unknown(estimate: Estimate) -> list[Shown | Cell]:
    """What is in no total because how much of it there is is not known: what one costs."""
    unknown = [line for line in estimate.lines if line.quantity is None]
    if not unknown:
        return []
    texts = [Column("Depends on usage, in no total", wraps=True), Column("Price per", wraps=True)]
    return ["", Table([*texts, *figures(*estimate.totals)], list(map(_unit_prices, unknown)))]


def _unit_prices(line: Line) -> list[str]:
    """What one costs on each card; of a card that has its price for another number, for the first one's."""
    prices = [on.price for on in line.charges.values()]
    count = next((price.per for price in prices if price), Decimal(1))
    unit = line.unit if count == 1 else f"{_count(count)} {line.unit}s"
    shown = (show_price(price.amount * count / price.per) if price else NOT_PRICED for price in prices)
    return [line.name, unit, *shown]


def _cells(line: Line, estimate: Estimate) -> list[str]:
    on = [line.charges[name] for name in estimate.totals]
    costs = [each.cost for each in on]
    cells = [_cost(each, name) for each, name in zip(on, estimate.totals, strict=True)]
    if len(on) == 2:
        first, second = costs
        cells.append("" if first is None or second is None else signed(second - first))
    return [_label(line), f"{'~' if line.basis else ''}{show_amount(line.quantity or Decimal(0))}", *cells]


def _cost(on: OnCard, name: str) -> str:
    if on.cost is not None:
        return show_money(on.cost)
    return NOT_PRICED if name == "Guide" else on.state.value


def _label(line: Line) -> str:
    plural = line.unit if line.unit == "GB" else f"{line.unit}s"
    return line.item if plural == line.item.lower() else f"{line.item}, {plural}"


def _tiers(line: Line) -> Iterable[str]:
    """Free units and tiers of a line, card by card, where there is more than one price for all of it."""
    for name, on in line.charges.items():
        if on.charge and (text := _parts(on.charge, on.price)):
            yield f"    {name}: {text}"


def _parts(charge: Charge, price: Price | None) -> str:
    used = [bucket for bucket in charge.buckets if bucket.quantity]
    if price is None or (not charge.free and len(used) < 2):
        return ""
    free = [f"{show_amount(charge.free)} free"] if charge.free else []
    return ", ".join(
        [*free, *(f"{show_amount(bucket.quantity)} at {_per(bucket.price, bucket.per)}" for bucket in used)]
    )


def _totals(estimate: Estimate) -> list[list[str]]:
    totals = list(estimate.totals.values())
    two = len(totals) == 2
    rows = []
    if len(totals) > 1 and any(total.cost is not None and total.common != total.cost for total in totals):
        difference = [signed(totals[1].common - totals[0].common)] if two else []
        name = "What the guide prices" if "Guide" in estimate.totals else "What all cards price"
        rows.append([name, "", *(show_money(total.common) for total in totals), *difference])
    blank = [""] if two else []
    rows.append(["Total", "", *(_total(total) for total in totals), *blank])
    for label, values in (
        ("  per user", [total.per_user for total in totals]),
        ("  per 1,000 messages", [total.per_1000_messages for total in totals]),
        ("  per call minute", [total.per_call_minute for total in totals]),
    ):
        if any(value is not None for value in values):
            rows.append([label, "", *(show_fine(value) for value in values), *blank])
    return rows


def _total(total: Total) -> str:
    if total.cost is None:
        return "needs usage"
    return show_money(total.cost) if total.complete else f"≥{show_money(total.cost)}"


def show_fine(value: Decimal | None) -> str:
    """A small amount of money: to a hundredth of a cent, and not to nothing."""
    if value is None:
        return NOT_PRICED
    rounded = value.quantize(Decimal("0.0001"))
    return "<$0.0001" if value and not rounded else show_price(rounded)


def _per(price: Decimal, count: Decimal) -> str:
    return f"{show_price(price)} each" if count == 1 else f"{show_price(price)} per {_count(count)}"


def _count(count: Decimal) -> str:
    return "1M" if count == 1_000_000 else show_amount(count)


def signed(value: Decimal) -> str:
    """A difference of money."""
    text = show_money(value)
    return f"+{text}" if value > 0 else text

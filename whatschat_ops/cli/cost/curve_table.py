"""How a curve and a comparison are shown. No amount is ever cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.cost.estimate_table import signed
from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.pricing.amounts import show_amount, show_money, show_price

if TYPE_CHECKING:
    from whatschat_ops.cost.compare import Comparison, Month
    from whatschat_ops.cost.curve import Curve, Edge

UNKNOWN: Final = "–"


def render_curve(curve: Curve) -> Blocks:
    """A line for each value, with the prices that change there, and the notes of the highest value."""
    (first, *cards, last), *rows = rows_of_curve(curve)
    columns = [Column(first), *figures(*cards), Column(last, wraps=True)]
    return Blocks([Table(columns, rows), "", *(f"- {text}" for text in curve.notes)])


def rows_of_curve(curve: Curve) -> list[Sequence[str]]:
    """Headings, and a row for each value."""
    heads = [curve.quantity, *(f"{card.name}, a month" for card in curve.cards), "From here on"]
    edges = {
        point.value: [edge for edge in curve.edges if edge.value == point.value] for point in curve.points
    }
    return [
        heads,
        *(
            [
                show_amount(point.value),
                *(UNKNOWN if total is None else show_money(total) for total in point.totals.values()),
                "; ".join(map(_edge, edges[point.value])),
            ]
            for point in curve.points
        ),
    ]


def exact_curve(curve: Curve) -> Iterable[Sequence[object]]:
    """A row for each value on each card."""
    yield curve.quantity, "card", "cost_usd"
    for point in curve.points:
        yield from ((point.value, name, total) for name, total in point.totals.items())


def render_comparison(found: Comparison) -> Blocks:
    """The lines of both months."""
    (first, *amounts), *rows = rows_of_comparison(found)
    table: Shown = Table([Column(first, wraps=True), *figures(*amounts)], rows)
    return Blocks([table, *(f"- {text}" for text in notes_of_comparison(found))])


def notes_of_comparison(found: Comparison) -> list[str]:
    """Says that the totals are partial sums, where they are."""
    if found.complete:
        return []
    return [
        f"{found.card.name} has no price for lines with a quantity and without a cost: they are not in the totals."
    ]


def rows_of_comparison(found: Comparison) -> list[Sequence[str]]:
    """Headings, a row for each line, and the totals."""
    heads = [f"A month, on {found.card.name} {found.card.region}", found.a, "", found.b, "", "Difference"]
    lines = [
        [f"{line.service}, {line.item}", *_cells(line.a), *_cells(line.b), signed(line.difference)]
        for line in found.lines
    ]
    totals = [UNKNOWN if total is None else show_money(total) for total in (found.total_a, found.total_b)]
    return [heads, *lines, ["Total", "", totals[0], "", totals[1], signed(found.difference)]]


def exact_comparison(found: Comparison) -> Iterable[Sequence[object]]:
    """A row for each line."""
    yield (
        "service",
        "item",
        "rate",
        "unit",
        "quantity_a",
        "cost_a_usd",
        "quantity_b",
        "cost_b_usd",
        "difference_usd",
    )
    for line in found.lines:
        months = (line.a.quantity, line.a.cost, line.b.quantity, line.b.cost)
        yield (line.service, line.item, line.rate, line.unit, *months, line.difference)


def _cells(month: Month) -> tuple[str, str]:
    return tuple(
        UNKNOWN if amount is None else show(amount)
        for amount, show in ((month.quantity, show_amount), (month.cost, show_money))
    )  # type: ignore[return-value]


def _edge(edge: Edge) -> str:
    count = "" if edge.per == 1 else "1M " if edge.per == Decimal(1_000_000) else f"{show_amount(edge.per)} "
    unit = edge.unit if edge.per == 1 else f"{edge.unit}s"
    price = f"{edge.rate} {show_price(edge.price)} per {count}{unit}"
    return f"{price} ({edge.card}), after {show_amount(edge.limit)}{' free' if edge.free else ''}"

"""How a reconciliation is shown: units above dollars, what is beside the table, and why they differ. No amount is ever cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.cost.estimate_table import signed
from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Cell, Column, Table, figures
from whatschat_ops.plurals import counted
from whatschat_ops.pricing.amounts import show_amount, show_money

if TYPE_CHECKING:
    from whatschat_ops.usage.measured import Bounded, Finding
    from whatschat_ops.usage.reconcile import ReconciledLine, Reconciliation, Side

NOT_SAID: Final = "–"


def render_reconciliation(found: Reconciliation) -> Blocks:
    """The table, what is beside it, and why they differ."""
    heads = figures("Estimate", "Measured", "Bill", "Gap", "Gap, %")
    rows: list[Sequence[Cell]] = [row for line in found.lines for row in _rows(line)]
    totals = [_money(found.estimate_cost), _money(found.measured_cost), show_money(found.bill_cost)]
    gap = NOT_SAID if found.gap_cost is None else signed(found.gap_cost)
    rows.append([Styled(cell, "bold") for cell in ("Total", *totals, gap)])
    table: Shown = Table([Column(f"{found.month}, {found.format}", wraps=True), *heads], rows)
    return Blocks([table, *_beside(found), "", *(f"- {note}" for note in notes_of_reconciliation(found))])


def _rows(line: ReconciledLine) -> Iterator[Sequence[str]]:
    """Units, and below them dollars."""
    sides = (line.estimate, line.measured, line.bill)
    gap = line.gap
    yield [
        " ".join(line.usage_types) or line.rate,
        *(_units(side) for side in sides),
        NOT_SAID if gap is None else _more(gap.quantity),
    ]
    yield [
        f"  {line.service}, {line.unit}",
        *(NOT_SAID if side is None else _money(side.cost) for side in sides),
        NOT_SAID if gap is None else signed(gap.cost),
        "" if gap is None or gap.percent is None else f"{gap.percent:+f}" if gap.percent else "0",
    ]


def _units(side: Side | None) -> str:
    if side is None:
        return NOT_SAID
    low, high = show_amount(side.quantity.low), show_amount(side.quantity.high)
    return low if low == high else f"{low} to {high}"


def _money(cost: Bounded | None) -> str:
    if cost is None:
        return NOT_SAID
    low, high = show_money(cost.low), show_money(cost.high)
    return low if low == high else f"{low} to {high}"


def _more(quantity: Decimal) -> str:
    return f"+{show_amount(quantity)}" if quantity > 0 else show_amount(quantity)


def _beside(found: Reconciliation) -> Iterator[Shown | str]:
    if not found.beside:
        return
    yield ""
    rows = [[each.what, f"{each.rows:,}", show_money(each.cost)] for each in found.beside]
    yield Table([Column("In the bill, in no line above"), *figures("Rows", "Cost")], rows)


def notes_of_reconciliation(found: Reconciliation) -> list[str]:
    """The gaps' reasons, days that are not final, and what could not be read."""
    why = [
        f"{' '.join(line.usage_types) or line.rate}: {reason}."
        for line in found.lines
        for reason in line.reasons
    ]
    late = (
        [f"Not final, less than 48 hours old: {', '.join(map(str, found.not_final))}."]
        if found.not_final
        else []
    )
    return [
        *late,
        *why,
        *found.remarks,
        *notes_of_findings(found.rejects, found.handled),
        *(
            f"{source.source}: {note}"
            for source in found.sources
            for note in notes_of_findings(source.rejects, source.handled)
        ),
        f"{found.rows:,} rows were read.",
    ]


def notes_of_findings(rejects: Sequence[Finding], handled: Sequence[Finding]) -> list[str]:
    """Rows that are in no sum, with samples; and rows that are, as the reason says."""
    left = [f"Not added up: {_finding(each)}" for each in rejects]
    return [*left, *(f"Counted: {_finding(each)}" for each in handled)]


def _finding(found: Finding) -> str:
    samples = f" ({'; '.join(found.samples)})" if found.samples else ""
    return f"{counted(found.count, 'row')}, {found.reason}{samples}."


def rows_of(found: Reconciliation) -> list[Sequence[str]]:
    """For Markdown: exact figures, as CSV has them."""
    return [["" if cell is None else str(cell) for cell in row] for row in exact_rows(found)]


def exact_rows(found: Reconciliation) -> Iterable[Sequence[object]]:
    """A row for each price."""
    sides = ("estimate", "measured", "bill")
    yield (
        "rate", "service", "usage_types", "unit",
        *(f"{side}_{what}" for side in sides for what in ("low", "high", "low_usd", "high_usd")),
        "gap_to", "gap", "gap_usd", "gap_percent", "reasons",
    )  # fmt: skip
    for line in found.lines:
        gap = line.gap
        yield (
            line.rate, line.service, " ".join(line.usage_types), line.unit,
            *_bounds(line.estimate), *_bounds(line.measured), *_bounds(line.bill),
            *((gap.to, gap.quantity, gap.cost, gap.percent) if gap else (None,) * 4), "; ".join(line.reasons),
        )  # fmt: skip


def _bounds(side: Side | None) -> tuple[object, ...]:
    if side is None:
        return (None,) * 4
    return side.quantity.low, side.quantity.high, side.cost.low, side.cost.high

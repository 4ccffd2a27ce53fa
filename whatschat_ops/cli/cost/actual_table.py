"""How `cost actual` shows what was measured: quantities by source, what they cost, where sources differ, rows without use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Cell, Column, Table, figures
from whatschat_ops.plurals import counted
from whatschat_ops.pricing.amounts import show_money

if TYPE_CHECKING:
    from whatschat_ops.usage.actual import Actual, ActualLine
    from whatschat_ops.usage.measured import Bounded, Finding, Measured

NOT_MEASURED: Final = "–"
NAMES: Final = {
    "cloudwatch": "CloudWatch",
    "logs": "Logs",
    "calls": "Calls",
    "ledger": "Ledger",
    "bill": "Bill",
}


def render_actual(found: Actual) -> Blocks:
    """The tables, the differences, and what was done with rows that are not as they should be."""
    time = f"From {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    parts: list[Shown | Cell] = [time, "", _quantities(found)]
    if found.differences:
        parts += ["", Styled("Sources differ", "bold")]
        parts += [f"! {_name_of(found, each.rate)}: {_capital(each.text)}." for each in found.differences]
    rows = [text for source in found.sources for text in _rows(source)]
    remarks = [
        f"- {NAMES[source.source]}: {text.rstrip('.')}."
        for source in found.sources
        for text in source.remarks
    ]
    return Blocks([*parts, *(["", *rows] if rows else []), "", *remarks, *_after(found)])


def notes_of(found: Actual) -> Iterator[str]:
    """What to know of prices."""
    if found.free_tiers != "none":
        yield "Free units and tiers are of a calendar month of the account: they are deducted as if nothing else was used in it (--no-free-tier: not at all)."


def show_range(amount: Bounded | None) -> str:
    """`1,204`, `1,204–4,816`."""
    from whatschat_ops.usage.actual import show_bounded

    return NOT_MEASURED if amount is None else show_bounded(amount).replace(" to ", "–")


def _quantities(found: Actual) -> Table:
    names = [source.source for source in found.sources]
    cards = [card.name for card in found.cards]
    rows: list[Sequence[Cell] | Styled] = []
    shown = [line for line in (*found.counts, *found.lines) if not _is_nothing(line)]
    for service, lines in groupby(shown, key=lambda line: line.service):
        rows.append(Styled(service, "bold"))
        for line in lines:
            said = [_said(line, name, several=len(names) > 1) for name in names]
            costs = [_cost(line.cost[card], card) if line.cost else "" for card in cards]
            rows.append([f"  {_label(line)}", *said, *costs])
    totals = [_total(found, card) for card in cards]
    rows.append([Styled(cell, "bold") for cell in ("Total, US dollars", *("" for _ in names), *totals)])
    return Table([Column("Used", wraps=True), *figures(*(NAMES[name] for name in names), *cards)], rows)


def _said(line: ActualLine, source: str, *, several: bool) -> str:
    """With a star where the source is the one that is priced."""
    text = show_range(line.by_source.get(source))  # type: ignore[call-overload]
    return f"{text}*" if several and line.priced == source else text


def _label(line: ActualLine) -> str:
    plural = line.unit if line.unit in ("GB", "") else f"{line.unit}s"
    return (
        line.item
        if not plural or plural == line.item.lower() or "," in line.item
        else f"{line.item}, {plural}"
    )


def _is_nothing(line: ActualLine) -> bool:
    """Whether every source that measured it says 0."""
    return bool(line.cost) and not any(amount and amount.high for amount in line.by_source.values())


def _cost(amount: Bounded | None, card: str) -> str:
    if amount is None:
        return NOT_MEASURED if card == "Guide" else "not found"
    low, high = show_money(amount.low), show_money(amount.high)
    return low if low == high else f"{low}–{high}"


def _total(found: Actual, card: str) -> str:
    amount = found.totals[card]
    if amount is None:
        return NOT_MEASURED
    return _cost(amount, card) if card in found.complete else f"≥{_cost(amount, card)}"


def _rows(source: Measured) -> Iterator[Cell]:
    """What was not counted, and what was counted by a rule."""
    name = NAMES[source.source]
    for finding in source.rejects:
        yield Styled(f"! {name}: not counted: {_finding(finding)}", "yellow")
    for finding in source.handled:
        yield f"~ {name}: {_finding(finding)}"


def _finding(finding: Finding) -> str:
    samples = f" For example: {finding.samples[0]}" if finding.samples else ""
    return f"{counted(finding.count, 'row')}: {finding.reason}.{samples}"


def _after(found: Actual) -> Iterator[Cell]:
    if len(found.sources) > 1:
        yield "- Cost is of the quantity marked *: that of the source with the narrowest range."
    yield from (f"- {note}" for note in found.notes)
    if nothing := [f"{line.service}, {_label(line)}" for line in found.lines if _is_nothing(line)]:
        yield Styled(f"Measured as 0: {'; '.join(nothing)}.", "dim")
    if found.not_measured:
        yield Styled(f"Not measured: {'; '.join(found.not_measured)}.", "dim")


def _name_of(found: Actual, rate: str) -> str:
    line = next((line for line in (*found.counts, *found.lines) if line.rate == rate), None)
    return rate if line is None else line.item if not line.cost else f"{line.service}, {line.item}"


def _capital(text: str) -> str:
    first, _, rest = text.partition(" ")
    return f"{NAMES.get(first, first)} {rest}"

"""`--format` of the commands of `cost`: a table, JSON, CSV (exact, for programs) or Markdown (rounded, for people)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from whatschat_ops.choices import OutputFormat
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.lines import Shown
    from whatschat_ops.cost.result import Estimate

T = TypeVar("T")
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print the result")]


def show(
    run: Run,
    result: T,
    chosen: OutputFormat,
    table: Callable[[T], Shown],
    rows: Callable[[T], list[Sequence[str]]],
    exact: Callable[[T], Iterable[Sequence[object]]],
    notes: Callable[[T], Sequence[str]],
) -> None:
    """Print a result. `rows` and `exact` begin with the headings. A CSV file has no place for notes: they go to stderr."""
    run.out.as_json = run.out.as_json or chosen is OutputFormat.JSON
    if chosen is OutputFormat.CSV:
        run.out.result(result, lambda it: _csv(exact(it)))
        for text in notes(result):
            run.out.note(text)
    elif chosen is OutputFormat.MARKDOWN:
        run.out.result(result, lambda it: markdown(rows(it), notes(it)))
    else:
        run.out.result(result, table)


def markdown(rows: Iterable[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Rows as a Markdown table, the first of which has the headings, and a list of notes below it."""
    heads, *others = [[cell.strip().replace("|", "\\|") for cell in row] for row in rows]
    table = [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *others)]
    return "\n".join([*table, *([""] if notes else []), *(f"- {note}" for note in notes)])


def exact_rows(estimate: Estimate) -> Iterable[Sequence[object]]:
    """A row for each line on each card."""
    yield (
        "service", "item", "rate", "unit", "quantity", "basis",
        "card", "state", "billed", "free", "cost_usd", "unit_price_usd", "unit_price_per",
    )  # fmt: skip
    for line in estimate.lines:
        for name, on in line.charges.items():
            charge, price = on.charge, on.price
            yield (
                line.service, line.item, line.rate, line.unit, line.quantity, line.basis, name, on.state.value,
                charge and charge.billed, charge and charge.free, on.cost, price and price.amount, price and price.per,
            )  # fmt: skip


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [
            ["" if cell is None else cell if isinstance(cell, str) else format(cell, "f") for cell in row]
            for row in rows
        ]
    )
    return text.getvalue()

"""`--sort` and `--limit` of the commands that list something."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.output import Output

T = TypeVar("T")

_ORDERS: Final = {"": False, "asc": False, "desc": True}

SortOption = Annotated[
    str | None,
    typer.Option("--sort", metavar="FIELD", help="Field of the JSON to sort by, or FIELD:desc"),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", "-L", metavar="N", min=1, help="Show at most N of them")
]


def listed(out: Output, row: type[T], rows: Iterable[T], sort: str | None, limit: int | None) -> list[T]:
    """The rows to show, in order; a note says how many are left out. Raises UsageError for a field that `row` does not have."""
    found = in_order(row, rows, sort) if sort is not None else list(rows)
    if limit is not None and len(found) > limit:
        out.note(f"Showing {limit:,} of {len(found):,}. Raise --limit for more.")
    return found[:limit]


def in_order(row: type[T], rows: Iterable[T], sort: str) -> list[T]:
    """Sorted by the field that `sort` names; what has no value comes last. Rows of one value stay in their order."""
    field, _, order = sort.partition(":")
    names = [each.name for each in dataclasses.fields(row)]  # type: ignore[arg-type]
    if field not in names or order not in _ORDERS:
        raise UsageError(f"--sort is no field to sort by: {sort}. The fields are {', '.join(names)}.")
    known: list[T] = []
    unknown: list[T] = []
    for each in rows:
        (unknown if getattr(each, field) is None else known).append(each)
    try:
        known.sort(key=lambda each: _comparable(getattr(each, field)), reverse=_ORDERS[order])
    except TypeError as error:
        raise UsageError(f"--sort: {field} has no order.") from error
    return [*known, *unknown]


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value

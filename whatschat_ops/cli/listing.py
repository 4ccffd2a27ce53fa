"""`--sort` and `--limit` of the commands that list something."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from whatschat_ops.choices import did_you_mean
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

NewestOption = Annotated[
    int, typer.Option("--limit", "-L", metavar="N", min=1, help="The most of them, the newest ones")
]


def listed(out: Output, row: type[T], rows: Iterable[T], sort: str | None, limit: int | None) -> list[T]:
    """The rows to show, in order; a note says how many are left out. Raises UsageError for a field that `row` does not have."""
    found = in_order(row, rows, sort) if sort is not None else list(rows)
    if limit is not None and len(found) > limit:
        out.note(f"Showing {limit:,} of {len(found):,}. Raise --limit for more.")
    return found[:limit]


def newest(out: Output, row: type[T], rows: Iterator[T], sort: str | None, limit: int) -> list[T]:
    """The first `limit` of rows that come newest first, in order; a note says when there are more. Raises as `listed` does."""
    found = list(itertools.islice(rows, limit + 1))
    if len(found) > limit:
        shown = "newest is" if limit == 1 else f"newest {limit:,} are"
        out.note(f"Only the {shown} shown. For more, raise --limit.")
    return in_order(row, found[:limit], sort) if sort is not None else found[:limit]


def in_order(row: type[T], rows: Iterable[T], sort: str) -> list[T]:
    """Sorted by the field that `sort` names; what has no value comes last. Rows of one value stay in their order."""
    field, _, order = sort.partition(":")
    names = _fields(row)
    if field not in names:
        raise UsageError(
            f"--sort: there is no field {field!r}.{did_you_mean(field, names)} The fields are {', '.join(names)}."
        )
    if order not in _ORDERS:
        raise UsageError(f"--sort: the order is asc or desc, not {order!r}.")
    known: list[T] = []
    unknown: list[T] = []
    for each in rows:
        (unknown if getattr(each, field) is None else known).append(each)
    try:
        known.sort(key=lambda each: _comparable(getattr(each, field)), reverse=_ORDERS[order])
    except TypeError as error:
        raise UsageError(f"--sort: {field} has no order.") from error
    return [*known, *unknown]


def _fields(row: type[Any]) -> tuple[str, ...]:
    return getattr(row, "__struct_fields__", None) or tuple(each.name for each in dataclasses.fields(row))


def _comparable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value

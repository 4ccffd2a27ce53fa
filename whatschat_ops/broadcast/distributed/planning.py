"""What a run's shards are: segments of the table's scan, or users and rows that were named.

Nothing is listed here but what was named, and a sample of N connections, which workers choose (sampling.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import Any, Final, NamedTuple, TypeVar

from whatschat_ops.broadcast.audience.selection import Selection, check_unchanged
from whatschat_ops.broadcast.audience.sources import Table, named_users
from whatschat_ops.worker.objects import ROWS, SEGMENT, USERS, Shard
from whatschat_ops.worker.rows import Row

MOST_SEGMENTS: Final = 10_000
"""The workers' empty answers, three characters each, must stay below the 256 KiB of a state's output; with more rows segments are
larger, and workers hand them over."""
USERS_OF_A_SHARD: Final = 1_000

T = TypeVar("T")


class Planned(NamedTuple):
    """A shard, and the users or rows that are its own; None: it is a segment."""

    shard: Shard
    given: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """How a run is divided: rows of a shard, and workers at once."""

    shard_connections: int
    workers: int

    def segments(self, rows: int) -> int:
        """How many segments a table of about this many rows is read in: full rounds of all workers.

        DynamoDB counts rows every six hours or so: a table may have many more, so that there are never fewer segments than workers.
        """
        rounds = ceil(rows / self.shard_connections / self.workers)
        return min(MOST_SEGMENTS, self.workers * max(1, rounds))


def plan(run: str, selection: Selection, table: Table, sizes: Sizes) -> Iterator[Planned]:
    """The shards of a new run, numbered from 1. Raises UsageError when a users file has changed since it was examined."""
    if selection.whole_table and not (selection.sample and selection.sample.count):
        segments = sizes.segments(table.about_how_many())
        for segment in range(segments):
            yield Planned(Shard(run, segment + 1, SEGMENT, segment, segments), None)
        return
    for number, (kind, given) in enumerate(_given(selection, table, sizes), 1):
        yield Planned(Shard(run, number, kind), given)


def row_shards(run: str, rows: Iterable[Row], sizes: Sizes, *, first: int) -> Iterator[Planned]:
    """Shards of these rows, numbered from `first`."""
    for number, piece in enumerate(_pieces(rows, sizes.shard_connections), first):
        yield Planned(Shard(run, number, ROWS), piece)


def _given(selection: Selection, table: Table, sizes: Sizes) -> Iterator[tuple[str, Sequence[Any]]]:
    if selection.users_file:
        check_unchanged(selection.users_file)
    listed = selection if selection.sample and selection.sample.count else None
    if listed is None and selection.connections:
        listed = replace(selection, users=(), users_file=None)
    if listed is not None:
        rows = (row for page in table.source(listed).pages(None) for row in page.rows)
        for piece in _pieces(rows, sizes.shard_connections):
            yield ROWS, piece
    if listed is not selection:
        for users in _pieces(dict.fromkeys(named_users(selection)), USERS_OF_A_SHARD):
            yield USERS, users


def _pieces(values: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(values)
    while piece := list(islice(remaining, size)):
        yield piece

"""A sample of N connections of the whole table without a machine that reads all of it.

A sample is the N connections with the smallest hashes (`audience.sampling`). Workers write down the rows of their segments whose hash
is below a bound that somewhat more than N have, by DynamoDB's count of rows; the command takes the N smallest of these, exactly. Only
when there are fewer than N of them, because the table has shrunk or users are excluded, the table is read again with a higher bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import sqrt
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.sampling import smallest
from whatschat_ops.broadcast.audience.selection import Sample, Selection
from whatschat_ops.broadcast.audience.sources import Say, Table
from whatschat_ops.broadcast.audience.targets import Page, Source
from whatschat_ops.broadcast.distributed.counting import Reading, Segments
from whatschat_ops.broadcast.kinds import BROADCAST, KINDS
from whatschat_ops.config import Settings
from whatschat_ops.errors import Hint
from whatschat_ops.worker.kinds import SAMPLE
from whatschat_ops.worker.rows import Row

BELOW_ALL: Final = (-1, "")
WHOLE: Final = 100.0

Read = Callable[[float], Sequence[Row]]
"""The rows with the smallest hashes, N at most, among the given percentage of all with the smallest hashes."""


class SampledByWorkers(Table):
    """The connections table for the run `run_id`, of which workers read what a sample of N connections of all is chosen from."""

    def __init__(self, settings: Settings, aws: Aws, name: str, run_id: str, say: Say) -> None:
        super().__init__(aws, name)
        self._reading = Reading(settings, aws, name, say)
        self._resume = Hint((*KINDS[BROADCAST].command, "--resume", run_id))

    def source(self, selection: Selection, say: Say = lambda _: None) -> Source:
        """The rows that are selected."""
        sample = selection.sample
        if sample is None or sample.count is None or not selection.whole_table:
            return super().source(selection, say)
        count, seed = sample.count, sample.seed

        def read(percent: float) -> Sequence[Row]:
            self._reading.say(f"Workers read the table to choose {count:,} connections.")
            bounded = replace(selection, sample=Sample(None, f"{percent:.12f}", seed))
            return self._reading.by_workers(
                SAMPLE, bounded, lambda found: smallest(rows_in(found), count, seed, BELOW_ALL), self._resume
            )

        return _Chosen(lambda: choose(count, self.about_how_many(), read))


class _Chosen:
    """The chosen rows as a source."""

    def __init__(self, rows: Callable[[], Sequence[Row]]) -> None:
        self._rows = rows

    def pages(self, position: str | None) -> Iterator[Page]:
        """One page with all of them."""
        if position is None:
            yield Page(self._rows(), "")


def choose(count: int, about_rows: int, read: Read) -> Sequence[Row]:
    """`count` rows, or all when there are fewer. `about_rows`: how many there are by an earlier count."""
    percent = bound(count, about_rows)
    while len(rows := read(percent)) < count and percent < WHOLE:
        percent = bound(count, max(1, len(rows)) / percent * 100)
    return rows


def bound(count: int, rows: float) -> float:
    """The percentage of `rows` that has `count` of them, but for less than one in 10**8 cases (six standard deviations)."""
    wanted = count + 6 * sqrt(count) + 100
    return WHOLE if wanted >= rows else 100 * wanted / rows


def rows_in(segments: Segments) -> Iterator[Row]:
    """The rows that workers wrote down."""
    for _, items in segments:
        for some in items:
            yield from (Row(*values) for values in some)

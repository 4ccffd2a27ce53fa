"""What the workers of a run have written, put together: from the totals of finished shards and the last parts of the others.

Nothing is read here that grows with the connections: a finished shard is one small object, read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from whatschat_ops.broadcast.journal.failed import FailedConnection
from whatschat_ops.broadcast.journal.reading import Standing
from whatschat_ops.broadcast.journal.summary import Counts, FailureGroup
from whatschat_ops.measure.histogram import BucketCount, Histogram
from whatschat_ops.sender.model import Outcome
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, Shard
from whatschat_ops.worker.parts import Ended, Part, Totals

DOWNLOADS: Final = 8


@dataclass(slots=True)
class Outcomes:
    """Reads what came of the shards of a run, by number, as it appears."""

    objects: Objects
    keys: Keys
    shards: Mapping[int, Shard]
    _finished: set[int] = field(default_factory=set)
    _up_to: int = 0
    _of_finished: Totals = field(default_factory=Totals)
    _last: dict[int, tuple[int, Part]] = field(default_factory=dict)

    @property
    def unfinished(self) -> list[int]:
        """The shards that are not finished."""
        return sorted(set(self.shards) - self._finished)

    @property
    def pending(self) -> int:
        """Connections that were read and have no outcome."""
        return sum(part.pending for _, part in self._last.values())

    @property
    def retried_from(self) -> int:
        """The shards before this one failed to reach what later ones retry: their failures do not count any more."""
        return max((shard.retries for shard in self.shards.values()), default=0)

    def refresh(self) -> None:
        """Read what is new."""
        with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="outcomes") as pool:
            keys = self.objects.keys(self.keys.all_done, after=self.keys.done(self._up_to))
            new = [key for key in keys if self.keys.done_of_key(key) not in self._finished]
            for key, content in zip(new, pool.map(self.objects.get, new), strict=True):
                self._finish(self.keys.done_of_key(key), Totals.from_bytes(content))
            parts = self._new_parts()
            for (shard, number), content in zip(parts, pool.map(self._get_part, parts), strict=True):
                self._last[shard] = (number, Part.from_bytes(content, with_outcomes=False))

    def totals(self) -> Totals:
        """Of all shards."""
        found = Totals()
        found.merge(self._of_finished)
        for number, (_, part) in self._last.items():
            found.merge(part.totals, failures=number >= self.retried_from)
        found.in_doubt += sum(shard.in_doubt for shard in self.shards.values())
        return found

    def failed(self) -> Iterator[Ended]:
        """The connections that failed, shard by shard: reads every part."""
        for number in sorted(self.shards):
            if number >= self.retried_from:
                for key in self.objects.keys(self.keys.parts_of(number)):
                    part = Part.from_bytes(self.objects.get(key))
                    yield from (each for each in part.ended if each.outcome is Outcome.FAILED)

    def _finish(self, number: int, totals: Totals) -> None:
        self._finished.add(number)
        self._last.pop(number, None)
        self._of_finished.merge(totals, failures=number >= self.retried_from)
        while self._up_to + 1 in self._finished:
            self._up_to += 1

    def _new_parts(self) -> list[tuple[int, int]]:
        """The last parts of shards that are not finished, where they are not known yet: (shard, number)."""
        unfinished = self.unfinished
        if not unfinished:
            return []
        first = unfinished[0]
        known = self._last[first][0] if first in self._last else 0
        listed = self.objects.keys(self.keys.parts, after=self.keys.part(first, known))
        last = dict(map(self.keys.part_of_key, listed))  # sorted: the last one of each shard stays
        known_last = {shard: number for shard, (number, _) in self._last.items()}
        return [
            (shard, number)
            for shard, number in last.items()
            if shard not in self._finished and number > known_last.get(shard, 0)
        ]

    def _get_part(self, place: tuple[int, int]) -> bytes:
        return self.objects.get(self.keys.part(*place))


def standing_in(totals: Totals, pending: int) -> Standing:
    """How the connections of a run stand."""
    counts = Counts(
        listed=totals.ended + pending,
        delivered=totals.delivered,
        gone=totals.gone,
        failed=totals.failed,
        pruned=totals.pruned,
        rewritten=totals.rewritten,
        prune_failed=totals.prune_failed,
        in_doubt=totals.in_doubt,
        attempts=totals.attempts,
    )
    bucket = partial(BucketCount, sum_us=0, largest_us=totals.largest_us)
    return Standing(counts, Histogram(bucket(*each) for each in totals.latencies.items()))


def failures_in(totals: Totals) -> tuple[FailureGroup, ...]:
    """Why connections failed, the commonest reason first."""
    groups = sorted(totals.reasons.items(), key=lambda each: (-each[1][0], each[0]))
    return tuple(FailureGroup(reason, count, tuple(some)) for reason, (count, some) in groups)


def failed_connection(ended: Ended) -> FailedConnection:
    """As `ws broadcasts show --failures` prints it."""
    return FailedConnection(ended.row.connection_id, ended.row.user_id, ended.attempts, ended.reason)

"""Part of the connections, chosen so that the same seed chooses the same ones again: a run that is resumed goes on with
its own sample.

Every connection id has a hash (BLAKE2b, keyed with the seed) that is as good as a random number. A percentage keeps the
ids whose hash is small enough, one by one. A sample of N keeps the N smallest hashes: each set of N is equally likely,
and no more than N rows are held at a time.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator

from whatschat_ops.broadcast.audience.targets import Keep, Page, Row, Source
from whatschat_ops.worker.rows import hash_of as hash_of
from whatschat_ops.worker.rows import sample_limit

PAGE_ROWS = 1_000


def percentage(percent: str, seed: str) -> Keep:
    """Keeps `percent` of all connections, more or less."""
    below = sample_limit(percent)
    return lambda row: hash_of(row.connection_id, seed) < below


class SampledSource:
    """`count` of the rows of another source, in the order of their hashes, once that source has been read to its end."""

    def __init__(self, source: Source, count: int, seed: str) -> None:
        self._source = source
        self._count = count
        self._seed = seed

    def pages(self, position: str | None) -> Iterator[Page]:
        """The sample. The position is how many were handed out and the hash of the last: what follows is chosen again."""
        given, after = (0, (-1, "")) if position is None else _place(position)
        rows = (row for page in self._source.pages(None) for row in page.rows)
        chosen = smallest(rows, self._count - given, self._seed, after)
        for start in range(0, len(chosen), PAGE_ROWS):
            part = chosen[start : start + PAGE_ROWS]
            last = part[-1].connection_id
            place = {"given": given + start + len(part), "after": [hash_of(last, self._seed), last]}
            yield Page(part, json.dumps(place))


def smallest(rows: Iterable[Row], count: int, seed: str, after: tuple[int, str]) -> list[Row]:
    """The `count` rows with the smallest hashes beyond `after`, in that order, each id once."""
    heap: list[tuple[int, str]] = []  # negated hash first: the largest of those that are kept is at the root
    kept: dict[str, Row] = {}
    for row in rows:
        connection_id = row.connection_id
        number = hash_of(connection_id, seed)
        if count <= 0 or (number, connection_id) <= after or connection_id in kept:
            continue
        if len(heap) < count:
            heapq.heappush(heap, (-number, connection_id))
        elif -number <= heap[0][0]:
            continue
        else:
            del kept[heapq.heapreplace(heap, (-number, connection_id))[1]]
        kept[connection_id] = row
    return [kept[connection_id] for _, connection_id in sorted(heap, key=lambda it: (-it[0], it[1]))]


def _place(position: str) -> tuple[int, tuple[int, str]]:
    place = json.loads(position)
    number, connection_id = place["after"]
    return place["given"], (number, connection_id)

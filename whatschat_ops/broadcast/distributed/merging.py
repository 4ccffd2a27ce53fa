"""The parts that workers write -> results for the journal, each part once, while they are written.

Parts are listed from the lowest shard that is not finished: shards are begun in order, so a listing is about as long as
the number of workers, however many shards there are. How far each shard was read is remembered with its results, in
one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from whatschat_ops.sender.model import Result
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, Part

DOWNLOADS: Final = 8
MARK: Final = "shard/"
"""What the journal's marks of shards begin with."""


@dataclass(slots=True)
class Tally:
    """What the parts say of the run beside its results: counters, over all attempts."""

    _by_attempt: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _totals: Counter[str] = field(default_factory=Counter)

    def add(self, part: Part) -> None:
        """Count one part. Its counters are those of its attempt so far."""
        before = self._by_attempt.get(part.attempt, {})
        for name, value in part.counters.items():
            self._totals[name] += value - before.get(name, 0)
        self._by_attempt[part.attempt] = part.counters

    def __getitem__(self, name: str) -> int:
        """A counter; 0 when no part has it."""
        return self._totals[name]


@dataclass(slots=True)
class Shard:
    """How far a shard was read: its last part, the results in them, and whether that was the final one."""

    connections: int
    part: int = 0
    results: int = 0
    final: bool = False

    @property
    def mark(self) -> str:
        """As the journal remembers it."""
        return f"{self.part} {self.results} {int(self.final)}"

    def restore(self, mark: str) -> None:
        """As the journal remembered it."""
        part, results, final = mark.split()
        self.part, self.results, self.final = int(part), int(results), final == "1"


class Merged(NamedTuple):
    """What one part adds: its results, the mark to be remembered with them, and connections that were in doubt."""

    results: Sequence[Result]
    mark: tuple[str, str]
    in_doubt: int


class Parts:
    """Reads the parts of a run as they appear."""

    def __init__(
        self,
        objects: Objects,
        keys: Keys,
        shards: Mapping[int, int],
        marks: Mapping[str, str],
        tally: Tally | None = None,
    ) -> None:
        """`shards`: number -> connections, of the whole run; `marks`: what the journal remembers (under MARK); `tally`: of what
        was read before."""
        self._objects = objects
        self._keys = keys
        self.shards = {number: Shard(connections) for number, connections in sorted(shards.items())}
        for key, mark in marks.items():
            self.shards[int(key.removeprefix(MARK))].restore(mark)
        self.tally = tally or Tally()

    @property
    def unfinished(self) -> list[int]:
        """The shards that are not finished."""
        return [number for number, shard in self.shards.items() if not shard.final]

    @property
    def missing(self) -> int:
        """Connections of unfinished shards without a result."""
        return sum(shard.connections - shard.results for shard in self.shards.values() if not shard.final)

    def new(self) -> Iterator[Merged]:
        """Every part that has appeared since the last call."""
        unfinished = self.unfinished
        if not unfinished:
            return
        listed = self._objects.keys(self._keys.parts, after=self._keys.parts_of(unfinished[0]))
        keys = [key for key in listed if self._is_new(key)]
        with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="parts") as pool:
            for at in range(0, len(keys), DOWNLOADS):
                batch = keys[at : at + DOWNLOADS]
                for key, content in zip(batch, pool.map(self._objects.get, batch), strict=True):
                    yield self._take(key, Part.from_bytes(content))

    def _is_new(self, key: str) -> bool:
        shard, number = self._keys.part_of_key(key)
        return number > self.shards[shard].part

    def _take(self, key: str, part: Part) -> Merged:
        number, part_number = self._keys.part_of_key(key)
        shard = self.shards[number]
        shard.part, shard.final = part_number, part.final
        shard.results += len(part.results)
        self.tally.add(part)
        return Merged(part.results, (f"{MARK}{number:08}", shard.mark), part.in_doubt)

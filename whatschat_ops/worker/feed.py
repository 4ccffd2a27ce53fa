"""Which lines of a shard are still to be sent: what earlier attempts did, and what may be begun now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from whatschat_ops.sender.model import Target
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, Part


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier attempts did: numbers with a result, lines they were allowed, parts they wrote."""

    done: frozenset[int] = frozenset()
    allowed: int = 0
    parts: int = 0


def read_before(objects: Objects, keys: Keys, shard: int, known: Before | None = None) -> Before:
    """What the parts of a shard say; those in `known` are not read again."""
    known = known or Before()
    found = objects.keys(keys.parts_of(shard), after=keys.part(shard, known.parts))
    done = set(known.done)
    allowed, last = known.allowed, known.parts
    for key in found:
        part = Part.from_bytes(objects.get(key))
        done.update(result.number for result in part.results)
        # the last part counts: a worker that ended in order returns what it did not use
        allowed, last = part.allowed, keys.part_of_key(key)[1]
    return Before(frozenset(done), allowed, last)


class Feed:
    """Hands out the lines of a shard that have no result yet, as far as is allowed."""

    def __init__(self, targets: Iterator[Target], before: Before, want_more: Callable[[int], None]) -> None:
        """`want_more` is called with the line that has been reached."""
        self._targets = targets
        self._done = before.done
        self._want_more = want_more
        self._line = 0
        self._ended = False
        self.allowed = 0

    def __call__(self, limit: int) -> Sequence[Target] | None:
        """`sender.model.NextTargets`."""
        batch: list[Target] = []
        while len(batch) < limit and self._line < self.allowed and not self._ended:
            target = next(self._targets, None)
            if target is None:
                self._ended = True
                break
            self._line += 1
            if target.number not in self._done:
                batch.append(target)
        self._want_more(self._line)
        return None if self._ended and not batch else batch

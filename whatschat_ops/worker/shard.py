"""One shard of a broadcast, sent and written down so that a failure at any moment loses nothing. Knows no AWS.

    pages ──▶ Ledger ──▶ Sender ──▶ Ledger ──▶ Recorder ──▶ parts in the bucket
                ▲                                 │
                └────── may begin so many ────────┘

Before a row is begun, a part that allows it is in the bucket: what is allowed runs ahead of the sender by about two seconds of
its rate. So the next attempt knows how many connections may have got the message without an outcome: they are sent to again
and counted. It reads the table again from the last whole page on, and skips what has an outcome.

A part is written only where none is: of two attempts at one shard at the same time, the one that writes the next part
goes on, having read what it must know; the other finds its place taken and begins nothing beyond what it was allowed, which
the first has counted. An attempt that begins reads on until it gets in, so the newest one takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from whatschat_ops.errors import OpsError
from whatschat_ops.sender.model import NextTargets, OnResults, Snapshot, Target
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.ledger import Before, Ledger
from whatschat_ops.worker.objects import Keys, RunSpec
from whatschat_ops.worker.parts import Part, Totals
from whatschat_ops.worker.recorder import Prune, Pruner, Recorder
from whatschat_ops.worker.rows import Keep, Page, Position
from whatschat_ops.worker.watching import Watch

AHEAD_S: Final = 2.0
LEAST_AHEAD: Final = 200
"""Rows that are allowed in advance, whatever the rate."""
LAST_PAGES_S: Final = 60.0
"""Before the end of its time a worker begins no more pages, so that those it has begun become whole."""


class ShardTakenOver(OpsError):
    """Another attempt at the shard has begun, and goes on with it."""

    code = "conflict"


class NoProgress(OpsError):
    """The sender ended without a result, so calling the worker again would not help."""

    code = "unavailable"


class Sending(Protocol):
    """The part of `sender.Sender` that is used here."""

    def run(
        self, next_targets: NextTargets, on_results: OnResults, should_stop: Callable[[], bool]
    ) -> Snapshot:
        """Send until there is nothing more, or `should_stop`."""
        ...

    def snapshot(self) -> Snapshot:
        """Where it is."""
        ...

    def limit(self, rate_per_s: float) -> None:
        """Send at most so many per second from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at a shard, and what it needs. `pages` gives those from a position on, of whose rows `keep` says which are wanted; `left_s` is the
    time until the worker has to end.

    `make_sender` is called with the message, rate and burst.
    """

    objects: Objects
    keys: Keys
    spec: RunSpec
    shard: int
    attempt: str
    pages: Callable[[Position], Iterator[Page]]
    keep: Keep
    prune: Prune
    make_sender: Callable[[bytes, float, int], Sending]
    left_s: Callable[[], float]

    def send(self) -> bool:
        """Send what is left of the shard; whether the worker is to be called again for the rest.

        It ends early when its time does, or when the run is stopped. Raises what the sender or the bucket raises, after writing what it has;
        ShardTakenOver, and NoProgress.
        """
        watch = Watch(self.objects, self.keys)
        watch.look()
        if watch.is_stopped():
            return False
        before = read_before(self.objects, self.keys, self.shard)
        if before.part.final:
            self._finish(before.part.totals)
            return False
        sender = self.make_sender(self.objects.get(self.keys.message), watch.share_per_s, watch.burst)
        ledger, recorder = self._begin(before, sender, watch)
        if ledger is None or recorder is None:  # finished by the attempt that was there before
            return False
        position, ended = ledger.position, ledger.totals.ended
        watch.start(sender.limit)
        try:
            self._run(sender, ledger, recorder, watch)
        finally:
            watch.close()
        if ledger.is_finished:
            self._finish(ledger.totals)
            return False
        if watch.is_stopped():
            return False
        if (ledger.position, ledger.totals.ended) == (position, ended):
            raise NoProgress(f"Shard {self.shard} made no progress: the sender ended without a result.")
        return True

    def _begin(self, before: Before, sender: Sending, watch: Watch) -> tuple[Ledger | None, Recorder | None]:
        """Get in behind an earlier attempt that may still be writing; None: that one finished. Raises ShardTakenOver."""
        while not before.part.final:
            ledger = Ledger(self.pages(before.part.position), before, self.keep, self.spec.action)
            recorder = Recorder(
                _Log(self.objects, self.keys, self.shard, before.number).append,
                self.attempt,
                ledger,
                Pruner(self.prune, ledger, self.spec.prune_rows),
                sender.snapshot,
                lambda: max(LEAST_AHEAD, int(watch.share_per_s * AHEAD_S)),
            )
            try:
                recorder.begin(before.part.unpruned)
                return ledger, recorder
            except ShardTakenOver:
                ledger.close()
                if self.left_s() <= 0:
                    raise
                before = read_before(self.objects, self.keys, self.shard)
        return None, None

    def _run(self, sender: Sending, ledger: Ledger, recorder: Recorder, watch: Watch) -> None:
        def next_targets(limit: int, /) -> Sequence[Target] | None:
            targets = ledger.take(limit)
            recorder.reached()
            return targets

        def should_stop() -> bool:
            left_s = self.left_s()
            if left_s < LAST_PAGES_S:
                ledger.may_open = False
            return recorder.error is not None or watch.is_stopped() or left_s <= 0

        in_order = False
        try:
            sender.run(next_targets, ledger.settle, should_stop)
            in_order = True
        finally:
            ledger.close()
            recorder.close(in_order=in_order)

    def _finish(self, totals: Totals) -> None:
        self.objects.put(self.keys.done(self.shard), totals.to_bytes())


@dataclass(slots=True)
class _Log:
    """The parts of a shard, in a row without gaps: an attempt appends only after it has read what is before."""

    objects: Objects
    keys: Keys
    shard: int
    parts: int = 0

    def append(self, part: Part) -> None:
        """Write the next part. Raises ShardTakenOver when another attempt has written it."""
        if not self.objects.create(self.keys.part(self.shard, self.parts + 1), part.to_bytes()):
            raise ShardTakenOver(f"Shard {self.shard} was taken over by another attempt.")
        self.parts += 1


def read_before(objects: Objects, keys: Keys, shard: int) -> Before:
    """What the parts of a shard say."""
    found = {keys.part_of_key(key)[1]: key for key in objects.keys(keys.parts_of(shard))}
    if not found:
        return Before()
    number = max(found)
    last = Part.from_bytes(objects.get(found[number]))
    earlier = (place for place in range(last.since, number))
    parts = {place: Part.from_bytes(objects.get(found[place])) for place in earlier}
    return Before.of({**parts, number: last})

"""One shard of a broadcast, sent and written down so that a failure at any moment loses nothing. Knows no AWS.

    lines of the shard ──▶ Feed ──▶ Sender ──▶ Recorder ──▶ parts in the bucket
                            ▲                     │
                            └─ may go on to here ─┘

Before a line is begun, a part that says so is in the bucket: `allowed` runs ahead of the sender by about two seconds of
its rate. So the next attempt knows which connections may have got the message without a result: they are sent to again
and counted. A part is written every second, by a thread of its own.

A part is written only where none is: of two attempts at one shard at the same time, the one that writes the next part
goes on, having read all before it; the other finds its place taken and begins nothing beyond what it was allowed, which
the first has counted. An attempt that begins reads on until it gets in, so the newest one takes over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from whatschat_ops.errors import Conflict, Unavailable
from whatschat_ops.sender.model import NextTargets, OnResults, Result, Snapshot, Target
from whatschat_ops.worker.objects import Keys, Part, RunSpec, shard_targets

PART_INTERVAL_S: Final = 1.0
AHEAD_S: Final = 2.0
LEAST_AHEAD: Final = 200
"""Lines that are allowed in advance, whatever the rate."""


class Objects(Protocol):
    """The bucket."""

    def get(self, key: str) -> bytes:
        """An object."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless there is one with other content; whether this content is there now."""
        ...

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        """All keys with this prefix that sort after `after`, sorted."""
        ...


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
        # the last part counts: a worker that ended in order takes back what it did not use
        allowed, last = part.allowed, keys.part_of_key(key)[1]
    return Before(frozenset(done), allowed, last)


class Feed:
    """Hands out the lines of a shard that have no result yet, as far as is allowed."""

    def __init__(self, targets: Iterator[Target], before: Before, want_more: Callable[[int], None]) -> None:
        """`want_more` is told the line that has been reached."""
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


class Recorder:
    """Writes parts: every second, and as soon as the sender comes near what it is allowed."""

    def __init__(
        self,
        put: Callable[[Part], None],
        attempt: str,
        *,
        ahead: int,
        counters: Callable[[], dict[str, float]],
        interval_s: float = PART_INTERVAL_S,
    ) -> None:
        self._put = put
        self._attempt = attempt
        self._ahead = ahead
        self._counters = counters
        self._interval_s = interval_s
        self._condition = threading.Condition()
        self._results: list[Result] = []
        self._reached = 0
        self._near = False
        self._closed = False
        self.allowed = 0
        self.recorded = 0
        self._unsure = 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def begin(self, in_doubt: int, allowed: int) -> None:
        """Write the first part, then go on in a thread. Raises what writing raises: nothing was sent yet."""
        self._write(allowed + self._ahead, in_doubt=in_doubt)
        self._thread.start()

    def add(self, results: Sequence[Result]) -> None:
        """`sender.model.OnResults`."""
        with self._condition:
            self._results.extend(results)

    def reached(self, line: int) -> None:
        """The sender has begun this many lines."""
        with self._condition:
            self._reached = line
            if line > self.allowed - self._ahead // 2 and not self._near:
                self._near = True
                self._condition.notify()

    def close(self, *, final: Callable[[int], bool]) -> None:
        """Write the last part. `final` is told how many results there are now. Raises what writing raised."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()
        if self.error is not None:
            raise self.error
        recorded = self.recorded + len(self._results)
        self._write(self._reached, final=final(recorded))

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._near or self._closed, timeout=self._interval_s)
                if self._closed:
                    return
                idle = not self._near and not self._results
            if idle:
                continue
            try:
                self._write(max(self.allowed, self._reached + self._ahead))
            except Exception as error:  # noqa: BLE001 - handed to the thread that closes
                self.error = error
                return

    def _write(self, allowed: int, *, in_doubt: int = 0, final: bool = False) -> None:
        with self._condition:
            results, self._results = self._results, []
        counters = self._counters()  # after the results: what was unsure about them is counted there
        unsure = int(counters["unsure"]) - self._unsure
        self._unsure += unsure
        self._put(Part(self._attempt, allowed, results, in_doubt + unsure, final, counters))
        with self._condition:
            self.recorded += len(results)
            self.allowed = allowed
            self._near = False


def send_shard(
    objects: Objects,
    keys: Keys,
    shard: int,
    connections: int,
    *,
    attempt: str,
    spec: RunSpec,
    make_sender: Callable[[RunSpec, bytes], Sending],
    near_the_end: Callable[[], bool],
) -> int:
    """Send to what is left of a shard; returns how much is left after it, 0 when it is finished.

    It stops early when `near_the_end` says so. Raises what the sender or the bucket raises, after writing what it has;
    Conflict when another attempt at the shard has begun.
    """
    before = read_before(objects, keys, shard)
    if len(before.done) >= connections:
        return 0
    content = objects.get(keys.shard(shard))
    sender = make_sender(spec, objects.get(keys.message))
    log = _Log(objects, keys, shard)
    recorder = Recorder(
        log.append,
        attempt,
        ahead=max(LEAST_AHEAD, int(spec.rate_per_s * AHEAD_S)),
        counters=lambda: counters_of(sender.snapshot()),
    )
    before = _begin(recorder, log, before, content, connections, near_the_end)
    if len(before.done) >= connections:
        return 0
    feed = Feed(shard_targets(content), before, recorder.reached)

    def next_targets(limit: int, /) -> Sequence[Target] | None:
        feed.allowed = recorder.allowed
        return feed(limit)

    def is_finished(recorded: int) -> bool:
        return len(before.done) + recorded >= connections

    try:
        sender.run(next_targets, recorder.add, lambda: recorder.error is not None or near_the_end())
    finally:
        recorder.close(final=is_finished)
    if recorder.recorded == 0:
        raise Unavailable(f"Shard {shard} made no progress: the sender ended without a result.")
    return connections - len(before.done) - recorder.recorded


@dataclass(slots=True)
class _Log:
    """The parts of a shard, in a row without gaps: whoever appends has read all that are there."""

    objects: Objects
    keys: Keys
    shard: int
    parts: int = 0

    def append(self, part: Part) -> None:
        """Write the next part. Raises Conflict when another attempt has written it."""
        if not self.objects.create(self.keys.part(self.shard, self.parts + 1), part.to_bytes()):
            raise Conflict(f"Shard {self.shard} was taken over by another attempt.")
        self.parts += 1


def _begin(
    recorder: Recorder,
    log: _Log,
    before: Before,
    content: bytes,
    connections: int,
    give_up: Callable[[], bool],
) -> Before:
    """Get in behind an earlier attempt that may still be writing; what there was before: all, if that one finished.

    Raises Conflict.
    """
    while len(before.done) < connections:
        log.parts = before.parts
        try:
            recorder.begin(_in_doubt(content, before), before.allowed)
            break
        except Conflict:
            if give_up():
                raise
            before = read_before(log.objects, log.keys, log.shard, before)
    return before


def _in_doubt(content: bytes, before: Before) -> int:
    """Lines that an earlier attempt was allowed to begin, without a result."""
    lines = zip(range(before.allowed), shard_targets(content), strict=False)
    return sum(target.number not in before.done for _, target in lines)


def counters_of(snapshot: Snapshot) -> dict[str, float]:
    """What a part says of its attempt as a whole."""
    return {
        "attempts": snapshot.attempts,
        "account_throttled": snapshot.account_throttled,
        "client_buffer_full": snapshot.client_buffer_full,
        "server_errors": snapshot.server_errors,
        "transport_errors": snapshot.transport_errors,
        "unsure": snapshot.unsure,
    }

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from whatschat_ops.errors import OpsError
from whatschat_ops.sender.model import NextTargets, OnResults, Snapshot, Target
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.feed import Before, Feed, read_before
from whatschat_ops.worker.objects import COUNTERS, Keys, Part, RunSpec, shard_targets
from whatschat_ops.worker.recorder import Recorder

AHEAD_S: Final = 2.0
LEAST_AHEAD: Final = 200
"""Lines that are allowed in advance, whatever the rate."""


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
    ShardTakenOver, and NoProgress.
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
    left = connections - len(before.done)
    if left > 0:
        left -= _send(
            sender, Feed(shard_targets(content), before, recorder.reached), recorder, left, near_the_end
        )
        if not recorder.recorded:
            raise NoProgress(f"Shard {shard} made no progress: the sender ended without a result.")
    return max(0, left)


def _send(
    sender: Sending, feed: Feed, recorder: Recorder, left: int, near_the_end: Callable[[], bool]
) -> int:
    """Send; how many results were written."""

    def next_targets(limit: int, /) -> Sequence[Target] | None:
        feed.allowed = recorder.allowed
        return feed(limit)

    try:
        sender.run(next_targets, recorder.add, lambda: recorder.error is not None or near_the_end())
    finally:
        recorder.close(final=lambda recorded: recorded >= left)
    return recorder.recorded


@dataclass(slots=True)
class _Log:
    """The parts of a shard, in a row without gaps: an attempt appends only after it has read all of them."""

    objects: Objects
    keys: Keys
    shard: int
    parts: int = 0

    def append(self, part: Part) -> None:
        """Write the next part. Raises ShardTakenOver when another attempt has written it."""
        if not self.objects.create(self.keys.part(self.shard, self.parts + 1), part.to_bytes()):
            raise ShardTakenOver(f"Shard {self.shard} was taken over by another attempt.")
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

    Raises ShardTakenOver.
    """
    while len(before.done) < connections:
        log.parts = before.parts
        try:
            recorder.begin(_in_doubt(content, before), before.allowed)
            break
        except ShardTakenOver:
            if give_up():
                raise
            before = read_before(log.objects, log.keys, log.shard, before)
    return before


def _in_doubt(content: bytes, before: Before) -> int:
    """Lines that an earlier attempt was allowed to begin, without a result."""
    lines = zip(range(before.allowed), shard_targets(content), strict=False)
    return sum(target.number not in before.done for _, target in lines)


def counters_of(snapshot: Snapshot) -> dict[str, int]:
    """What a part says of its attempt as a whole."""
    return {name: getattr(snapshot, name) for name in COUNTERS}

"""A shard's bucket in memory, and senders that only record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from whatschat_ops.errors import NotFound, PermissionDenied, Unavailable
from whatschat_ops.sender.model import NextTargets, OnResults, Outcome, Result, Snapshot, Target
from whatschat_ops.worker.objects import Keys, Part, RunSpec, shard_bytes
from whatschat_ops.worker.shard import send_shard

KEYS = Keys("20261123-101502-7f3a")
SPEC = RunSpec(
    rate_per_s=100.0, burst=50, tcp_connections=4, max_attempts=3, deadline_s=5.0, request_timeout_s=1.0
)
NOTHING = Snapshot()


@dataclass
class Bucket:
    """Objects in memory. `fail_puts_from`: which put, counted from 1, and those after it fail."""

    objects: dict[str, bytes] = field(default_factory=dict)
    fail_puts_from: int = 1_000_000
    puts: int = 0

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound(f"GetObject: {key} (NoSuchKey)")
        return self.objects[key]

    def put(self, key: str, content: bytes) -> None:
        self.puts += 1
        if self.puts >= self.fail_puts_from:
            raise Unavailable("the bucket is away")
        self.objects[key] = content

    def create(self, key: str, content: bytes) -> bool:
        if key not in self.objects:
            self.put(key, content)
        return self.objects[key] == content

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)

    def parts(self, shard: int = 1) -> list[Part]:
        return [Part.from_bytes(self.get(key)) for key in self.keys(KEYS.parts_of(shard))]


class Killed(BaseException):
    """The execution environment of a worker is gone."""


@dataclass
class FakeSender:
    """Delivers to every target, `batch` at a time; `die_after` so many it is killed, in the middle of a batch."""

    batch: int = 10
    die_after: int | None = None
    refuse: bool = False
    sent: list[Target] = field(default_factory=list)
    message: bytes = b""
    in_doubt: int = 0

    def run(
        self, next_targets: NextTargets, on_results: OnResults, should_stop: Callable[[], bool]
    ) -> Snapshot:
        if self.refuse:
            raise PermissionDenied("IAM does not allow execute-api:ManageConnections")
        while not should_stop():
            targets = next_targets(self.batch)
            if targets is None:
                break
            for target in targets:
                if self.die_after is not None and len(self.sent) >= self.die_after:
                    raise Killed
                self.sent.append(target)
            on_results([Result(target.number, Outcome.DELIVERED, "", 1, 0.01) for target in targets])
        return NOTHING

    def snapshot(self) -> Snapshot:
        return replace(NOTHING, in_doubt=self.in_doubt)


def bucket_with(connections: int, *, first: int = 1) -> Bucket:
    targets = [Target(first + at, f"c{first + at}=") for at in range(connections)]
    return Bucket({KEYS.shard(1): shard_bytes(targets), KEYS.message: b'{"type":"notice"}'})


def send(
    bucket: Bucket,
    sender: FakeSender,
    connections: int,
    *,
    attempt: str = "a",
    near_the_end: Callable[[], bool] = lambda: False,
) -> int:
    def make_sender(_spec: RunSpec, message: bytes) -> FakeSender:
        sender.message = message
        return sender

    return send_shard(
        bucket,
        KEYS,
        1,
        connections,
        attempt=attempt,
        spec=SPEC,
        make_sender=make_sender,
        near_the_end=near_the_end,
    )


def recorded(bucket: Bucket) -> list[int]:
    return [result.number for part in bucket.parts() for result in part.results]


@dataclass
class InterleavedSender(FakeSender):
    """Delivers like FakeSender; after each `every` batches something else happens."""

    every: int = 1
    meanwhile: Callable[[], None] = lambda: None
    batches: int = 0

    def run(
        self, next_targets: NextTargets, on_results: OnResults, should_stop: Callable[[], bool]
    ) -> Snapshot:
        def on_batch(results: Sequence[Result]) -> None:
            on_results(results)
            self.batches += 1
            if self.batches % self.every == 0:
                self.meanwhile()

        return super().run(next_targets, on_batch, should_stop)


def account(bucket: Bucket, connections: int, *senders: FakeSender) -> tuple[int, int]:
    """How many got the message more than once, and how many were in doubt; every target got it, and has one result."""
    got = [target.number for sender in senders for target in sender.sent]
    assert set(got) == set(range(1, connections + 1))
    assert sorted(recorded(bucket)) == list(range(1, connections + 1))
    assert [part.final for part in bucket.parts()].count(True) == 1
    return len(got) - len(set(got)), sum(part.in_doubt for part in bucket.parts())

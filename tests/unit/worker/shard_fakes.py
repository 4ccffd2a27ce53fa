"""A run's bucket and table in memory, and senders that only record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from whatschat_ops.errors import NotFound, PermissionDenied, Unavailable
from whatschat_ops.sender.model import NextTargets, OnResults, Outcome, Result, Snapshot, Target
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import Keys, RunSpec
from whatschat_ops.worker.parts import Part, Totals
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.recorder import Prune
from whatschat_ops.worker.rows import END, Page, Position, Row
from whatschat_ops.worker.shard import Work

KEYS = Keys("20261123-101502-7f3a")
SPEC = RunSpec(
    {"table_name": "connections", "selection": "{}"},
    tcp_connections=4,
    max_attempts=3,
    deadline_s=5.0,
    request_timeout_s=1.0,
    prune_rows=25,
)
CONTROL = Control(rate_per_s=100.0, burst=50, workers=1)
NOTHING = Snapshot()
LONG_S = 800.0


@dataclass
class Bucket:
    """Objects in memory. `fail_puts_from`: which put, counted from 1, and those after it fail. `cut_off`: its worker is killed."""

    objects: dict[str, bytes] = field(default_factory=dict)
    fail_puts_from: int = 1_000_000
    puts: int = 0
    cut_off: bool = False

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound(f"GetObject: {key} (NoSuchKey)")
        return self.objects[key]

    def put(self, key: str, content: bytes) -> None:
        self.puts += 1
        if self.cut_off or self.puts >= self.fail_puts_from:
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

    def done(self, shard: int = 1) -> Totals:
        return Totals.from_bytes(self.get(KEYS.done(shard)))


@dataclass
class FakeTable:
    """Rows in the order of their ids, in pages; a deleted row is not there for who reads later."""

    rows: list[Row]
    page_rows: int = 100

    def pages(self, position: Position) -> Iterator[Page]:
        while position != END:
            left = [row for row in self.rows if position is None or row.connection_id > position]
            page = left[: self.page_rows]
            position = END if len(left) <= self.page_rows else page[-1].connection_id
            yield Page(page, position)

    def prune(self, rows: Sequence[Row]) -> Sequence[Pruning]:
        self.rows = [row for row in self.rows if row not in rows]
        return [Pruning.PRUNED] * len(rows)


class Killed(Exception):
    """The execution environment of a worker is gone."""


KILLED = (Killed, Unavailable)
"""What a killed worker's last write raises hides the kill."""


@dataclass
class FakeSender:
    """Delivers to every target, `batch` at a time; `die_after` so many it is killed, in the middle of a batch. Ids that
    begin with `g` are gone, with `f` they fail."""

    batch: int = 10
    die_after: int | None = None
    refuse: bool = False
    sent: list[str] = field(default_factory=list)
    message: bytes = b""
    in_doubt: int = 0
    limits: list[float] = field(default_factory=list)
    bucket: Bucket | None = None

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
                    assert self.bucket is not None
                    self.bucket.cut_off = True
                    raise Killed
                self.sent.append(target.connection_id)
            if targets:
                on_results(list(map(self._result, targets)))
        return NOTHING

    def _result(self, target: Target) -> Result:
        outcome = {"g": Outcome.GONE, "f": Outcome.FAILED}.get(target.connection_id[0], Outcome.DELIVERED)
        reason = "HTTP 500" if outcome is Outcome.FAILED else ""
        return Result(target.number, outcome, reason, 1, 0.01)

    def snapshot(self) -> Snapshot:
        return replace(NOTHING, attempts=len(self.sent), in_doubt=self.in_doubt)

    def limit(self, rate_per_s: float) -> None:
        self.limits.append(rate_per_s)


def names(connections: int, kind: str = "c") -> list[str]:
    return [f"{kind}{number:06}=" for number in range(connections)]


def table_of(*ids: str) -> FakeTable:
    return FakeTable([Row(name, "user", '{"S":"then"}') for name in sorted(ids)])


def bucket_of_run(control: Control = CONTROL) -> Bucket:
    return Bucket({KEYS.control: control.to_bytes(), KEYS.message: b'{"type":"notice"}'})


def send(
    bucket: Bucket,
    sender: FakeSender,
    table: FakeTable,
    *,
    attempt: str = "a",
    left_s: Callable[[], float] = lambda: LONG_S,
    prune: Prune | None = None,
    shard: int = 1,
    spec: RunSpec = SPEC,
) -> bool:
    bucket.cut_off = False

    def make_sender(message: bytes, rate_per_s: float, _burst: int) -> FakeSender:
        sender.message, sender.bucket = message, bucket
        sender.limits.append(rate_per_s)
        return sender

    return Work(
        bucket,
        KEYS,
        spec,
        shard,
        attempt=attempt,
        pages=table.pages,
        keep=lambda _row: True,
        prune=prune or table.prune,
        make_sender=make_sender,
        left_s=left_s,
    ).send()


def recorded(bucket: Bucket) -> list[str]:
    return [ended.row.connection_id for part in bucket.parts() for ended in part.ended]


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


def account(bucket: Bucket, ids: Sequence[str], *senders: FakeSender) -> tuple[int, int]:
    """How many got the message more than once, and how many were in doubt; every connection got it, and has one outcome."""
    got = [name for sender in senders for name in sender.sent]
    assert set(got) == set(ids)
    assert sorted(recorded(bucket)) == sorted(ids)
    assert [part.final for part in bucket.parts()].count(True) == 1
    assert bucket.done().ended == len(ids)
    return len(got) - len(set(got)), bucket.done().in_doubt

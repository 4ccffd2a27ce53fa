"""What a worker writes of its shard: parts, which are only ever added, and totals when the shard is finished. Pure.

A part has two lines of JSON, compressed: what is needed to go on and to count, then the outcomes, one by one. So who follows a run
reads the first line of each shard's last part only.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

from whatschat_ops.measure.histogram import LARGEST_US, bucket_of
from whatschat_ops.sender.model import Outcome, Result, Snapshot
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import Position, Row

FORMAT: Final = 2
COUNTERS: Final = (
    "attempts",
    "account_throttled",
    "client_buffer_full",
    "server_errors",
    "transport_errors",
    "in_doubt",
)
"""What the totals count of each attempt, as `sender.model.Snapshot` names it."""
REASONS: Final = 20
EXAMPLES: Final = 3
OTHER_REASONS: Final = "other reasons"
_COMPRESSION: Final = 3
"""gzip's level: identifiers are random and hardly shrink further."""


class Ended(NamedTuple):
    """How it ended for one connection. `reason` is empty unless it failed."""

    row: Row
    outcome: Outcome
    reason: str
    attempts: int
    latency_us: int


@dataclass(slots=True)
class Totals:
    """What came of a shard in all its attempts. `latencies` counts by `measure.histogram.bucket_of`, of what was delivered or gone;
    `reasons` has the number of failures and some connections for each reason. `missing` users have no connection.
    """

    delivered: int = 0
    gone: int = 0
    failed: int = 0
    pruned: int = 0
    rewritten: int = 0
    prune_failed: int = 0
    not_pruned_because: str = ""
    attempts: int = 0
    account_throttled: int = 0
    client_buffer_full: int = 0
    server_errors: int = 0
    transport_errors: int = 0
    in_doubt: int = 0
    missing: int = 0
    missing_users: list[str] = field(default_factory=list)
    largest_us: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    reasons: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Connections with an outcome."""
        return self.delivered + self.gone + self.failed

    def add(self, ended: Ended) -> None:
        """Count one outcome."""
        if ended.outcome is Outcome.FAILED:
            self.failed += 1
            self._add_reason(ended.reason, 1, [ended.row.connection_id])
            return
        if ended.outcome is Outcome.GONE:
            self.gone += 1
        else:
            self.delivered += 1
        latency_us = min(LARGEST_US, max(0, ended.latency_us))
        bucket = bucket_of(latency_us)
        self.latencies[bucket] = self.latencies.get(bucket, 0) + 1
        self.largest_us = max(self.largest_us, latency_us)

    def add_pruned(self, became: Sequence[Pruning], why: str = "") -> None:
        """Count what became of rows of gone connections."""
        for each in became:
            setattr(self, each.value, getattr(self, each.value) + 1)
        self.not_pruned_because = why or self.not_pruned_because

    def add_counters(self, now: Snapshot, before: Mapping[str, int]) -> dict[str, int]:
        """Count what a sender has done since its counters were `before`; they are the result."""
        counters = {name: int(getattr(now, name)) for name in COUNTERS}
        for name, value in counters.items():
            setattr(self, name, getattr(self, name) + value - before.get(name, 0))
        return counters

    def add_missing(self, users: Sequence[str]) -> None:
        """Count users who have no connection; some are kept by name."""
        self.missing += len(users)
        self.missing_users += users[: max(0, EXAMPLES - len(self.missing_users))]

    def merge(self, other: Totals, *, failures: bool = True) -> None:
        """Add those of another shard; `failures`: also what failed."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.not_pruned_because = other.not_pruned_because or self.not_pruned_because
        self.largest_us = max(self.largest_us, other.largest_us)
        self.missing_users += other.missing_users[: max(0, EXAMPLES - len(self.missing_users))]
        for bucket, count in other.latencies.items():
            self.latencies[bucket] = self.latencies.get(bucket, 0) + count
        if failures:
            self.failed += other.failed
            for reason, (count, examples) in other.reasons.items():
                self._add_reason(reason, count, examples)

    def _add_reason(self, reason: str, count: int, examples: Sequence[str]) -> None:
        if reason not in self.reasons and len(self.reasons) >= REASONS:
            reason = OTHER_REASONS
        known, some = self.reasons.get(reason, (0, []))
        self.reasons[reason] = (known + count, [*some, *examples][:EXAMPLES])

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_document(cls, found: Mapping[str, Any]) -> Totals:
        """From JSON."""
        latencies = {int(bucket): count for bucket, count in found["latencies"].items()}
        reasons = {reason: (count, list(some)) for reason, (count, some) in found["reasons"].items()}
        return cls(**{**found, "latencies": latencies, "reasons": reasons})

    def to_bytes(self) -> bytes:
        """As an object of its own: the shard is finished."""
        return compressed(_json({"format": FORMAT, **self.to_document()}))

    @classmethod
    def from_bytes(cls, content: bytes) -> Totals:
        """From an object of its own."""
        found = json.loads(gzip.decompress(content))
        del found["format"]
        return cls.from_document(found)


_SUMMED: Final = ("delivered", "gone", *(each.value for each in Pruning), *COUNTERS, "missing")


@dataclass(frozen=True, slots=True)
class Part:
    """Where a shard stands, and its outcomes since the part before.

    `position`: the pages before it are whole: every row of them has an outcome. Outcomes of later pages are in this part and those from
    number `since` on. `begun`: how many rows without an outcome may have been begun by the time of the next part; they are
    in doubt when the worker dies. `pending`: rows that were read and have no outcome. `unpruned`: gone rows that are not counted as
    deleted or kept yet. `final`: nothing is left.
    """

    attempt: str
    position: Position = None
    since: int = 1
    begun: int = 0
    pending: int = 0
    final: bool = False
    totals: Totals = field(default_factory=Totals)
    unpruned: Sequence[Row] = ()
    ended: Sequence[Ended] = ()

    def to_bytes(self) -> bytes:
        """As compressed JSON."""
        head = {name: getattr(self, name) for name in _HEAD}
        head |= {"format": FORMAT, "totals": self.totals.to_document(), "unpruned": list(self.unpruned)}
        return compressed(_json(head) + b"\n" + _json([_ended_values(each) for each in self.ended]))

    @classmethod
    def from_bytes(cls, content: bytes, *, with_outcomes: bool = True) -> Part:
        """From compressed JSON; without the outcomes that costs the same whatever their number is."""
        first, _, second = gzip.decompress(content).partition(b"\n")
        head = json.loads(first)
        ended = [_ended(values) for values in json.loads(second)] if with_outcomes else []
        totals = Totals.from_document(head["totals"])
        unpruned = [Row(*values) for values in head["unpruned"]]
        known = {name: head[name] for name in _HEAD}
        return cls(**known, totals=totals, unpruned=unpruned, ended=ended)


_HEAD: Final = ("attempt", "position", "since", "begun", "pending", "final")


def ended_of(row: Row, result: Result) -> Ended:
    """The outcome of a row."""
    return Ended(row, result.outcome, result.reason, result.attempts, round(result.latency_s * 1_000_000))


def _ended_values(each: Ended) -> list[Any]:
    """Rows of what is delivered are of no use any more."""
    values = [each.row.connection_id, each.outcome.value, each.attempts, each.latency_us]
    if each.outcome is Outcome.DELIVERED:
        return values
    return [*values, each.row.user_id, each.row.connected_at, each.reason]


def _ended(values: Sequence[Any]) -> Ended:
    name, outcome, attempts, latency_us, *rest = values
    user_id, connected_at, reason = rest or ("", "", "")
    return Ended(Row(name, user_id, connected_at), Outcome(outcome), reason, attempts, latency_us)


def compressed(content: bytes) -> bytes:
    """The same bytes for the same content: no time in it."""
    return gzip.compress(content, _COMPRESSION, mtime=0)


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()

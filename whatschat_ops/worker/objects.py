"""The objects of one run in S3: their keys and contents. Pure; used by the command and by its workers.

    runs/RUN/run.json                  how to send (RunSpec)
    runs/RUN/message                   the bytes to send
    runs/RUN/control                   stop, and the rate of all workers together (control.Control)
    runs/RUN/lists/1.json              the shards of the first execution: [{"run", "shard", "connections"}, ...]
    runs/RUN/shards/00000001.gz        the connections of a shard: lines of [number, connection id], numbers ascending
    runs/RUN/parts/00000001/000001.gz  what came of it, written while it is sent (Part)

Parts are only ever added: reading all of them says what was done, at any moment and after any failure.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from whatschat_ops.sender.model import Outcome, Result, Target

FORMAT: Final = 1
COUNTERS: Final = (
    "attempts",
    "account_throttled",
    "client_buffer_full",
    "server_errors",
    "transport_errors",
    "in_doubt",
)
"""What a part counts of its attempt, as `sender.model.Snapshot` names it."""
_COMPRESSION: Final = 3
"""gzip's level: identifiers are random and hardly shrink further."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one run's objects."""

    run: str

    @property
    def root(self) -> str:
        """What all of them begin with."""
        return f"runs/{self.run}/"

    @property
    def spec(self) -> str:
        """How to send."""
        return f"{self.root}run.json"

    @property
    def control(self) -> str:
        """What the command tells workers that are at work (`control.Control`)."""
        return f"{self.root}control"

    @property
    def message(self) -> str:
        """What to send."""
        return f"{self.root}message"

    @property
    def parts(self) -> str:
        """What the keys of all parts begin with."""
        return f"{self.root}parts/"

    def shard_list(self, execution: int) -> str:
        """The shards of one execution, counted from 1."""
        return f"{self.root}lists/{execution}.json"

    def shard(self, number: int) -> str:
        """The connections of a shard."""
        return f"{self.root}shards/{number:08}.gz"

    def parts_of(self, shard: int) -> str:
        """What the keys of a shard's parts begin with."""
        return f"{self.parts}{shard:08}/"

    def part(self, shard: int, number: int) -> str:
        """One part of a shard, counted from 1."""
        return f"{self.parts_of(shard)}{number:06}.gz"

    def part_of_key(self, key: str) -> tuple[int, int]:
        """Shard and number of the part with this key."""
        shard, _, number = key.removeprefix(self.parts).removesuffix(".gz").partition("/")
        return int(shard), int(number)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """How each worker sends: its own share of the rate and burst, and the limits of `sender.model.SendPolicy`."""

    rate_per_s: float
    burst: int
    tcp_connections: int
    max_attempts: int
    deadline_s: float
    request_timeout_s: float
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> RunSpec:
        """From JSON. Raises ValueError when another version wrote it."""
        found = json.loads(content)
        if found.get("format") != FORMAT:
            raise ValueError(f"the run has format {found.get('format')}; this worker reads {FORMAT}")
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Part:
    """What came of a piece of a shard.

    `allowed`: how many lines of the shard, from its first, may have been begun by the time of the next part; those of
    them without a result are in doubt when their worker failed. `in_doubt`: how many were when this attempt began (its
    first part), and how many attempts without an answer were repeated since the part before.
    `final`: nothing is left of the shard. `counters` are the attempt's so far (attempts, throttled, ...).
    """

    attempt: str
    allowed: int
    results: Sequence[Result] = ()
    in_doubt: int = 0
    final: bool = False
    counters: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As compressed JSON."""
        document = {
            "format": FORMAT,
            "attempt": self.attempt,
            "allowed": self.allowed,
            "in_doubt": self.in_doubt,
            "final": self.final,
            "counters": dict(self.counters),
            "results": [
                [result.number, result.outcome.value, result.reason, result.attempts, _us(result.latency_s)]
                for result in self.results
            ],
        }
        return compressed(json.dumps(document, separators=(",", ":")).encode())

    @classmethod
    def from_bytes(cls, content: bytes) -> Part:
        """From compressed JSON."""
        found = json.loads(gzip.decompress(content))
        return cls(
            attempt=found["attempt"],
            allowed=found["allowed"],
            results=[
                Result(number, Outcome(outcome), reason, attempts, latency_us / 1_000_000)
                for number, outcome, reason, attempts, latency_us in found["results"]
            ],
            in_doubt=found["in_doubt"],
            final=found["final"],
            counters=found["counters"],
        )


def shard_bytes(targets: Iterable[Target]) -> bytes:
    """The connections of a shard as an object."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=_COMPRESSION, mtime=0) as file:
        for target in targets:
            file.write(json.dumps(list(target), separators=(",", ":")).encode() + b"\n")
    return buffer.getvalue()


def shard_targets(content: bytes) -> Iterator[Target]:
    """The connections of a shard, read as they are needed."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        for line in file:
            number, connection_id = json.loads(line)
            yield Target(number, connection_id)


def shard_item(run: str, shard: int, connections: int) -> dict[str, Any]:
    """The item of the Distributed Map: what the worker is invoked with."""
    return {"run": run, "shard": shard, "connections": connections}


def compressed(content: bytes) -> bytes:
    """The same bytes for the same content: no time in it."""
    return gzip.compress(content, _COMPRESSION, mtime=0)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)

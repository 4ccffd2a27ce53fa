"""What a distributed broadcast of any size comes to: time, requests, money, and the quotas it runs into. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Final, Literal, cast

from whatschat_ops.broadcast.distributed.planning import Sizes
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import RateCard, RateKey
from whatschat_ops.quotas import (
    API_REQUESTS,
    MAP_CHILDREN_PER_S,
    MAX_CONNECTION_S,
    MAX_FUNCTION_TIMEOUT_S,
    NEW_CONNECTIONS_PER_S,
    READ_UNIT_BYTES,
    RateLimit,
)
from whatschat_ops.worker.control import CONTROL_S
from whatschat_ops.worker.recorder import PART_INTERVAL_S

READING: Final = "Reading the table"
"""The line of the scan: `estimate` has the same."""
TRANSITIONS_OF_A_SHARD: Final = 4
"""Into Send, AllSent and Done, and out; two more each time that a worker hands on the rest of its shard."""
TRANSITIONS_OF_A_RUN: Final = 2
INVOCATION_S: Final = MAX_FUNCTION_TIMEOUT_S - 80
"""What a worker sends for, of the longest that Lambda lets it run."""
START_S: Final = 2.0
"""A worker's start and end: imports, its first page, its last part and deletions. An assumption. Others do not send its share of the rate meanwhile."""
OUTCOME_BYTES: Final = 18
"""Of a connection in a part, compressed; the command downloads all parts while it watches."""
POLL_S: Final = 1.0
"""How often the command looks at what was written (`engine.POLL_S`)."""

_KB: Final = 1024
_GB: Final = 1024**3
UNIT_BYTES: Final = 2 * READ_UNIT_BYTES
"""What one eventually consistent read unit reads."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a broadcast is to run. `row_bytes` is the size of a row of the connections table."""

    limit: RateLimit = API_REQUESTS
    workers: int = 10
    shard_connections: int = 25_000
    memory_mb: int = 1_024
    architecture: Literal["arm64", "x86_64"] = "arm64"
    size_bytes: int = 1_024
    row_bytes: float = 250


@dataclass(frozen=True, slots=True)
class Metered:
    """One thing that AWS meters: its price, what it is, how much of it."""

    rate: RateKey
    item: str
    quantity: int
    unit: str


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is billed, in US dollars. `cost` None: the card has no price of it."""

    item: str
    quantity: int
    unit: str
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class DistributedEstimate:
    """A broadcast that was not sent. `total` has the lines whose price the card has. `quotas`: those that it needs raised, in words.

    `duration_s` is what the rate allows, and beside that until the first workers are begun, and the starts of all of their rounds.
    """

    connections: int
    shards: int
    workers: int
    worker_rate_per_s: float
    duration_s: float
    rate_s: float
    dispatch_s: float
    starts_s: float
    lines: tuple[Line, ...]
    total: Decimal
    quotas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    connections: int
    shape: Shape

    @property
    def shards(self) -> int:
        return Sizes(self.shape.shard_connections, self.shape.workers).segments(self.connections)

    @property
    def workers(self) -> int:
        return min(self.shape.workers, self.shards)

    @property
    def rate_s(self) -> float:
        """The burst goes at once, the rest at the rate: the last worker has all of it, so no part of a round waits."""
        return max(0.0, (self.connections - self.shape.limit.burst) / self.shape.limit.rate_per_s)

    @property
    def dispatch_s(self) -> float:
        """Until as many children as workers are begun; the others are begun while these send."""
        return self.workers / MAP_CHILDREN_PER_S

    @property
    def starts_s(self) -> float:
        return ceil(self.shards / self.workers) * START_S

    @property
    def sending_s(self) -> float:
        return self.rate_s + self.dispatch_s + self.starts_s

    @property
    def shard_s(self) -> float:
        return self.connections / self.shards / (self.shape.limit.rate_per_s / self.workers)

    @property
    def invocations(self) -> int:
        return self.shards * max(1, ceil(self.shard_s / INVOCATION_S))

    @property
    def parts(self) -> int:
        """One before it begins, one at its end, one a second."""
        return 2 * self.invocations + ceil(self.sending_s / PART_INTERVAL_S) * self.workers

    @property
    def looks(self) -> int:
        """How often workers read the control object and list what is finished: as they begin, and while they send."""
        return self.invocations + ceil(self.sending_s / CONTROL_S) * self.workers


def distributed_estimate(connections: int, shape: Shape, card: RateCard) -> DistributedEstimate:
    """The arithmetic for this number of connections with the prices of `card`."""
    work = _Work(connections, shape)
    lines = tuple(line_of(each, shape.size_bytes, card) for each in metered(connections, shape))
    return DistributedEstimate(
        connections=connections,
        shards=work.shards,
        workers=work.workers,
        worker_rate_per_s=round(shape.limit.rate_per_s / work.workers, 1),
        duration_s=round(work.sending_s, 1),
        rate_s=round(work.rate_s, 1),
        dispatch_s=round(work.dispatch_s, 1),
        starts_s=work.starts_s,
        lines=lines,
        total=plain(sum((line.cost for line in lines if line.cost is not None), Decimal(0))),
        quotas=tuple(_quotas(work)) if connections else (),
    )


def metered(connections: int, shape: Shape) -> tuple[Metered, ...]:
    """What AWS meters for a broadcast to this number of connections."""
    return tuple(_metered(_Work(connections, shape))) if connections else ()


def line_of(each: Metered, size_bytes: int, card: RateCard) -> Line:
    """What it costs with the prices of `card`, without free tiers; messages have this size."""
    rate = card.rates.get(each.rate)
    if rate is None:
        return Line(each.item, each.quantity, each.unit, None)
    size_kb = Decimal(size_bytes) / _KB
    made = charge(Decimal(each.quantity), rate, size_kb=size_kb, free_tiers=FreeTiers.NONE)
    return Line(each.item, int(made.billed), each.unit, made.cost)


def _metered(work: _Work) -> Iterator[Metered]:
    shape = work.shape
    gb_s = ceil(work.sending_s * work.workers * shape.memory_mb / 1_024)
    duration = cast(RateKey, f"lambda_duration_{shape.architecture}")
    sent_gb = ceil(work.connections * (shape.size_bytes + OUTCOME_BYTES) / _GB)
    read_units = ceil(round(work.connections * shape.row_bytes / UNIT_BYTES, 3))
    transitions = TRANSITIONS_OF_A_RUN + work.shards * TRANSITIONS_OF_A_SHARD
    transitions += 2 * (work.invocations - work.shards)
    polls = ceil(work.sending_s / POLL_S)
    puts = 4 + work.parts + work.shards  # the run's four objects, then parts and totals
    lists = work.invocations + work.looks + 2 * polls
    reads = (
        2 * work.invocations + work.looks + work.parts + work.shards
    )  # by workers, then by the command: it merges
    yield Metered("websocket_messages", "Messages", work.connections, "message")
    yield Metered("data_transfer_out", "Data transfer", sent_gb, "GB")
    yield Metered("dynamodb_reads", READING, read_units, "request unit")
    yield Metered(duration, "Workers", gb_s, "GB-second")
    yield Metered("lambda_requests", "Invocations of workers", work.invocations, "request")
    yield Metered("step_functions_transitions", "State transitions", transitions, "transition")
    yield Metered("s3_writes", "S3 writes and listings", puts + lists, "request")
    yield Metered("s3_reads", "S3 reads", reads, "request")


def _quotas(work: _Work) -> Iterator[str]:
    """What an account must ask for to have so many connections, and to reach all of them while they last."""
    arriving = ceil(work.connections / MAX_CONNECTION_S)
    if arriving > NEW_CONNECTIONS_PER_S:
        yield (
            f"New connections per second (L-9ED1E49A): {arriving:,} instead of {NEW_CONNECTIONS_PER_S:,}. "
            "No connection lasts longer than 2 hours, so as many have to arrive."
        )
    if work.shape.limit.rate_per_s > API_REQUESTS.rate_per_s:
        yield (
            f"Account throttle (L-8A5B8E43): {work.shape.limit.rate_per_s:,.0f} requests per second instead of "
            f"{API_REQUESTS.rate_per_s:,.0f}."
        )
    if work.sending_s > MAX_CONNECTION_S:
        needed = ceil(work.connections / MAX_CONNECTION_S)
        yield (
            f"Account throttle (L-8A5B8E43): more than {needed:,} requests per second: at "
            f"{work.shape.limit.rate_per_s:,.0f} the broadcast takes longer than any connection lasts (2 hours)."
        )

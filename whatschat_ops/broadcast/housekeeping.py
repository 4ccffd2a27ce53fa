"""What a prune or a disconnect by workers would come to: the arithmetic of a distributed broadcast, without its messages. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from whatschat_ops.broadcast.distributed.arithmetic import Line, Shape, distributed_estimate
from whatschat_ops.config import Settings
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import RateCard
from whatschat_ops.quotas import RateLimit
from whatschat_ops.stack.concurrency import starved_functions

_OF_MESSAGES: Final = ("Messages", "Data transfer")
"""API Gateway bills messages and minutes (its price list); requests that ask about a connection or close it are neither."""


@dataclass(frozen=True, slots=True)
class HousekeepingEstimate:
    """A run that was not begun. `rows` as DynamoDB last counted them; `total` in US dollars, without the deletions: their number is not known.

    `quotas`: those that it needs raised, in words.
    """

    kind: str
    rows: int
    rate_per_s: float
    shards: int
    workers: int
    worker_rate_per_s: float
    duration_s: float
    cost: tuple[Line, ...]
    total: Decimal
    quotas: tuple[str, ...]


def estimate(
    kind: str,
    rows: int,
    limit: RateLimit,
    settings: Settings,
    card: RateCard,
    unreserved: int | None = None,
) -> HousekeepingEstimate:
    """For a table of so many rows. `unreserved`: functions that the account may run at once besides reservations; None: not known."""
    section = settings.broadcast.distributed
    shape = Shape(
        limit=limit,
        workers=section.workers,
        shard_connections=section.shard_connections,
        memory_mb=section.memory_mb,
        architecture=settings.lambda_.architecture,
        size_bytes=1,
    )
    found = distributed_estimate(rows, shape, card)
    lines = tuple(line for line in found.lines if line.item not in _OF_MESSAGES and line.quantity)
    starved = "" if unreserved is None else starved_functions(settings, unreserved)
    return HousekeepingEstimate(
        kind,
        rows,
        limit.rate_per_s,
        found.shards,
        found.workers,
        found.worker_rate_per_s,
        found.duration_s,
        lines,
        plain(sum((line.cost for line in lines if line.cost is not None), Decimal(0))),
        (*found.quotas, *((starved,) if starved else ())),
    )

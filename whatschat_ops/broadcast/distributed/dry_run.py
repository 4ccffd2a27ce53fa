"""What a broadcast would come to with the distributed engine: the estimate of any engine, and what the workers add. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from whatschat_ops.broadcast.distributed.arithmetic import Shape, distributed_estimate
from whatschat_ops.broadcast.estimate import BroadcastEstimate, CostLine, Distribution, total_of
from whatschat_ops.config import Settings
from whatschat_ops.pricing.rates import RateCard
from whatschat_ops.quotas import RateLimit
from whatschat_ops.stack.concurrency import starved_functions


def with_workers(
    found: BroadcastEstimate, settings: Settings, card: RateCard, unreserved: int | None = None
) -> BroadcastEstimate:
    """`found` with the time and money of shards, workers and the state machine. The guide has no prices for them.

    `unreserved`: how many functions of the account may run at once besides reservations; None: not known.
    """
    section = settings.broadcast.distributed
    shape = Shape(
        limit=RateLimit(found.rate_limit_per_s, found.burst_limit),
        workers=section.workers,
        shard_connections=section.shard_connections,
        memory_mb=section.memory_mb,
        architecture=settings.lambda_.architecture,
        size_bytes=found.size_bytes,
    )
    whole = distributed_estimate(found.connections, shape, card)
    words = "" if unreserved is None else starved_functions(settings, unreserved)
    starved = (words,) if words else ()
    known = {line.item for line in found.cost}
    added = tuple(
        CostLine(line.item, Decimal(line.quantity), line.unit, None, line.cost)
        for line in whole.lines
        if line.item not in known and line.quantity
    )
    return replace(
        found,
        duration_s=max(found.duration_s, whole.duration_s),
        cost=(*found.cost, *added),
        aws_total=total_of((*found.cost, *added)),
        distribution=Distribution(
            whole.shards, whole.workers, whole.worker_rate_per_s, (*whole.quotas, *starved)
        ),
    )

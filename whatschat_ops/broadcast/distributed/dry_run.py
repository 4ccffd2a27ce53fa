"""What a broadcast would come to with the distributed engine: the estimate of any engine, and what the workers change. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from whatschat_ops.broadcast.distributed.arithmetic import READING, UNIT_BYTES, Shape, distributed_estimate
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
    shape = _shape(found, settings)
    whole = distributed_estimate(found.connections, shape, card)
    words = "" if unreserved is None else starved_functions(settings, unreserved)
    guide = {line.item: line.guide for line in found.cost}
    cost = tuple(
        CostLine(line.item, Decimal(line.quantity), line.unit, guide.get(line.item), line.cost)
        for line in whole.lines
        if line.quantity
    )
    return replace(
        found,
        duration_s=whole.duration_s,
        cost=cost,
        aws_total=total_of(cost),
        distribution=Distribution(
            whole.shards,
            whole.workers,
            whole.worker_rate_per_s,
            whole.rate_s,
            whole.dispatch_s,
            whole.starts_s,
            (*whole.quotas, *((words,) if words else ())),
        ),
    )


def _shape(found: BroadcastEstimate, settings: Settings) -> Shape:
    """The arithmetic's, with rows as large as those that were read."""
    section = settings.broadcast.distributed
    read_units = sum(line.quantity for line in found.cost if line.item == READING)
    read = (
        {"row_bytes": float(read_units) * UNIT_BYTES / found.connections}
        if read_units and found.connections
        else {}
    )
    return Shape(
        limit=RateLimit(found.rate_limit_per_s, found.burst_limit),
        workers=section.workers,
        shard_connections=section.shard_connections,
        memory_mb=section.memory_mb,
        architecture=settings.lambda_.architecture,
        size_bytes=found.size_bytes,
        **read,
    )

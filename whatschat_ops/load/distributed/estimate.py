"""What a distributed load test would come to: workers, time, billed quantities, money, and what stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Final, cast

from whatschat_ops.broadcast.distributed.arithmetic import Line, Metered, line_of
from whatschat_ops.choices import Traffic
from whatschat_ops.config import Settings
from whatschat_ops.load.distributed.sharing import longest_s
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import RateCard, RateKey

MESSAGES_OF_ONE: Final = {Traffic.PING: 2.0, Traffic.MESSAGE: 3.0, Traffic.MIXED: 2.5}
"""Billed for one that is sent: itself, its answer or receipt, and its delivery to one socket."""


@dataclass(frozen=True, slots=True)
class LoadEstimate:
    """A load test that was not made. `total` has the lines whose price is known, without the application's own functions and table.

    `obstacles`: what is to be raised, in sentences.
    """

    workers: int
    sockets: int
    sockets_of_a_worker: int
    messages: int
    connect_rate_per_s: float
    duration_s: float
    lines: tuple[Line, ...]
    total: Decimal
    obstacles: tuple[str, ...]


def load_estimate(
    plan: LoadPlan, workers: int, card: RateCard, settings: Settings, obstacles: tuple[str, ...]
) -> LoadEstimate:
    """The arithmetic for a plan with the prices of `card`, without free tiers."""
    lines = tuple(line_of(each, plan.message_size_bytes, card) for each in _metered(plan, workers, settings))
    return LoadEstimate(
        workers=workers,
        sockets=plan.sockets,
        sockets_of_a_worker=ceil(plan.sockets / workers),
        messages=plan.messages,
        connect_rate_per_s=plan.connect_rate_per_s,
        duration_s=round(_usual_s(plan), 1),
        lines=lines,
        total=plain(sum((line.cost for line in lines if line.cost is not None), Decimal(0))),
        obstacles=obstacles,
    )


def _usual_s(plan: LoadPlan) -> float:
    return plan.sockets / plan.connect_rate_per_s + plan.duration_s + plan.drain_s


def _metered(plan: LoadPlan, workers: int, settings: Settings) -> Iterator[Metered]:
    messages = ceil(plan.messages * MESSAGES_OF_ONE[plan.traffic])
    minutes = ceil(plan.sockets * _usual_s(plan) / 60)
    gb_s = ceil(workers * longest_s(plan) * settings.broadcast.distributed.memory_mb / 1_024)
    duration = cast(RateKey, f"lambda_duration_{settings.lambda_.architecture}")
    yield Metered("websocket_messages", "Messages", messages, "message")
    yield Metered("websocket_connection_minutes", "Connection minutes", minutes, "connection minute")
    yield Metered(duration, "Workers, at most", gb_s, "GB-second")
    yield Metered("lambda_requests", "Invocations of workers", workers, "request")

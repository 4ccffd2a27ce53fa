"""What a distributed load test would come to: workers, time, billed quantities, money, and what stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Final, Literal, cast

from whatschat_ops.choices import Traffic
from whatschat_ops.load.distributed.sharing import longest_s
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import RateCard, RateKey

MESSAGES_OF_ONE: Final = {Traffic.PING: 2.0, Traffic.MESSAGE: 3.0, Traffic.MIXED: 2.5}
"""Billed for one that is sent: itself, its answer or receipt, and its delivery to one socket."""
_KB: Final = 1024


@dataclass(frozen=True, slots=True)
class LoadLine:
    """One thing that is billed, in US dollars. `cost` None: the card has no price of it."""

    item: str
    quantity: int
    unit: str
    cost: Decimal | None


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
    lines: tuple[LoadLine, ...]
    total: Decimal
    obstacles: tuple[str, ...]


def load_estimate(
    plan: LoadPlan,
    workers: int,
    card: RateCard,
    *,
    memory_mb: int,
    architecture: Literal["arm64", "x86_64"],
    obstacles: tuple[str, ...],
) -> LoadEstimate:
    """The arithmetic for a plan with the prices of `card`, without free tiers."""
    lines = tuple(_lines(plan, workers, card, memory_mb, architecture))
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


def concurrency_obstacle(plan: LoadPlan, workers: int, unreserved: int, little: int) -> tuple[str, ...]:
    """What the workers leave too little for. `unreserved`: of the account's concurrent executions; `little` are few for an API."""
    left = unreserved - workers
    if left >= little:
        return ()
    return (
        f"{workers:,} workers leave {max(0, left):,} of the {unreserved:,} executions at once (L-B99A9384) to $connect and default, "
        f"which have to take {plan.connect_rate_per_s:g} connections and {plan.sockets / plan.interval_s:,.0f} messages per second.",
    )


def _usual_s(plan: LoadPlan) -> float:
    return plan.sockets / plan.connect_rate_per_s + plan.duration_s + plan.drain_s


def _lines(
    plan: LoadPlan, workers: int, card: RateCard, memory_mb: int, architecture: str
) -> Iterator[LoadLine]:
    messages = ceil(plan.messages * MESSAGES_OF_ONE[plan.traffic])
    minutes = ceil(plan.sockets * _usual_s(plan) / 60)
    gb_s = ceil(workers * longest_s(plan) * memory_mb / 1024)
    duration = cast(RateKey, f"lambda_duration_{architecture}")
    for rate, item, quantity, unit in (
        ("websocket_messages", "Messages", messages, "message"),
        ("websocket_connection_minutes", "Connection minutes", minutes, "connection minute"),
        (duration, "Workers, at most", gb_s, "GB-second"),
        ("lambda_requests", "Invocations of workers", workers, "request"),
    ):
        found = card.rates.get(cast(RateKey, rate))
        if found is None:
            yield LoadLine(item, quantity, unit, None)
            continue
        size_kb = Decimal(plan.message_size_bytes) / _KB
        made = charge(Decimal(quantity), found, size_kb=size_kb, free_tiers=FreeTiers.NONE)
        yield LoadLine(item, int(made.billed), unit, made.cost)

"""What a broadcast would take: how many messages, how long, how much. Arithmetic on what was counted; sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from whatschat_ops.broadcast.audience.targets import Page
from whatschat_ops.broadcast.message import Message
from whatschat_ops.pricing.amounts import Usd, plain
from whatschat_ops.pricing.pricing import Charge, FreeTiers, charge
from whatschat_ops.pricing.rates import Rate, RateCard, RateKey
from whatschat_ops.quotas import RateLimit

MOST_USERS = 2_000_000
"""Beyond this number, users are not counted one by one: it would take hundreds of MB."""

_KB = 1024
_GB = 1024**3


@dataclass(frozen=True, slots=True)
class Audience:
    """What would be sent to. `users` is None when there are more than two million."""

    connections: int
    users: int | None


@dataclass(frozen=True, slots=True)
class CostLine:
    """One thing that is billed, in US dollars. `guide` and `aws` are None where the card has no price of it."""

    item: str
    quantity: Decimal
    unit: str
    guide: Usd | None
    aws: Usd | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the distributed engine would divide a broadcast, and its time: of sending at the rate, until all workers are begun, of starting
    them for each of their shards. `quotas`: those that it needs raised, in words.
    """

    shards: int
    workers: int
    worker_rate_per_s: float
    rate_s: float
    dispatch_s: float
    starts_s: float
    quotas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BroadcastEstimate:
    """A broadcast that was not sent. `duration_s` is the least that the rate allows; costs are without free tiers.

    `aws_total` has the lines whose price is known in `price_region`.
    """

    selection: str
    connections: int
    users: int | None
    size_bytes: int
    metered_messages: int
    message_id: str
    rate_limit_per_s: float
    burst_limit: int
    duration_s: float
    cost: tuple[CostLine, ...]
    guide_total: Usd
    aws_total: Usd
    price_region: str
    distribution: Distribution | None = None


def audience(pages: Iterable[Page]) -> Audience:
    """Count connections and users, holding a number (about 80 bytes) for each user."""
    connections, users, too_many = 0, set[int](), False
    for page in pages:
        connections += len(page.rows)
        if not too_many:
            users.update(hash(row.user_id) for row in page.rows if row.user_id)
            too_many = len(users) > MOST_USERS
    return Audience(connections, None if too_many else len(users))


def duration_s(connections: int, limit: RateLimit) -> float:
    """The time that the rate allows at best: the burst goes at once, the rest at the rate."""
    return max(0.0, (connections - limit.burst) / limit.rate_per_s)


def estimate(
    to: Audience,
    message: Message,
    limit: RateLimit,
    *,
    selection: str,
    read_units: float,
    guide: RateCard,
    aws: RateCard,
) -> BroadcastEstimate:
    """Put the parts together. `read_units` is what finding the connections has consumed, and would again."""
    cost = tuple(_cost(to.connections, message.size_bytes, read_units, guide, aws))
    return BroadcastEstimate(
        selection=selection,
        connections=to.connections,
        users=to.users,
        size_bytes=message.size_bytes,
        metered_messages=to.connections * message.metered,
        message_id=message.message_id,
        rate_limit_per_s=limit.rate_per_s,
        burst_limit=limit.burst,
        duration_s=round(duration_s(to.connections, limit), 3),
        cost=cost,
        guide_total=plain(sum((line.guide for line in cost if line.guide is not None), Decimal(0))),
        aws_total=total_of(cost),
        price_region=aws.region,
    )


def total_of(lines: Iterable[CostLine]) -> Decimal:
    """What the lines come to whose price AWS's card has."""
    return plain(sum((line.aws for line in lines if line.aws is not None), Decimal(0)))


def _cost(
    connections: int, size_bytes: int, read_units: float, guide: RateCard, aws: RateCard
) -> Iterator[CostLine]:
    size_kb = Decimal(size_bytes) / _KB
    sent_gb = Decimal(connections * size_bytes) / _GB
    lines: tuple[tuple[RateKey, str, str, Decimal], ...] = (
        ("websocket_messages", "Messages", "message", Decimal(connections)),
        ("data_transfer_out", "Data transfer", "GB", sent_gb),
        ("dynamodb_reads", "Reading the table", "request unit", Decimal(str(read_units))),
    )
    for key, item, unit, quantity in lines:
        if quantity:
            on_guide, on_aws = (_charge(quantity, card.rates.get(key), size_kb) for card in (guide, aws))
            billed = on_aws.billed if on_aws else quantity
            yield CostLine(
                item, billed, unit, on_guide.cost if on_guide else None, on_aws.cost if on_aws else None
            )


def _charge(quantity: Decimal, rate: Rate | None, size_kb: Decimal) -> Charge | None:
    return charge(quantity, rate, size_kb=size_kb, free_tiers=FreeTiers.NONE) if rate else None

"""What the suite sends, declared; what that costs at most, priced by `whatschat_ops.cost` on AWS's card without free tiers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import ROUND_UP, Decimal
from typing import Final

from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.cost.usage import load_usage
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import known_card

MOST_USD: Final = Decimal("0.50")
"""The suite does not start if it could cost more."""
OTHER_REQUEST_USD: Final = Decimal("0.00001")
"""For each request to a service that has no price on the card (SQS, SNS, S3, EventBridge, Step Functions): twice S3's PUT,
the dearest of them (aws.amazon.com/s3/pricing, us-east-1). Requests to control planes are free."""
MONTH_HOURS: Final = 730
HOURLY: Final = Decimal("0.0001")


@dataclass(frozen=True)
class Load:
    """What one part sends or creates, at most."""

    requests: int = 0
    """To AWS's APIs, of every kind."""
    messages: int = 0
    """Over WebSockets, both directions, of 32 KB at most 4 in each."""
    connection_minutes: int = 0
    invocations: int = 0
    gb_seconds: int = 0
    """Beside 0.2 of each invocation."""
    writes: int = 0
    reads: int = 0
    log_kb: int = 0
    attendee_minutes: int = 0
    alarm_hours: int = 0

    def __add__(self, other: Load) -> Load:
        return Load(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def total(loads: Iterable[Load]) -> Load:
    """Their sum."""
    return sum(loads, Load())


def most_usd(load: Load, region: str) -> Decimal:
    """The bill of a load, in US dollars, rounded up by every assumption."""
    flags = {
        "websocket.messages": load.messages * 4,
        "websocket.inbound_messages": 0,
        "websocket.message_size_kb": 32,
        "websocket.connection_minutes": load.connection_minutes,
        "websocket.connections": 0,
        "chime.audio_attendee_minutes": load.attendee_minutes,
        "chime.video_attendee_minutes": 0,
        "lambda.requests": load.invocations,
        "lambda.x86_64_gb_seconds": load.gb_seconds + load.invocations // 5 + 1,
        "dynamodb.write_request_units": load.writes,
        "dynamodb.read_request_units": load.reads,
        "dynamodb.storage_gb": 0,
        "logs.ingested_gb": Decimal(load.log_kb) / 1_000_000,
        "logs.access_gb": Decimal(load.log_kb) / 1_000_000,
        "logs.stored_gb": Decimal(load.log_kb) / 1_000_000,
        "cloudwatch.alarms": (Decimal(load.alarm_hours) / MONTH_HOURS).quantize(HOURLY, ROUND_UP),
        "data_transfer.out_gb": Decimal(load.messages) * 128 / 1_000_000,
    }
    usage = load_usage(None, {key: (key, amount) for key, amount in flags.items()})
    facts = StackFacts(region, memory_mb=256, architecture="x86_64", log_retention_days=14)
    bill = estimate(usage, facts, [known_card(region)], free_tiers=FreeTiers.NONE)
    (priced,) = bill.totals.values()
    return (priced.cost or Decimal(0)) + load.requests * OTHER_REQUEST_USD

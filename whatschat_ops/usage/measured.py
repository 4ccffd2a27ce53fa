"""What one source says was used in a time: quantities with their bounds, and what of the source could not be counted. Pure.

    Bounded.exactly(5) + Bounded(1, 4)              == Bounded(6, 9)
    to_usage(measured, "low").websocket.messages    the units of 32 KB that there were at least

Quantities have the names of prices (`pricing.rates.RateKey`) in the units that AWS bills; the `Count` names are what sources
are compared by and nothing is billed for. A name that is missing, or None, was not measured, which is not 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Final, Literal, get_args

from whatschat_ops.cost.usage import Usage
from whatschat_ops.pricing.amounts import PRECISION, Amount, plain
from whatschat_ops.pricing.rates import RateKey
from whatschat_ops.quotas import MAX_MESSAGE_BYTES, METERED_MESSAGE_BYTES
from whatschat_ops.redaction import redact

Source = Literal["cloudwatch", "logs", "calls", "ledger", "bill"]
Bound = Literal["low", "high"]
Count = Literal[
    "messages",
    "inbound_messages",
    "outbound_messages",
    "inbound_bytes",
    "outbound_bytes",
    "connections",
    "meetings",
    "attendances",
]
"""Messages are counted once whatever their size; `websocket_messages` are units of 32 KB."""
Name = RateKey | Count
COUNTS: Final[tuple[Count, ...]] = get_args(Count)

BYTES_PER_GB: Final = Decimal(1024**3)
MOST_UNITS: Final = MAX_MESSAGE_BYTES // METERED_MESSAGE_BYTES
"""Of one message: 128 KB in units of 32 KB."""
MOST_SAMPLES: Final = 3
LONGEST_SAMPLE: Final = 160
_SMALLEST: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Bounded:
    """An amount that is at least `low` and at most `high`; both are the same where it was counted."""

    low: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        """Raises ValueError for bounds that are not a range of amounts."""
        if not 0 <= self.low <= self.high:
            raise ValueError(f"{self.low} to {self.high} is not a range of amounts")

    @classmethod
    def exactly(cls, amount: Decimal | int) -> Bounded:
        """An amount that was counted."""
        return cls(Decimal(amount), Decimal(amount))

    @property
    def is_exact(self) -> bool:
        """Whether it was counted."""
        return self.low == self.high

    def __add__(self, other: Bounded) -> Bounded:
        return Bounded(plain(self.low + other.low), plain(self.high + other.high))


def units(messages: Decimal | int) -> Bounded:
    """The units of 32 KB of that many messages whose sizes are not known."""
    return Bounded(Decimal(messages), Decimal(messages) * MOST_UNITS)


def message_units(size_bytes: int) -> int:
    """The units of 32 KB that a message is billed as: at least one."""
    return max(1, -(-size_bytes // METERED_MESSAGE_BYTES))


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows of a source that have something in common: why, how many, and a few of them without secrets."""

    reason: str
    count: int
    samples: tuple[str, ...] = ()


class Findings:
    """Counts rows by reason and keeps the first few of each. `counter` may be shared by many files."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._samples: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def total(self) -> int:
        """How many rows there were, whatever the reason."""
        return self._counts.total()

    def add(self, reason: str, *samples: str, count: int = 1) -> None:
        """`count` more rows, of which `samples` are some."""
        if not count:
            return
        self._counts[reason] += count
        kept = self._samples[reason]
        kept += [redact(sample)[:LONGEST_SAMPLE] for sample in samples[: MOST_SAMPLES - len(kept)]]

    def take(self, reason: str) -> int:
        """How many rows of that reason there were; they are not among the others any more."""
        self._samples.pop(reason, None)
        return self._counts.pop(reason, 0)

    @property
    def found(self) -> tuple[Finding, ...]:
        """Most frequent first."""
        return tuple(
            Finding(reason, count, tuple(self._samples[reason]))
            for reason, count in self._counts.most_common()
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What one source says of the time from `since` until before `until` (UTC).

    `rejects` are rows that are in no quantity; `handled` are rows that are, as the reason says (a duplicate counts once, an
    attendance without an end until the meeting ended). `origin` is where it was read: a path, a stack.
    """

    source: Source
    origin: str
    since: datetime
    until: datetime
    quantities: Mapping[Name, Bounded | None]
    rejects: tuple[Finding, ...] = ()
    handled: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    rows: int | None = None
    """That were read, rejected ones among them; None where the source has no rows."""
    refused: tuple[str, ...] = ()
    """The operations that IAM does not allow: what they would tell was not measured."""

    def get(self, name: Name) -> Bounded | None:
        """The quantity; None if it was not measured."""
        return self.quantities.get(name)


_KEYS: Final[Mapping[RateKey, str]] = {
    "websocket_messages": "websocket.messages",
    "websocket_connection_minutes": "websocket.connection_minutes",
    "chime_audio": "chime.audio_attendee_minutes",
    "chime_video": "chime.video_attendee_minutes",
    "lambda_requests": "lambda_.requests",
    "lambda_duration_arm64": "lambda_.arm64_gb_seconds",
    "lambda_duration_x86_64": "lambda_.x86_64_gb_seconds",
    "dynamodb_writes": "dynamodb.write_request_units",
    "dynamodb_reads": "dynamodb.read_request_units",
    "dynamodb_storage": "dynamodb.storage_gb",
    "dynamodb_backup": "dynamodb.backup_gb",
    "dynamodb_restore": "dynamodb.restored_gb",
    "dynamodb_streams": "dynamodb.stream_reads",
    "logs_ingested_lambda": "logs.ingested_gb",
    "logs_ingested": "logs.access_gb",
    "logs_stored": "logs.stored_gb",
    "logs_scanned": "logs.scanned_gb",
    "logs_live_tail": "logs.live_tail_minutes",
    "metrics": "cloudwatch.metrics",
    "metrics_requested": "cloudwatch.metrics_requested",
    "alarms": "cloudwatch.alarms",
    "alarms_high_resolution": "cloudwatch.high_resolution_alarms",
    "alarms_composite": "cloudwatch.composite_alarms",
    "dashboards": "cloudwatch.dashboards",
    "notifications_email": "cloudwatch.emails",
    "data_transfer_out": "data_transfer.out_gb",
}
"""Price -> where `Usage` has the quantity, of what a source can measure."""
MEASURABLE: Final[tuple[RateKey, ...]] = tuple(_KEYS)


def to_usage(measured: Measured, bound: Bound) -> Usage:
    """The quantities as the usage that `cost.estimate` prices, with `is_measured`, at one of their bounds."""
    sections: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, key in _KEYS.items():
        amount = measured.get(name)
        if amount is not None:
            section, _, item = key.partition(".")
            sections[section][item] = Amount(amount.low if bound == "low" else amount.high)
    if "messages" in sections["websocket"]:  # each of its units is a message of one unit
        sections["websocket"]["message_size_kb"] = Amount(METERED_MESSAGE_BYTES // 1024)
    empty = Usage()
    return Usage(
        **{name: type(getattr(empty, name))(**values) for name, values in sections.items() if values}
    )


def total(parts: Iterable[Bounded | None]) -> Bounded | None:
    """The sum of those that were measured; None if none was."""
    known = [part for part in parts if part is not None]
    return sum(known[1:], known[0]) if known else None


def gigabytes(size_bytes: Decimal | int) -> Decimal:
    """Of 2^30 bytes, exactly: the quotient is a finite decimal."""
    with localcontext(prec=PRECISION):
        return plain(Decimal(size_bytes) / BYTES_PER_GB)


def months(since: datetime, until: datetime) -> Decimal:
    """How much of calendar months (UTC) the time is: what is billed by the month is billed by its hours.

    months(2026-02-01, 2026-03-01) == 1; months(2026-02-01, 2026-02-08) == 0.25
    """
    share, tick = Decimal(0), timedelta(microseconds=1)
    while since < until:
        first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        part, whole = min(until, following) - since, following - first
        share += Decimal(part // tick) / Decimal(whole // tick)
        since = following
    return plain(share.quantize(_SMALLEST))

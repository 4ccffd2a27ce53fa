"""A month's usage, from flags and a usage file; flags win. What is not given is unknown, not zero.

Input: dotted key -> value with origin. Output: a validated `Usage`. Units are in the key names.
"""

# No `from __future__ import annotations` here: msgspec would evaluate every annotation of a section from its text, at every start.

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.config.section import Section, validate
from whatschat_ops.config.yaml_file import read_yaml
from whatschat_ops.errors import Hint
from whatschat_ops.pricing.amounts import Amount
from whatschat_ops.quotas import (
    MAX_FUNCTION_MEMORY_MB,
    MAX_FUNCTION_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    MIN_FUNCTION_MEMORY_MB,
)


class SizeGb(Amount):
    """Of stored or sent data in a month."""

    unit = "GB"


class Minutes(Amount):
    """Summed over all who are connected."""

    unit = "minutes"


class SizeKb(Amount):
    """Of a message."""

    unit = "KB"
    most = MAX_MESSAGE_BYTES // 1024


class HoursADay(Amount):
    """Of 24."""

    unit = "hours"
    most = 24


class DaysAMonth(Amount):
    """Of 31."""

    unit = "days"
    most = 31


class DurationMs(Amount):
    """Of one invocation."""

    unit = "ms"
    most = MAX_FUNCTION_TIMEOUT_S * 1000


class MemoryMb(Amount):
    """Of one function, as Lambda allows it."""

    unit = "MB"
    least = MIN_FUNCTION_MEMORY_MB
    most = MAX_FUNCTION_MEMORY_MB


class WebSocketUsage(Section, frozen=True):
    """The WebSocket API."""

    messages: Annotated[
        Amount | None,
        Meta(
            description="Messages a month in both directions, as AWS meters them (and the metric MessageCount counts them)."
        ),
    ] = None
    inbound_messages: Annotated[
        Amount | None, Meta(description="Messages that clients send; each invokes a function.")
    ] = None
    message_size_kb: Annotated[
        SizeKb | None,
        Meta(
            description=f"Size of a message in KB; API Gateway accepts at most {MAX_MESSAGE_BYTES // 1024} KB."
        ),
    ] = None
    connection_minutes: Annotated[
        Minutes | None, Meta(description="Minutes a month, summed over all connections.")
    ] = None
    connections: Annotated[Amount | None, Meta(description="Connections opened a month.")] = None
    users: Annotated[
        Amount | None, Meta(description="Users; with hours_per_day instead of connection_minutes.")
    ] = None
    hours_per_day: Annotated[
        HoursADay | None, Meta(description="Hours a day that each user is connected.")
    ] = None
    days: Annotated[DaysAMonth | None, Meta(description="Days of the month; 30 if not given.")] = None

    def __post_init__(self) -> None:
        """Raises ValueError for amounts that contradict each other."""
        by_users = [name for name in ("users", "hours_per_day", "days") if getattr(self, name) is not None]
        if self.connection_minutes is not None and by_users:
            raise ValueError(
                f"give either connection_minutes or users and hours_per_day, not both ({by_users[0]})"
            )
        if by_users and (self.users is None or self.hours_per_day is None):
            missing = "users" if self.users is None else "hours_per_day"
            raise ValueError(f"{by_users[0]} needs {missing}, which is missing")
        if self.inbound_messages is not None and (
            self.messages is None or self.inbound_messages > self.messages
        ):
            raise ValueError("inbound_messages are part of messages and cannot be more")


class ChimeUsage(Section, frozen=True):
    """Chime SDK meetings. An attendee-minute is one person connected for one minute."""

    audio_attendee_minutes: Annotated[Minutes | None, Meta(description="Attendee-minutes without video.")] = (
        None
    )
    video_attendee_minutes: Annotated[Minutes | None, Meta(description="Attendee-minutes with video.")] = None


class LambdaUsage(Section, frozen=True):
    """The three functions behind the API."""

    requests: Annotated[Amount | None, Meta(description="Invocations a month.")] = None
    duration_ms: Annotated[
        DurationMs | None, Meta(description="Billed milliseconds of one invocation, on average.")
    ] = None
    memory_mb: Annotated[
        MemoryMb | None,
        Meta(description="Memory of a function; the environment's lambda.memory_mb if not given."),
    ] = None
    architecture: Annotated[
        Literal["arm64", "x86_64"] | None,
        Meta(description="Processor; the environment's lambda.architecture if not given."),
    ] = None


class DynamoDbUsage(Section, frozen=True):
    """The connections table, on demand."""

    write_request_units: Annotated[Amount | None, Meta(description="1 KB written each.")] = None
    read_request_units: Annotated[Amount | None, Meta(description="4 KB read consistently each.")] = None
    storage_gb: Annotated[SizeGb | None, Meta(description="Average size of table and index.")] = None


class LogsUsage(Section, frozen=True):
    """CloudWatch Logs."""

    ingested_gb: Annotated[SizeGb | None, Meta(description="Log data that the functions write a month.")] = (
        None
    )
    access_gb: Annotated[SizeGb | None, Meta(description="Access logs that the stage writes a month.")] = None
    scanned_gb: Annotated[SizeGb | None, Meta(description="Log data that Logs Insights scans a month.")] = (
        None
    )
    stored_gb: Annotated[SizeGb | None, Meta(description="Log data kept, on average.")] = None


class DataTransferUsage(Section, frozen=True):
    """Traffic to the internet."""

    out_gb: Annotated[SizeGb | None, Meta(description="GB a month; traffic from the internet is free.")] = (
        None
    )


class Usage(Section, frozen=True):
    """One month's usage."""

    websocket: WebSocketUsage = WebSocketUsage()
    chime: ChimeUsage = ChimeUsage()
    lambda_: LambdaUsage = field(default=LambdaUsage(), name="lambda")
    dynamodb: DynamoDbUsage = DynamoDbUsage()
    logs: LogsUsage = LogsUsage()
    data_transfer: DataTransferUsage = DataTransferUsage()


def load_usage(path: Path | None, flags: Mapping[str, tuple[str, Any]]) -> Usage:
    """Usage from a file and flags; `flags` maps a dotted key to (flag as typed, value) and wins.

    Raises ConfigError that names the line or the flag of every problem.
    """
    values = read_yaml(path, flag="--usage") if path is not None else {}
    for key, (flag, value) in flags.items():
        values[key] = Located(value, Origin(f"flag {flag}"))
    return validate(Usage, values, hint=Hint(("cost", "estimate", "--help")))

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
from whatschat_ops.cost.units import (
    DaysAMonth,
    DurationMs,
    HoursADay,
    MemoryMb,
    Minutes,
    Percent,
    SizeGb,
    SizeKb,
    TmpMb,
)
from whatschat_ops.errors import Hint
from whatschat_ops.pricing.amounts import Amount
from whatschat_ops.quotas import CHIME_ATTENDEES, MAX_MESSAGE_BYTES


class SizeClass(Section, frozen=True):
    """A share of the messages that has one size."""

    kb: SizeKb
    percent: Percent


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
    message_sizes: Annotated[
        tuple[SizeClass, ...],
        Meta(description="Sizes of messages with their shares in percent, instead of message_size_kb."),
    ] = ()
    messages_per_day: Annotated[
        Amount | None,
        Meta(description="Messages a day of each user, both directions; with users, instead of messages."),
    ] = None
    fan_out: Annotated[
        Amount | None,
        Meta(description="Messages to clients for each message from a client; 2 if not given."),
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
        self._check_users()
        self._check_messages()
        if self.message_sizes and self.message_size_kb is not None:
            raise ValueError("give either message_size_kb or message_sizes, not both")
        if self.message_sizes and sum(each.percent for each in self.message_sizes) != 100:
            raise ValueError("the percentages of message_sizes must add up to 100")

    def _check_users(self) -> None:
        hours = [name for name in ("hours_per_day", "days") if getattr(self, name) is not None]
        if self.connection_minutes is not None and self.hours_per_day is not None:
            raise ValueError(
                "give either connection_minutes or users and hours_per_day, not both (hours_per_day)"
            )
        if hours and self.users is None:
            raise ValueError(f"{hours[0]} needs users, which is missing")
        if self.messages_per_day is not None and self.users is None:
            raise ValueError("messages_per_day needs users, which is missing")

    def _check_messages(self) -> None:
        if self.messages is not None and self.messages_per_day is not None:
            raise ValueError("give either messages or messages_per_day, not both")
        if self.inbound_messages is not None and self.fan_out is not None:
            raise ValueError("give either inbound_messages or fan_out, not both")
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
    meetings: Annotated[Amount | None, Meta(description="Meetings a month.")] = None
    attendees: Annotated[Amount | None, Meta(description="Attendees of a meeting, on average.")] = None
    minutes: Annotated[Minutes | None, Meta(description="Minutes that a meeting lasts, on average.")] = None
    video_percent: Annotated[
        Percent | None, Meta(description="Attendee-minutes with video, of all; 0 if not given.")
    ] = None

    def __post_init__(self) -> None:
        """Raises ValueError for amounts that contradict each other."""
        shape = {"attendees": self.attendees, "minutes": self.minutes}
        given = [name for name, amount in shape.items() if amount is not None]
        if given and (self.meetings is None or len(given) < len(shape)):
            raise ValueError("meetings, attendees and minutes need each other")
        if given and (self.audio_attendee_minutes, self.video_attendee_minutes) != (None, None):
            raise ValueError("give either attendee-minutes or attendees and minutes of meetings, not both")
        if self.video_percent is not None and not given:
            raise ValueError("video_percent needs meetings, attendees and minutes")
        if self.attendees is not None and self.attendees > CHIME_ATTENDEES:
            raise ValueError(
                f"attendees of a meeting are at most {CHIME_ATTENDEES}, for which AWS's standard price is"
            )


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
    arm64_gb_seconds: Annotated[
        Amount | None, Meta(description="Billed GB-seconds on arm64, as measured, instead of duration_ms.")
    ] = None
    x86_64_gb_seconds: Annotated[
        Amount | None, Meta(description="Billed GB-seconds on x86_64, as measured, instead of duration_ms.")
    ] = None

    cold_starts: Annotated[
        Amount | None,
        Meta(description="New execution environments a month; each is billed for its INIT phase."),
    ] = None
    init_ms: Annotated[
        DurationMs | None, Meta(description="Milliseconds of an INIT phase; 300 if not given.")
    ] = None
    tmp_mb: Annotated[
        TmpMb | None, Meta(description="/tmp of a function; 512 MB are free, and what the stack has.")
    ] = None

    def __post_init__(self) -> None:
        """Raises ValueError for amounts that contradict each other."""
        if self.duration_ms is not None and (self.arm64_gb_seconds, self.x86_64_gb_seconds) != (None, None):
            raise ValueError("give either duration_ms or GB-seconds, not both (duration_ms)")


class DynamoDbUsage(Section, frozen=True):
    """The connections table, on demand, and what comes beside it."""

    write_request_units: Annotated[Amount | None, Meta(description="1 KB written each.")] = None
    read_request_units: Annotated[Amount | None, Meta(description="4 KB read consistently each.")] = None
    storage_gb: Annotated[SizeGb | None, Meta(description="Average size of table and index.")] = None
    backup_gb: Annotated[SizeGb | None, Meta(description="On-demand backups kept, on average.")] = None
    restored_gb: Annotated[SizeGb | None, Meta(description="Size of the tables restored from backups.")] = (
        None
    )
    stream_reads: Annotated[Amount | None, Meta(description="GetRecords requests of DynamoDB Streams.")] = (
        None
    )


class LogsUsage(Section, frozen=True):
    """CloudWatch Logs."""

    ingested_gb: Annotated[SizeGb | None, Meta(description="Log data that the functions write a month.")] = (
        None
    )
    access_gb: Annotated[SizeGb | None, Meta(description="Access logs that the stage writes a month.")] = None
    scanned_gb: Annotated[SizeGb | None, Meta(description="Log data that Logs Insights scans a month.")] = (
        None
    )
    stored_gb: Annotated[
        SizeGb | None, Meta(description="Log data kept, on average, as AWS compresses it.")
    ] = None
    compressed_percent: Annotated[
        Percent | None,
        Meta(description="What compression leaves of kept log data; 100 (nothing saved) if not given."),
    ] = None
    live_tail_minutes: Annotated[Minutes | None, Meta(description="Minutes of Live Tail sessions.")] = None


class CloudWatchUsage(Section, frozen=True):
    """Metrics, alarms and dashboards beside those that the settings make."""

    metrics: Annotated[Amount | None, Meta(description="Custom metrics.")] = None
    metrics_requested: Annotated[
        Amount | None, Meta(description="Metrics that GetMetricData is asked for a month.")
    ] = None
    alarms: Annotated[Amount | None, Meta(description="Metrics of standard alarms.")] = None
    high_resolution_alarms: Annotated[
        Amount | None, Meta(description="Metrics of high-resolution alarms.")
    ] = None
    composite_alarms: Annotated[Amount | None, Meta(description="Composite alarms.")] = None
    dashboards: Annotated[Amount | None, Meta(description="Dashboards.")] = None
    emails: Annotated[Amount | None, Meta(description="Notifications by e-mail a month.")] = None


class BroadcastUsage(Section, frozen=True):
    """Broadcasts by `ws broadcast`. Their messages are not part of `websocket.messages`."""

    count: Annotated[Amount | None, Meta(description="Broadcasts a month.")] = None
    connections: Annotated[Amount | None, Meta(description="Connections that one reaches.")] = None
    message_size_kb: Annotated[
        SizeKb | None, Meta(description="Size of the message in KB; 1 if not given.")
    ] = None
    stored_gb: Annotated[
        SizeGb | None, Meta(description="Shards and results of distributed ones in S3, on average.")
    ] = None

    def __post_init__(self) -> None:
        """Raises ValueError where one is given without the other."""
        if (self.count is None) != (self.connections is None):
            raise ValueError("count and connections need each other")


class OperationsUsage(Section, frozen=True):
    """What operators do."""

    commands: Annotated[
        Amount | None, Meta(description="Commands a month that change the stack and so take its lock.")
    ] = None
    audit_entries: Annotated[Amount | None, Meta(description="Entries a month of the audit table.")] = None


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
    cloudwatch: CloudWatchUsage = CloudWatchUsage()
    broadcasts: BroadcastUsage = BroadcastUsage()
    operations: OperationsUsage = OperationsUsage()
    data_transfer: DataTransferUsage = DataTransferUsage()

    @property
    def is_given(self) -> bool:
        """Whether anything is."""
        return self != Usage()


def load_usage(path: Path | None, flags: Mapping[str, tuple[str, Any]]) -> Usage:
    """Usage from a file and flags; `flags` maps a dotted key to (flag as typed, value) and wins.

    Raises ConfigError that names the line or the flag of every problem.
    """
    values = read_yaml(path, flag="--usage") if path is not None else {}
    for key, (flag, value) in flags.items():
        values[key] = Located(value, Origin(f"flag {flag}"))
    return validate(Usage, values, hint=Hint(("cost", "estimate", "--help")))

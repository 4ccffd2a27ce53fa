"""What is used in a month, as the user says it: flags over a usage file. What is not said is unknown, not zero.

Input: dotted key -> value with origin. Output: a validated `Usage`. Units are in the key names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from whatschat_ops.config.located import Located, Origin, read_yaml, validate
from whatschat_ops.pricing.amounts import Amount
from whatschat_ops.quotas import (
    MAX_FUNCTION_MEMORY_MB,
    MAX_FUNCTION_TIMEOUT_S,
    MAX_MESSAGE_BYTES,
    MIN_FUNCTION_MEMORY_MB,
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebSocketUsage(_Section):
    """The WebSocket API."""

    messages: Amount | None = Field(
        None, description="Messages a month in both directions, as AWS meters them (and MessageCount counts)."
    )
    inbound_messages: Amount | None = Field(
        None, description="Those of them that clients send; each runs a function."
    )
    message_size_kb: Annotated[Amount, Field(le=MAX_MESSAGE_BYTES // 1024)] | None = Field(
        None,
        description=f"Size of a message in KB; API Gateway takes at most {MAX_MESSAGE_BYTES // 1024} KB.",
    )
    connection_minutes: Amount | None = Field(
        None, description="Minutes a month, summed over all connections."
    )
    connections: Amount | None = Field(None, description="Connections opened a month.")
    users: Amount | None = Field(None, description="Users; with hours_per_day instead of connection_minutes.")
    hours_per_day: Annotated[Amount, Field(le=24)] | None = Field(
        None, description="Hours a day that each user is connected."
    )
    days: Annotated[Amount, Field(le=31)] | None = Field(
        None, description="Days of the month; 30 if not given."
    )

    @model_validator(mode="after")
    def _one_way_to_say_minutes(self) -> WebSocketUsage:
        by_users = [name for name in ("users", "hours_per_day", "days") if getattr(self, name) is not None]
        if self.connection_minutes is not None and by_users:
            raise ValueError(
                f"give either connection_minutes or users and hours_per_day, not both ({by_users[0]})"
            )
        if by_users and (self.users is None or self.hours_per_day is None):
            missing = "users" if self.users is None else "hours_per_day"
            raise ValueError(f"{by_users[0]} alone says nothing: {missing} is missing")
        return self

    @model_validator(mode="after")
    def _no_more_inbound_than_all(self) -> WebSocketUsage:
        if self.inbound_messages is not None and (
            self.messages is None or self.inbound_messages > self.messages
        ):
            raise ValueError("inbound_messages are a part of messages: there cannot be more of them")
        return self


class ChimeUsage(_Section):
    """Chime SDK meetings. An attendee-minute is one person connected for one minute."""

    audio_attendee_minutes: Amount | None = Field(None, description="Attendee-minutes without video.")
    video_attendee_minutes: Amount | None = Field(None, description="Attendee-minutes with video.")


class LambdaUsage(_Section):
    """The three functions behind the API."""

    requests: Amount | None = Field(None, description="Invocations a month.")
    duration_ms: Annotated[Amount, Field(le=MAX_FUNCTION_TIMEOUT_S * 1000)] | None = Field(
        None, description="Billed milliseconds of one invocation, on average."
    )
    memory_mb: Annotated[Amount, Field(ge=MIN_FUNCTION_MEMORY_MB, le=MAX_FUNCTION_MEMORY_MB)] | None = Field(
        None, description="Memory of a function; the environment's lambda.memory_mb if not given."
    )
    architecture: Literal["arm64", "x86_64"] | None = Field(
        None, description="Processor; the environment's lambda.architecture if not given."
    )


class DynamoDbUsage(_Section):
    """The connections table, on demand."""

    write_request_units: Amount | None = Field(None, description="1 KB written each.")
    read_request_units: Amount | None = Field(None, description="4 KB read consistently each.")
    storage_gb: Amount | None = Field(None, description="Average size of table and index.")


class LogsUsage(_Section):
    """CloudWatch Logs."""

    ingested_gb: Amount | None = Field(None, description="Log data written a month.")
    stored_gb: Amount | None = Field(None, description="Log data kept, on average.")


class DataTransferUsage(_Section):
    """Traffic to the internet."""

    out_gb: Amount | None = Field(None, description="GB a month; traffic from the internet is free.")


class Usage(_Section):
    """One month's usage."""

    websocket: WebSocketUsage = WebSocketUsage()
    chime: ChimeUsage = ChimeUsage()
    lambda_: LambdaUsage = Field(LambdaUsage(), alias="lambda")
    dynamodb: DynamoDbUsage = DynamoDbUsage()
    logs: LogsUsage = LogsUsage()
    data_transfer: DataTransferUsage = DataTransferUsage()


def load_usage(path: Path | None, flags: Mapping[str, tuple[str, Any]]) -> Usage:
    """Usage from a file and flags; `flags` maps a dotted key to (flag as typed, value) and wins.

    Raises ConfigError that names the line or the flag of every problem.
    """
    values = read_yaml(path) if path is not None else {}
    for key, (flag, value) in flags.items():
        values[key] = Located(value, Origin(f"flag {flag}"))
    return validate(Usage, values, hint="whatschat-ops cost estimate --help")

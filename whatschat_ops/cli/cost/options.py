"""The options of `cost estimate`: the usage of one month, and which free units count."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from whatschat_ops.choices import Processor, RateType

_USAGE = "Usage of one month"


def _amount(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="N", help=text, rich_help_panel=_USAGE)


MessagesOption = Annotated[str | None, _amount("--messages", "WebSocket messages, both directions")]
InboundMessagesOption = Annotated[
    str | None, _amount("--inbound-messages", "Messages that clients send [default: a third]")
]
MessagesPerDayOption = Annotated[
    str | None,
    _amount("--messages-per-day", "Messages a day of each user; with --users, instead of --messages"),
]
FanOutOption = Annotated[
    str | None, _amount("--fan-out", "Messages to clients for each that a client sends [default: 2]")
]
MessageKbOption = Annotated[
    str | None,
    _amount("--message-kb", "Size of a message in KB, or sizes with percentages: 1:90,40:10 [default: 1]"),
]
ConnectionMinutesOption = Annotated[
    str | None, _amount("--connection-minutes", "Connection minutes, summed over all connections")
]
UsersOption = Annotated[
    str | None, _amount("--users", "Users; with --hours-per-day, instead of --connection-minutes")
]
HoursPerDayOption = Annotated[
    str | None, _amount("--hours-per-day", "Hours a day that each user is connected")
]
DaysOption = Annotated[str | None, _amount("--days", "Days of the month [default: 30]")]
AudioMinutesOption = Annotated[str | None, _amount("--audio-minutes", "Chime attendee-minutes without video")]
VideoMinutesOption = Annotated[str | None, _amount("--video-minutes", "Chime attendee-minutes with video")]
MeetingsOption = Annotated[
    str | None,
    _amount("--meetings", "Meetings; with --attendees and --meeting-minutes, instead of the above"),
]
AttendeesOption = Annotated[str | None, _amount("--attendees", "Attendees of a meeting")]
MeetingMinutesOption = Annotated[str | None, _amount("--meeting-minutes", "Minutes of a meeting")]
LambdaRequestsOption = Annotated[
    str | None, _amount("--lambda-requests", "Invocations [default: from messages and connections]")
]
LambdaMsOption = Annotated[
    str | None, _amount("--lambda-ms", "Duration of an invocation in ms [default: 50]")
]
LambdaMemoryMbOption = Annotated[
    str | None,
    _amount("--lambda-memory-mb", "Memory of a function in MB [default: the setting lambda.memory_mb]"),
]
ArchitectureOption = Annotated[
    Processor | None,
    typer.Option(
        "--architecture",
        help="Processor of the functions [default: the setting lambda.architecture]",
        rich_help_panel=_USAGE,
    ),
]
DataOutGbOption = Annotated[
    str | None, _amount("--data-out-gb", "Data transfer to the internet in GB [default: from messages]")
]
LogsGbOption = Annotated[
    str | None, _amount("--logs-gb", "Log data of the functions in GB [default: from requests]")
]
UsageFileOption = Annotated[
    Path | None,
    typer.Option(
        "--usage",
        metavar="FILE",
        help="YAML file with the usage; options override it",
        rich_help_panel=_USAGE,
    ),
]
RequiredUsageOption = Annotated[
    Path, typer.Option("--usage", metavar="FILE", help="YAML file with the usage of a month")
]
RateTypeOption = Annotated[
    RateType, typer.Option("--rate-type", help="AWS's rates before or after the account's discounts")
]
CardOption = Annotated[
    list[str],
    typer.Option(
        "--card",
        metavar="CARD",
        help="Prices to show: guide, a Region or a file; repeat for more [default: guide and the Region's]",
    ),
]
FailOverOption = Annotated[
    str | None,
    typer.Option("--fail-over", metavar="USD", help="Exit with code 3 if a month costs more"),
]
RatesOption = Annotated[
    Path | None,
    typer.Option("--rates", metavar="FILE", help="YAML file with prices that override AWS's list prices"),
]
PriceRegionOption = Annotated[
    str | None,
    typer.Option(
        "--price-region", metavar="REGION", help="Use the prices of this Region instead of the stack's"
    ),
]
NoFreeTierOption = Annotated[bool, typer.Option("--no-free-tier", help="Do not deduct the free tier")]
FirstYearOption = Annotated[
    bool,
    typer.Option(
        "--first-year", help="Also deduct the 12-month free tier, for accounts opened before 2025-07-15"
    ),
]

_SETTINGS: Final = {
    "messages": "websocket.messages",
    "inbound_messages": "websocket.inbound_messages",
    "messages_per_day": "websocket.messages_per_day",
    "fan_out": "websocket.fan_out",
    "message_kb": "websocket.message_size_kb",
    "connection_minutes": "websocket.connection_minutes",
    "users": "websocket.users",
    "hours_per_day": "websocket.hours_per_day",
    "days": "websocket.days",
    "audio_minutes": "chime.audio_attendee_minutes",
    "video_minutes": "chime.video_attendee_minutes",
    "meetings": "chime.meetings",
    "attendees": "chime.attendees",
    "meeting_minutes": "chime.minutes",
    "lambda_requests": "lambda.requests",
    "lambda_ms": "lambda.duration_ms",
    "lambda_memory_mb": "lambda.memory_mb",
    "architecture": "lambda.architecture",
    "data_out_gb": "data_transfer.out_gb",
    "logs_gb": "logs.ingested_gb",
}
"""Parameter -> the setting of the usage file that it stands for."""


def given(**amounts: str | None) -> dict[str, tuple[str, Any]]:
    """The amounts that were given: setting -> (flag, value)."""
    return dict(
        _setting(name, f"--{name.replace('_', '-')}", str(text))
        for name, text in amounts.items()
        if text is not None
    )


def _setting(name: str, flag: str, text: str) -> tuple[str, tuple[str, Any]]:
    if name == "message_kb" and ":" in text:
        pairs = (part.partition(":") for part in text.split(","))
        classes = [{"kb": size_kb.strip(), "percent": percent.strip(" %")} for size_kb, _, percent in pairs]
        return "websocket.message_sizes", (flag, classes)
    return _SETTINGS[name], (flag, text)

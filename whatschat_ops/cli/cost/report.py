"""`cost report`: a month's cost as one HTML page."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from whatschat_ops.cli.cost.group import free_tiers_of
from whatschat_ops.cli.cost.options import (
    ArchitectureOption,
    AttendeesOption,
    AudioMinutesOption,
    CardOption,
    ConnectionMinutesOption,
    DataOutGbOption,
    DaysOption,
    FanOutOption,
    FirstYearOption,
    HoursPerDayOption,
    InboundMessagesOption,
    LambdaMemoryMbOption,
    LambdaMsOption,
    LambdaRequestsOption,
    LogsGbOption,
    MeetingMinutesOption,
    MeetingsOption,
    MessageKbOption,
    MessagesOption,
    MessagesPerDayOption,
    NoFreeTierOption,
    PriceRegionOption,
    RatesOption,
    UsageFileOption,
    UsersOption,
    VideoMinutesOption,
    given,
)
from whatschat_ops.cli.run import Run
from whatschat_ops.files import write_whole


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page that was written."""

    file: Path
    size_bytes: int


def report(
    run: Run,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="HTML file to write")] = Path(
        "cost.html"
    ),
    new_calls: Annotated[
        float,
        typer.Option(
            "--new-calls", metavar="PERCENT", min=0, max=100, help="Phase 1: calls that are new, on Chime"
        ),
    ] = 50,
    new_sockets: Annotated[
        float,
        typer.Option(
            "--new-sockets", metavar="PERCENT", min=0, max=100, help="Phase 3: connections that are new"
        ),
    ] = 50,
    messages: MessagesOption = None,
    inbound_messages: InboundMessagesOption = None,
    messages_per_day: MessagesPerDayOption = None,
    fan_out: FanOutOption = None,
    message_kb: MessageKbOption = None,
    connection_minutes: ConnectionMinutesOption = None,
    users: UsersOption = None,
    hours_per_day: HoursPerDayOption = None,
    days: DaysOption = None,
    audio_minutes: AudioMinutesOption = None,
    video_minutes: VideoMinutesOption = None,
    meetings: MeetingsOption = None,
    attendees: AttendeesOption = None,
    meeting_minutes: MeetingMinutesOption = None,
    lambda_requests: LambdaRequestsOption = None,
    lambda_ms: LambdaMsOption = None,
    lambda_memory_mb: LambdaMemoryMbOption = None,
    architecture: ArchitectureOption = None,
    data_out_gb: DataOutGbOption = None,
    logs_gb: LogsGbOption = None,
    usage: UsageFileOption = None,
    card: CardOption = [],  # noqa: B006 (Typer reads it)
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
) -> None:
    """Write a page about a month's cost.

    One HTML file that needs no network: the bill line by line on each card, the cost when there are more messages, the guide's
    migration phases, and where every price comes from. Sliders move users, messages and fan-out.

    Example: whatschat-ops cost report --messages 10M --users 1000 --hours-per-day 8 -o cost.html
    """
    from whatschat_ops.cli.cost.cards import cards
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cost.report.model import Scenario
    from whatschat_ops.cost.report.page import CostPage
    from whatschat_ops.cost.report.phases import phases
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.redaction import redact

    usage_flags = {
        **given(messages=messages, inbound_messages=inbound_messages, message_kb=message_kb),
        **given(messages_per_day=messages_per_day, fan_out=fan_out),
        **given(connection_minutes=connection_minutes, users=users, hours_per_day=hours_per_day, days=days),
        **given(audio_minutes=audio_minutes, video_minutes=video_minutes),
        **given(meetings=meetings, attendees=attendees, meeting_minutes=meeting_minutes),
        **given(lambda_requests=lambda_requests, lambda_ms=lambda_ms, lambda_memory_mb=lambda_memory_mb),
        **given(architecture=architecture, data_out_gb=data_out_gb, logs_gb=logs_gb),
    }
    facts = stack_facts(run.settings)
    scenario = Scenario(
        load_usage(usage, usage_flags),
        facts,
        cards(card, rates, price_region or facts.region),
        free_tiers_of(no_free_tier, first_year),
    )
    shares = phases(Decimal(str(new_calls)) / 100, Decimal(str(new_sockets)) / 100)
    text = CostPage(scenario, shares, redact(shlex.join(["whatschat-ops", *sys.argv[1:]]))).html()
    write_whole(output, text, flag="--output")
    written = WrittenPage(output, len(text.encode()))
    run.out.result(written, lambda it: f"Wrote {it.file} ({it.size_bytes:,} bytes).")

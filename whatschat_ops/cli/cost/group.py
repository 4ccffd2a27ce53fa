"""`cost`: what a month costs, with the guide's prices and with AWS's. Needs no AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import OutputFormat
from whatschat_ops.cli.cost.formats import FormatOption, exact_rows, show
from whatschat_ops.cli.cost.options import (
    ArchitectureOption,
    AttendeesOption,
    AudioMinutesOption,
    CardOption,
    ConnectionMinutesOption,
    DataOutGbOption,
    DaysOption,
    FailOverOption,
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

if TYPE_CHECKING:
    from whatschat_ops.cost.result import Estimate
    from whatschat_ops.pricing.pricing import FreeTiers


def estimate(
    run: Run,
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
    fail_over: FailOverOption = None,
    output_format: FormatOption = OutputFormat.TABLE,
) -> None:
    """Estimate the cost of a month.

    Shows each line at the guide's prices and at AWS's list prices. Write numbers as 10000000, 10_000_000 or 10M. Quantities
    that are not given are derived from the others where possible, and left out of the totals otherwise. A range such as
    10k..1M, for one option, gives the cost over that range and where a price changes.

    Example: whatschat-ops cost estimate --messages 10M --users 1000 --hours-per-day 8
    """
    from whatschat_ops.cli.cost.cards import cards
    from whatschat_ops.cli.cost.curves import ranges, show_curve
    from whatschat_ops.cli.cost.estimate_table import notes_of, render_estimate, rows_of
    from whatschat_ops.cli.cost.facts import stack_facts
    from whatschat_ops.cli.cost.limits import Limited, fail_if_over, parse_limit
    from whatschat_ops.cost.estimate import estimate as make_estimate
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.errors import UsageError

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
    chosen = cards(card, rates, price_region or facts.region)
    free_tiers = free_tiers_of(no_free_tier, first_year)

    def month(flags: Mapping[str, tuple[str, Any]]) -> Estimate:
        return make_estimate(load_usage(usage, flags), facts, chosen, free_tiers=free_tiers)

    limit = parse_limit(fail_over)
    if varied := ranges(usage_flags):
        if limit is not None:
            raise UsageError("--fail-over compares one month, not a range.", hint="Give one value.")
        show_curve(run, varied, usage_flags, chosen, month, output_format)
        return
    result = month(usage_flags)
    show(run, result, output_format, render_estimate, rows_of, exact_rows, notes_of)
    totals = {name: Limited(total.cost, total.complete) for name, total in result.limited.items()}
    fail_if_over(run, limit, totals)


def free_tiers_of(no_free_tier: bool, first_year: bool) -> FreeTiers:
    """Which free tiers the options mean. Raises UsageError for both."""
    from whatschat_ops.errors import UsageError
    from whatschat_ops.pricing.pricing import FreeTiers

    if no_free_tier and first_year:
        raise UsageError("--no-free-tier and --first-year contradict each other.", hint="Leave one out.")
    if no_free_tier:
        return FreeTiers.NONE
    return FreeTiers.FIRST_YEAR if first_year else FreeTiers.ALWAYS

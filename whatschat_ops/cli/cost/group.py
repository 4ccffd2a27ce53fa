"""`cost`: what a month costs, with the guide's prices and with AWS's. Needs no AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatschat_ops.cli.cost import tables as cost_tables
from whatschat_ops.cli.cost.options import (
    AudioMinutesOption,
    ConnectionMinutesOption,
    DataOutGbOption,
    DaysOption,
    FirstYearOption,
    HoursPerDayOption,
    InboundMessagesOption,
    LambdaMemoryMbOption,
    LambdaMsOption,
    LambdaRequestsOption,
    LogsGbOption,
    MessageKbOption,
    MessagesOption,
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
    from whatschat_ops.cost.quantities import StackFacts
    from whatschat_ops.pricing.pricing import FreeTiers


def estimate(
    run: Run,
    messages: MessagesOption = None,
    inbound_messages: InboundMessagesOption = None,
    message_kb: MessageKbOption = None,
    connection_minutes: ConnectionMinutesOption = None,
    users: UsersOption = None,
    hours_per_day: HoursPerDayOption = None,
    days: DaysOption = None,
    audio_minutes: AudioMinutesOption = None,
    video_minutes: VideoMinutesOption = None,
    lambda_requests: LambdaRequestsOption = None,
    lambda_ms: LambdaMsOption = None,
    lambda_memory_mb: LambdaMemoryMbOption = None,
    data_out_gb: DataOutGbOption = None,
    logs_gb: LogsGbOption = None,
    usage: UsageFileOption = None,
    rates: RatesOption = None,
    price_region: PriceRegionOption = None,
    no_free_tier: NoFreeTierOption = False,
    first_year: FirstYearOption = False,
) -> None:
    """Estimate the cost of a month.

    Shows each line at the guide's prices and at AWS's list prices. Write numbers as 10000000, 10_000_000 or 10M. Quantities
    that are not given are derived from the others where possible, and left out of the totals otherwise.

    Example: whatschat-ops cost estimate --messages 10M --users 1000 --hours-per-day 8
    """
    from whatschat_ops.cost.estimate import estimate as make_estimate
    from whatschat_ops.cost.usage import load_usage
    from whatschat_ops.pricing.rates import aws_card, guide_card

    usage_flags = {
        **given(messages=messages, inbound_messages=inbound_messages, message_kb=message_kb),
        **given(connection_minutes=connection_minutes, users=users, hours_per_day=hours_per_day, days=days),
        **given(audio_minutes=audio_minutes, video_minutes=video_minutes),
        **given(lambda_requests=lambda_requests, lambda_ms=lambda_ms, lambda_memory_mb=lambda_memory_mb),
        **given(data_out_gb=data_out_gb, logs_gb=logs_gb),
    }
    facts = _stack_facts(run)
    result = make_estimate(
        load_usage(usage, usage_flags),
        facts,
        guide=guide_card(),
        aws=aws_card(rates, price_region or facts.region),
        free_tiers=_free_tiers(no_free_tier, first_year),
    )
    run.out.result(result, cost_tables.render_estimate)


def _free_tiers(no_free_tier: bool, first_year: bool) -> FreeTiers:
    from whatschat_ops.errors import UsageError
    from whatschat_ops.pricing.pricing import FreeTiers

    if no_free_tier and first_year:
        raise UsageError("--no-free-tier and --first-year contradict each other.", hint="Leave one out.")
    if no_free_tier:
        return FreeTiers.NONE
    return FreeTiers.FIRST_YEAR if first_year else FreeTiers.ALWAYS


def _stack_facts(run: Run) -> StackFacts:
    from whatschat_ops.cost.quantities import StackFacts

    settings = run.settings
    return StackFacts(
        region=settings.aws.region,
        memory_mb=settings.lambda_.memory_mb,
        architecture=settings.lambda_.architecture,
        log_retention_days=settings.lambda_.log_retention_days,
        point_in_time_recovery=settings.connections.point_in_time_recovery,
    )

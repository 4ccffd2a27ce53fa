"""`cost`: what a month costs, with the guide's prices and with AWS's. Needs no AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli import cost_tables
from whatschat_ops.cli.command import Run, command

if TYPE_CHECKING:
    from whatschat_ops.cost.pricing import FreeTiers
    from whatschat_ops.cost.quantities import StackFacts

_USAGE = "Usage of one month"

RatesOption = Annotated[
    Path | None,
    typer.Option("--rates", metavar="FILE", help="YAML file with prices that replace those of AWS's card."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(no_args_is_help=True, help="Estimate what a month costs.")
    command(group)(estimate)
    command(group)(rates)
    app.add_typer(group, name="cost")


def _amount(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="N", help=text, rich_help_panel=_USAGE)


def estimate(
    run: Run,
    messages: Annotated[str | None, _amount("--messages", "WebSocket messages, both directions.")] = None,
    inbound_messages: Annotated[
        str | None, _amount("--inbound-messages", "Those sent by clients. [default: a third]")
    ] = None,
    message_kb: Annotated[str | None, _amount("--message-kb", "Size of a message. [default: 1]")] = None,
    connection_minutes: Annotated[
        str | None, _amount("--connection-minutes", "Minutes, summed over all connections.")
    ] = None,
    users: Annotated[
        str | None, _amount("--users", "Users, instead of connection minutes; needs --hours-per-day.")
    ] = None,
    hours_per_day: Annotated[
        str | None, _amount("--hours-per-day", "Hours a day that each user is connected.")
    ] = None,
    days: Annotated[str | None, _amount("--days", "Days of the month. [default: 30]")] = None,
    audio_minutes: Annotated[
        str | None, _amount("--audio-minutes", "Chime attendee-minutes without video.")
    ] = None,
    video_minutes: Annotated[
        str | None, _amount("--video-minutes", "Chime attendee-minutes with video.")
    ] = None,
    lambda_requests: Annotated[
        str | None, _amount("--lambda-requests", "Invocations. [default: from messages and connections]")
    ] = None,
    lambda_ms: Annotated[
        str | None, _amount("--lambda-ms", "Milliseconds of an invocation. [default: 50]")
    ] = None,
    lambda_memory_mb: Annotated[
        str | None, _amount("--lambda-memory-mb", "Memory of a function. [default: the environment's]")
    ] = None,
    data_out_gb: Annotated[
        str | None, _amount("--data-out-gb", "GB to the internet. [default: from messages]")
    ] = None,
    logs_gb: Annotated[
        str | None, _amount("--logs-gb", "GB written to logs. [default: from requests]")
    ] = None,
    usage: Annotated[
        Path | None,
        typer.Option(
            "--usage", metavar="FILE", help="YAML file with the usage; flags win.", rich_help_panel=_USAGE
        ),
    ] = None,
    rates: RatesOption = None,
    no_free_tier: Annotated[bool, typer.Option("--no-free-tier", help="Count no free units.")] = False,
    first_year: Annotated[
        bool,
        typer.Option(
            "--first-year",
            help="Count AWS's 12-month free units too (accounts opened before 2025-07-15).",
        ),
    ] = False,
) -> None:
    """Price a month of usage, line by line, with the guide's prices beside AWS's.

    Numbers may be written 10000000, 10_000_000 or 10M. What is not given is derived where it follows, else left
    out of the totals.

    Example: whatschat-ops cost estimate --messages 10M --users 1000 --hours-per-day 8
    """
    from whatschat_ops.cost.estimate import estimate as make_estimate
    from whatschat_ops.cost.rates import aws_card, guide_card
    from whatschat_ops.cost.usage import load_usage

    flags = {
        "websocket.messages": ("--messages", messages),
        "websocket.inbound_messages": ("--inbound-messages", inbound_messages),
        "websocket.message_size_kb": ("--message-kb", message_kb),
        "websocket.connection_minutes": ("--connection-minutes", connection_minutes),
        "websocket.users": ("--users", users),
        "websocket.hours_per_day": ("--hours-per-day", hours_per_day),
        "websocket.days": ("--days", days),
        "chime.audio_attendee_minutes": ("--audio-minutes", audio_minutes),
        "chime.video_attendee_minutes": ("--video-minutes", video_minutes),
        "lambda.requests": ("--lambda-requests", lambda_requests),
        "lambda.duration_ms": ("--lambda-ms", lambda_ms),
        "lambda.memory_mb": ("--lambda-memory-mb", lambda_memory_mb),
        "data_transfer.out_gb": ("--data-out-gb", data_out_gb),
        "logs.ingested_gb": ("--logs-gb", logs_gb),
    }
    result = make_estimate(
        load_usage(usage, {key: item for key, item in flags.items() if item[1] is not None}),
        _stack_facts(run),
        guide=guide_card(),
        aws=aws_card(rates),
        free_tiers=_free_tiers(no_free_tier, first_year),
    )
    run.out.result(result, cost_tables.render_estimate)


def rates(run: Run, rates: RatesOption = None) -> None:
    """Show both rate cards, with the source and date of every price."""
    from whatschat_ops.cost.rates import aws_card, guide_card
    from whatschat_ops.cost.result import rate_rows

    run.out.result(rate_rows(guide_card(), aws_card(rates)), cost_tables.render_rates)


def _free_tiers(no_free_tier: bool, first_year: bool) -> FreeTiers:
    from whatschat_ops.cost.pricing import FreeTiers
    from whatschat_ops.errors import UsageError

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
    )

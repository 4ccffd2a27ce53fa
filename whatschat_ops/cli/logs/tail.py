"""`logs tail`: the events of the four log groups in one view."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import LogFunction, LogOutput, LogSource
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import (
    PROVISION,
    AwsError,
    NotFound,
    NotProvisioned,
    OpsError,
    Rejected,
    UsageError,
)

if TYPE_CHECKING:
    from whatschat_ops.cli.logs.showing import Printer
    from whatschat_ops.logs.selecting import Selection
    from whatschat_ops.logs.tail import Query

LONGEST_SETTLE = timedelta(seconds=60)


def tail(
    run: Run,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From then on: how long ago, or a time in ISO 8601")
    ] = "10m",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Until then, inclusive [default: now]")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events until Ctrl-C")
    ] = False,
    function: Annotated[
        list[LogFunction] | None,
        typer.Option("--function", help="Only this function; repeatable [default: all, and the access log]"),
    ] = None,
    access: Annotated[bool, typer.Option("--access", help="Only the access log, or that too")] = False,
    filter_pattern: Annotated[
        str, typer.Option("--filter", metavar="PATTERN", help="Filter pattern of CloudWatch Logs")
    ] = "",
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only events of this user's connections")
    ] = None,
    connection: Annotated[
        str | None, typer.Option("--connection", metavar="ID", help="Only events of this connection")
    ] = None,
    highlight: Annotated[
        str | None, typer.Option("--highlight", metavar="REGEX", help="Mark what this matches")
    ] = None,
    settle: Annotated[
        str, typer.Option("--settle", metavar="DURATION", help="Wait so long for older events, with --follow")
    ] = "2s",
    output: Annotated[
        LogOutput,
        typer.Option("--output", "-o", help="Readable lines, JSON lines, or the messages as written"),
    ] = LogOutput.TEXT,
) -> None:
    """Show the events of all log groups.

    The functions' logs and the access log, merged by time, each event once. With --follow, an event that arrives after the
    settle window is shown at once and marked "late". Secrets are hidden in every format. A closing line on stderr counts the
    events. AWS charges nothing for reading log events in this way.

    Example:
        whatschat-ops logs tail --follow
        whatschat-ops logs tail --since 2h --user alice
        whatschat-ops logs tail --filter '{ $.level = "ERROR" }' -o json
    """
    from whatschat_ops.cli.logs.lines import LineFormat
    from whatschat_ops.cli.logs.showing import Printer
    from whatschat_ops.logs.groups import log_groups
    from whatschat_ops.logs.selecting import Selection
    from whatschat_ops.logs.tail import Query

    if user is not None and connection is not None:
        raise UsageError("--user and --connection exclude each other: a connection is of one user.")
    span = _span(since, until, follow=follow)
    settle_s = _settle_s(settle)
    chosen = LogOutput.JSON if run.options.json else output
    printer = Printer(run.out, chosen, LineFormat(run.out.styled, _regex(highlight)))
    sources = [*map(LogSource, function or ()), *([LogSource.ACCESS] if access else [])]
    query = Query(log_groups(run.settings, sources), *span, filter_pattern, follow, settle_s)
    users = () if user is None else forms_of(run, user)
    _show(run, query, Selection(users, connection), printer)


def _show(run: Run, query: Query, selection: Selection, printer: Printer) -> None:
    from whatschat_ops.cli.logs.lines import iso_time
    from whatschat_ops.cli.logs.showing import Show
    from whatschat_ops.logs.reading import LogReader
    from whatschat_ops.logs.settling import Settling
    from whatschat_ops.logs.tail import Tail, learn_from_earlier

    reader = LogReader(run.aws)
    tail = Tail(reader, query, run.out.warn)
    show = Show(tail.items(), selection, Settling(query.settle_s), printer, endless=query.follow)
    closing = ""
    try:
        learn_from_earlier(selection, reader, query)
        show.run()
    except NotFound as error:
        raise NotProvisioned.of(error, "None of these log groups exists.", hint=PROVISION) from error
    except Rejected as error:
        raise _about_pattern(error, query.pattern) from error
    except AwsError:
        closing = f" Read up to {iso_time(tail.read_ms)}."
        raise
    finally:
        run.out.note(f"{printer.counts.words(reader.counts.throttled)}{closing}")


def _about_pattern(error: Rejected, pattern: str) -> OpsError:
    if not pattern or error.aws_code != "InvalidParameterException":
        return error
    return UsageError(f"--filter is no filter pattern of CloudWatch Logs: {error.message}")


def forms_of(run: Run, user: str) -> Sequence[str]:
    """The user's id as lines may have it."""
    from whatschat_ops.handlers.user_ids import HASHED, hashed_user_id

    if run.settings.logging.user_ids != HASHED:
        return (user,)
    return (user, hashed_user_id(user, run.aws.account_id, run.aws.region, run.names.connections_table))


def _span(since: str, until: str | None, *, follow: bool) -> tuple[int, int | None]:
    """Start and end in ms."""
    from whatschat_ops.cli.durations import parse_moment

    now = datetime.now(UTC)
    start = parse_moment(since, "--since", now)
    if until is None:
        return _ms(start), None
    if follow:
        raise UsageError("--follow and --until exclude each other: what is followed has no end.")
    end = parse_moment(until, "--until", now)
    if end < start:
        raise UsageError("--until is before --since.")
    return _ms(start), _ms(end)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _settle_s(text: str) -> float:
    from whatschat_ops.cli.durations import parse_duration

    settle = parse_duration(text, "--settle")
    if settle > LONGEST_SETTLE:
        raise UsageError(f"--settle is at most {LONGEST_SETTLE.seconds}s, not {text}.")
    return settle.total_seconds()


def _regex(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--highlight is not a regular expression: {error}.") from error

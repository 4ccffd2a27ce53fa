"""`logs trace`: one connection's life on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Missing, OpsError, UsageError
from whatschat_ops.moments import local_time

if TYPE_CHECKING:
    from whatschat_ops.cli.logs.trace_view import Searched, TraceResult
    from whatschat_ops.logs.reading import LogReader
    from whatschat_ops.logs.trace.life import Step
    from whatschat_ops.logs.trace.tracing import Sources, Tracing, UserConnection

MOST_TRACED = 20
"""Ours: connections of a user that `--all` traces."""


def trace(
    run: Run,
    who: Annotated[
        str,
        typer.Argument(metavar="CONNECTION|USER", help="Id of a connection or of a user", show_default=False),
    ],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From then on: how long ago, or a time in ISO 8601")
    ] = "24h",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Until then [default: now]")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Trace each connection of the user, not only the newest")
    ] = False,
    is_user: Annotated[
        bool, typer.Option("--user", help="It is a user id, even if it looks like a connection id")
    ] = False,
) -> None:
    """Show the life of a connection.

    The handshake, each message with what API Gateway and the function wrote, messages to it, errors, how it ended and why, and
    what is not known. Of a user: the connections since then, and the life of the newest. Reads the log groups, the
    connections table, API Gateway, the audit log, and the journals of broadcasts from this machine (what workers sent: in S3).

    Example:
        whatschat-ops logs trace L0SM9cOFvHcCIhw=
        whatschat-ops logs trace alice --since 3d
        whatschat-ops logs trace alice --all --json
    """
    from whatschat_ops.cli.logs.trace_view import render
    from whatschat_ops.logs.reading import LogReader

    reader = LogReader(run.aws)
    tracing, span = _tracing(run, reader, since, until)
    with run.out.status("Reading the logs"):
        result = _traced(run, tracing, reader, span, who, is_user=is_user, every=every)
    run.out.result(result, render)


def _traced(
    run: Run,
    tracing: Tracing,
    reader: LogReader,
    span: tuple[datetime, datetime],
    who: str,
    *,
    is_user: bool,
    every: bool,
) -> TraceResult:
    """Raises Missing if nothing knows the connection or user."""
    from whatschat_ops.cli.logs.trace_view import Searched, TraceResult
    from whatschat_ops.logs.trace.finding import is_connection_id
    from whatschat_ops.logs.trace.tracing import with_trace

    user = who if is_user or not is_connection_id(who) else None
    connections = _of_user(run, tracing, user) if user is not None else []
    ids = [who] if user is None else [each.connection_id for each in connections]
    found = [tracing.connection(each) for each in ids[: MOST_TRACED if every else 1]]
    groups = tuple(group.name for group in tracing.groups)
    finder = tracing.finder
    searched = Searched(groups, *span, reader.counts.requests, finder.events, finder.bytes)
    traces = tuple(each for each in found if each is not None)
    if not traces:
        raise Missing(_unknown(who, user, searched), hint="A longer --since looks further back.")
    return TraceResult(user, tuple(with_trace(each, traces) for each in connections), traces, searched)


def _of_user(run: Run, tracing: Tracing, user: str) -> Sequence[UserConnection]:
    from whatschat_ops.cli.logs.tail import forms_of
    from whatschat_ops.logs.selecting import pattern_of_users

    names = forms_of(run, user)
    return tracing.of_user(user, pattern_of_users(names), names)


def _unknown(who: str, user: str | None, searched: Searched) -> str:
    what = f"the connection {who}" if user is None else f"a connection of the user {who}"
    return (
        f"Nothing knows {what}: no row in the connections table, and no line in {', '.join(searched.groups)} "
        f"from {local_time(searched.since)} to {local_time(searched.until)}."
    )


def _tracing(
    run: Run, reader: LogReader, since: str, until: str | None
) -> tuple[Tracing, tuple[datetime, datetime]]:
    from whatschat_ops.cli.durations import parse_moment
    from whatschat_ops.logs.groups import log_groups
    from whatschat_ops.logs.trace.finding import Finder
    from whatschat_ops.logs.trace.tracing import Tracing

    now = datetime.now(UTC)
    start = parse_moment(since, "--since", now)
    end = parse_moment(until, "--until", now) if until is not None else now
    if end < start:
        raise UsageError("--until is before --since.")
    groups = log_groups(run.settings)
    finder = Finder(reader, groups, _ms(start), _ms(end) if until is not None else None, _ms(now))
    return Tracing(finder, _sources(run), run.settings, groups, _ms(now)), (start, end)


def _sources(run: Run) -> Sources:
    from whatschat_ops.audit import AuditLog
    from whatschat_ops.logs.trace.tracing import Sources

    audit = AuditLog(run.aws, run.names)
    return Sources(
        rows=run.connections(),
        live=lambda connection_id: run.connections_api().get(connection_id),
        acts=lambda since, until: audit.entries(since=since, until=until),
        broadcasts=lambda connection_id, since, until: _broadcasts(run, connection_id, since, until),
    )


def _broadcasts(run: Run, connection_id: str, since: datetime, until: datetime) -> list[Step]:
    from whatschat_ops.broadcast.distributed.recall import NOT_LOOKED_UP
    from whatschat_ops.broadcast.journal.of_connection import broadcasts_to
    from whatschat_ops.logs.trace.life import Step

    table = run.names.connections_table
    found = broadcasts_to(
        run.broadcasts_directory,
        connection_id,
        table=table,
        since=since,
        until=until,
        of_workers=lambda run_id: _of_workers(run, run_id, connection_id),
    )
    return [
        Step(
            each.at,
            "broadcast",
            each.run_id,
            f"{each.outcome or 'in doubt'}{f': {each.reason}' if each.reason else ''}",
            is_error=each.outcome not in ("delivered", NOT_LOOKED_UP),
        )
        for each in found
    ]


def _of_workers(run: Run, run_id: str, connection_id: str) -> tuple[str, str] | None:
    """What came of a connection in a distributed run, from S3. Without the permission, or the bucket, the trace goes on."""
    from whatschat_ops.broadcast.distributed.engine import bucket_of
    from whatschat_ops.broadcast.distributed.recall import NOT_LOOKED_UP, outcome_in

    try:
        return outcome_in(bucket_of(run.settings, run.aws), run_id, connection_id)
    except OpsError as error:
        return NOT_LOOKED_UP, error.message


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)

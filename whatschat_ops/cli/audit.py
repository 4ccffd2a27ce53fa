"""`audit`: what operators did to the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.listing import NewestOption, SortOption, newest
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.cli.terminal.times import local_time
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from whatschat_ops.audit import AuditEntry


def list_entries(
    run: Run,
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="USER", help="What was done to this user, or to all")
    ] = None,
    connection: Annotated[
        str | None, typer.Option("--connection", metavar="ID", help="What was done to this connection")
    ] = None,
    action: Annotated[
        str | None,
        typer.Option("--action", help="One command, as ws.disconnect, or a group, as lambda"),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How far back: 24h, 7d, or 2026-11-29T12:00Z")
    ] = "7d",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="The latest start, likewise [default: now]")
    ] = None,
    sort: SortOption = None,
    limit: NewestOption = 100,
) -> None:
    """List what operators did.

    Newest first: every command that changed something in AWS, with the caller, the target, the reason given with --reason, and
    the outcome. `started` is one that is running, or was killed. Entries are kept for 400 days, also after destroy.

    Example:
        whatschat-ops audit list --user alice --since 30d
        whatschat-ops audit list --action lambda --json
    """
    from whatschat_ops.audit import AuditEntry

    now = datetime.now(UTC)
    wanted = run.audit_log().entries(
        user=user,
        connection=connection,
        action=action,
        since=_moment(since, "--since", now),
        until=_moment(until, "--until", now) if until else None,
    )
    run.out.result(newest(run.out, AuditEntry, wanted, sort, limit), _render)


def _moment(text: str, option: str, now: datetime) -> datetime:
    """A point in time: so long ago, or a date in ISO 8601, UTC unless it says otherwise. Raises UsageError."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return now - parse_duration(text, option)
    if given.year < 1_000:  # what does not fit a stamp of four digits
        raise UsageError(f"{option} is {text}, which is long before the first entry.")
    return given if given.tzinfo else given.replace(tzinfo=UTC)


_COLUMNS: Final = (
    Column("Time"),
    Column("Who"),
    Column("Action"),
    Column("Target", wraps=True),
    Column("Outcome", wraps=True),
)


def _render(entries: Sequence[AuditEntry]) -> Table:
    return Table(_COLUMNS, [_row(entry) for entry in entries], empty="No entries.")


def _row(entry: AuditEntry) -> tuple[str, ...]:
    outcome = f"{entry.outcome}: {entry.detail}" if entry.detail else str(entry.outcome)
    why = [f"reason: {entry.reason}"] if entry.reason else []
    who = entry.by.rpartition(":")[2]
    return local_time(entry.at), who, entry.action, _words(entry.target), "; ".join([outcome, *why])


def _words(target: Mapping[str, Any]) -> str:
    def value(given: Any) -> str:
        return " ".join(map(str, given)) if isinstance(given, list | tuple) else str(given)

    return ", ".join(
        name if given is True else f"{name}: {value(given)}"
        for name, given in target.items()
        if given is not False
    )

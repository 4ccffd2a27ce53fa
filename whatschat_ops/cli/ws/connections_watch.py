"""`ws connections list --watch`: who is connected, since when, and what each connection last sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.cli.terminal.times import local_time, relative

if TYPE_CHECKING:
    from whatschat_ops.cli.ws.connection_row import ConnectionRow
    from whatschat_ops.logs.events import LogEvent
    from whatschat_ops.logs.reading import LogReader

_LOOK_BACK_MS = 10 * 60 * 1000
"""What was sent before that is not looked for: a connection that is idle for longer is closed by API Gateway."""
_LATE_MS = 5_000
"""CloudWatch may show an event so long after its time."""


class Sent(NamedTuple):
    """What a connection last sent: its route, or within `$default` the type of the message."""

    at: datetime
    route: str


@dataclass(frozen=True, slots=True)
class WatchedConnection:
    """A row of the table with what its connection last sent; None is not known, or nothing within ten minutes."""

    connection_id: str
    user_id: str
    connected_at: datetime | None
    last_route: str | None
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What happened to a connection since the look before. `change`: `opened`, `closed`, `sent`."""

    at: datetime
    change: str
    connection: WatchedConnection


class Activity:
    """Reads what was sent since the last look, of all connections at once."""

    def __init__(self, run: Run) -> None:
        from whatschat_ops.choices import LogSource
        from whatschat_ops.logs.groups import log_groups
        from whatschat_ops.logs.reading import LogReader

        self._reader: LogReader | None = LogReader(run.aws)
        self._group = log_groups(run.settings, [LogSource.DEFAULT])[0]
        self._warn = run.out.warn
        self._from_ms = int(time.time() * 1000) - _LOOK_BACK_MS
        self._last: dict[str, Sent] = {}

    def of(self, connections: Iterable[ConnectionRow]) -> list[WatchedConnection]:
        """The connections with what each last sent. A warning, once, if that cannot be read."""
        self._read()
        rows = list(connections)
        self._last = {
            row.connection_id: self._last[row.connection_id]
            for row in rows
            if row.connection_id in self._last
        }
        return [watched(row, self._last.get(row.connection_id)) for row in rows]

    def _read(self) -> None:
        from whatschat_ops.errors import NotFound, PermissionDenied
        from whatschat_ops.logs.reading import Search

        if self._reader is None:
            return
        try:
            for event in self._reader.events(self._group, Search(self._from_ms)):
                self._from_ms = max(self._from_ms, event.time_ms - _LATE_MS)
                note(self._last, event)
        except NotFound:  # nothing was ever sent
            return
        except PermissionDenied as error:
            self._reader = None
            self._warn(f"The last route of a connection is not known. {error.message}")


def note(last: dict[str, Sent], event: LogEvent) -> None:
    """Remember what a line says of a connection, unless something later is known."""
    from whatschat_ops.logs.parsed import HandlerLine, parse

    line = parse(event)
    if not isinstance(line, HandlerLine) or line.ids.connection is None:
        return
    at = datetime.fromtimestamp(event.time_ms / 1000, UTC)
    known = last.get(line.ids.connection)
    if known is None or known.at <= at:
        last[line.ids.connection] = Sent(
            at, line.event if line.route in (None, "$default") else str(line.route)
        )


def watched(row: ConnectionRow, sent: Sent | None) -> WatchedConnection:
    """A row, with what its connection last sent."""
    return WatchedConnection(
        row.connection_id,
        row.user_id,
        row.connected_at,
        sent.route if sent else None,
        sent.at if sent else None,
    )


def changes(
    before: Mapping[str, WatchedConnection], now: Sequence[WatchedConnection], at: datetime
) -> list[ConnectionChange]:
    """What changed between two looks, closed connections first."""
    there = {each.connection_id for each in now}
    found = [ConnectionChange(at, "closed", each) for name, each in before.items() if name not in there]
    for each in now:
        old = before.get(each.connection_id)
        if old is None:
            found.append(ConnectionChange(at, "opened", each))
        elif old.last_sent_at != each.last_sent_at:
            found.append(ConnectionChange(at, "sent", each))
    return found


def watch(run: Run, read: Callable[[], list[ConnectionRow]], interval_s: float) -> None:
    """Show the connections until Ctrl-C: redrawn on a terminal, a line for each change in a pipe."""
    from whatschat_ops.cli.terminal.interrupts import until_interrupted

    with until_interrupted():
        if run.out.is_terminal and not run.out.as_json:
            _redraw(run, _looks(run, read, interval_s))
        else:
            _print_changes(run, _looks(run, read, interval_s))


def _looks(
    run: Run, read: Callable[[], list[ConnectionRow]], interval_s: float
) -> Iterator[list[WatchedConnection]]:
    from whatschat_ops.cli.terminal.repeating import repeated

    activity = Activity(run)
    return repeated(run.out, lambda: activity.of(read()), interval_s)


def _redraw(run: Run, looks: Iterator[list[WatchedConnection]]) -> None:
    from rich.live import Live
    from rich.text import Text

    console = run.out.console()
    with Live(Text("Reading the connections"), console=console, auto_refresh=False) as live:
        for found in looks:
            shown = found[: max(1, console.height - 3)]
            table = render_watched(shown, datetime.now(UTC)).text(console.width, styled=False)
            hidden = f", {len(found) - len(shown):,} not shown" if len(shown) < len(found) else ""
            last = f"{datetime.now():%H:%M:%S}  {len(found):,} open{hidden}. Press Ctrl-C to stop."
            live.update(Text(f"{table}\n{last}"), refresh=True)


def _print_changes(run: Run, looks: Iterator[list[WatchedConnection]]) -> None:
    before: dict[str, WatchedConnection] = {}
    for found in looks:
        for change in changes(before, found, datetime.now(UTC)):
            run.out.stream(change, _change_line)
        before = {each.connection_id: each for each in found}


def _change_line(change: ConnectionChange) -> str:
    of = change.connection
    route = f" {of.last_route}" if change.change == "sent" else ""
    return f"{local_time(change.at)} {of.connection_id} {of.user_id} {change.change}{route}"


def render_watched(rows: Sequence[WatchedConnection], now: datetime) -> Table:
    """A line for each connection."""
    columns = (
        Column("Connection"),
        Column("User"),
        Column("Connected"),
        Column("Last route"),
        Column("Sent", optional=True),
    )
    return Table(
        columns,
        [
            [
                row.connection_id,
                row.user_id,
                relative(row.connected_at, now) if row.connected_at else "",
                row.last_route or "–",
                relative(row.last_sent_at, now) if row.last_sent_at else "",
            ]
            for row in rows
        ],
    )

"""`ws connections`: the open connections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.listing import LimitOption, SortOption, in_order, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.tables import Column, Facts, Table
from whatschat_ops.cli.terminal.times import local_time, relative
from whatschat_ops.cli.ws.connection_row import ConnectionRow, row_of
from whatschat_ops.errors import Missing
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.connections.management import ConnectionInfo

ConnectionArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the connection", show_default=False)
]


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """A connection in the table and in API Gateway; None where it does not exist."""

    row: ConnectionRow | None
    live: ConnectionInfo | None


@dataclass(frozen=True, slots=True)
class DeletedConnection:
    """What deleting a connection did."""

    connection_id: str
    socket_closed: bool
    row_deleted: bool


def list_connections(
    run: Run,
    user: Annotated[
        list[str] | None, typer.Option("--user", "-u", metavar="USER", help="Only connections of this user")
    ] = None,
    include_expired: Annotated[
        bool, typer.Option("--all", help="Include expired rows that are not deleted yet")
    ] = False,
    sort: SortOption = None,
    limit: LimitOption = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", "-w", help="Keep watching until Ctrl-C; in a pipe, print a line for each change"
        ),
    ] = False,
    interval: Annotated[
        float,
        typer.Option(
            "--interval", metavar="SECONDS", min=0.2, help="Seconds between two looks, with --watch"
        ),
    ] = 2.0,
) -> None:
    """List connections.

    Lists the rows of the connections table, newest first. With --watch, also the last route of each connection, from the log of
    the function default.

    Example:
        whatschat-ops ws connections list --user alice
        whatschat-ops ws connections list --sort user_id --limit 20
        whatschat-ops ws connections list --watch
    """
    store = run.connections()

    def read() -> list[ConnectionRow]:
        rows = [row_of(each) for each in store.of_users(tuple(user or ()), include_expired=include_expired)]
        rows.sort(key=lambda row: row.connected_at.timestamp() if row.connected_at else 0.0, reverse=True)
        return rows if sort is None else in_order(ConnectionRow, rows, sort)

    if watch:
        from whatschat_ops.cli.ws.connections_watch import watch as watch_connections

        watch_connections(run, lambda: read()[:limit], interval)
        return
    found = read()
    run.out.result(listed(run.out, ConnectionRow, found, None, limit), _render_list)
    if found:
        run.out.note(f"{counted(len(found), 'connection')}.")


def get(run: Run, connection_id: ConnectionArgument) -> None:
    """Show a connection.

    Shows its row in the table, and what API Gateway knows about it.

    Example: whatschat-ops ws connections get L0SM9cOFvHcCIhw=
    """
    row = run.connections().get(connection_id)
    live = run.connections_api().get(connection_id)
    if row is None and live is None:
        raise Missing(f"There is no connection {connection_id}: neither a row nor a socket.")
    run.out.result(ConnectionDetails(row_of(row) if row else None, live), _render_details)


@audited(connection_id="connection_id", shows=("socket_closed", "row_deleted"))
def delete(run: Run, connection_id: ConnectionArgument, yes: YesOption = False) -> None:
    """Close a connection.

    Also deletes its row.

    Example: whatschat-ops ws connections delete L0SM9cOFvHcCIhw= --yes
    """
    if not run.out.confirm(f"Close the connection {connection_id}?", yes=yes):
        run.out.note("Nothing was changed.")
        return
    store = run.connections()
    row = store.get(connection_id)
    had_row = row is not None
    if row is not None:
        run.acts_on(user_id=row.user_id)
    closed = run.connections_api().delete(connection_id)
    store.delete(connection_id)  # closing a socket runs $disconnect, which may have been faster
    if not closed and not had_row:
        raise Missing(f"There is no connection {connection_id}: neither a row nor a socket.")
    run.out.result(DeletedConnection(connection_id, closed, had_row), _render_deleted)


def _render_list(rows: list[ConnectionRow]) -> Table:
    now = datetime.now(UTC)
    return Table(
        (Column("Connection"), Column("User"), Column("Connected"), Column("Expires", optional=True)),
        [
            [
                Styled(cell, "dim" if row.expired else "")
                for cell in (
                    row.connection_id,
                    row.user_id,
                    relative(row.connected_at, now) if row.connected_at else "",
                    _expiry(row, now),
                )
            ]
            for row in rows
        ],
        empty="No connections.",
    )


def _expiry(row: ConnectionRow, now: datetime) -> str:
    if row.ttl is None:
        return ""
    return f"expired {relative(row.ttl, now)}" if row.expired else relative(row.ttl, now)


def _render_details(details: ConnectionDetails) -> Facts:
    row, live = details.row, details.live
    connected_at = (live and live.connected_at) or (row and row.connected_at) or None
    expires = local_time(row.ttl) if row and row.ttl else ""
    return Facts(
        {
            "User": row.user_id if row else "no row in the table",
            "Connected": local_time(connected_at) if connected_at else "",
            "Row expires": f"{expires} (has expired)" if row and row.expired else expires,
            "Socket": "open" if live else "gone",
            "Last active": local_time(live.last_active_at) if live and live.last_active_at else "",
            "Address": (live and live.source_ip) or "",
            "Client": (live and live.user_agent) or "",
        }
    )


def _render_deleted(result: DeletedConnection) -> str:
    socket = "The socket is closed" if result.socket_closed else "The socket was closed already"
    row = "its row is deleted" if result.row_deleted else "it had no row"
    return f"{socket}; {row}."

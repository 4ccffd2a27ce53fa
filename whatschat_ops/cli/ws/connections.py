"""`ws connections`: the open connections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Missing

if TYPE_CHECKING:
    from whatschat_ops.connections.management import ConnectionInfo
    from whatschat_ops.connections.store import Connection

ConnectionArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the connection", show_default=False)
]


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A row of the connections table."""

    connection_id: str
    user_id: str
    connected_at: datetime | None
    ttl: datetime | None
    expired: bool


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
) -> None:
    """List connections.

    Lists the rows of the connections table, newest first.

    Example: whatschat-ops ws connections list --user alice
    """
    store = run.connections()
    found = [
        _row(connection) for connection in store.of_users(tuple(user or ()), include_expired=include_expired)
    ]
    found.sort(key=lambda row: row.connected_at.timestamp() if row.connected_at else 0.0, reverse=True)
    run.out.result(found, _render_list)
    run.out.note(f"{len(found)} connection{'' if len(found) == 1 else 's'}.")


def get(run: Run, connection_id: ConnectionArgument) -> None:
    """Show a connection.

    Shows its row in the table, and what API Gateway knows about it.

    Example: whatschat-ops ws connections get L0SM9cOFvHcCIhw=
    """
    row = run.connections().get(connection_id)
    live = run.connections_api().get(connection_id)
    if row is None and live is None:
        raise Missing(f"There is no connection {connection_id}: neither a row nor a socket.")
    run.out.result(ConnectionDetails(_row(row) if row else None, live), _render_details)


def delete(run: Run, connection_id: ConnectionArgument, yes: YesOption = False) -> None:
    """Close a connection.

    Also deletes its row.

    Example: whatschat-ops ws connections delete L0SM9cOFvHcCIhw= --yes
    """
    if not run.out.confirm(f"Close the connection {connection_id}?", yes=yes):
        run.out.note("Nothing was changed.")
        return
    store = run.connections()
    had_row = store.get(connection_id) is not None
    closed = run.connections_api().delete(connection_id)
    store.delete(connection_id)  # closing a socket runs $disconnect, which may have been faster
    if not closed and not had_row:
        raise Missing(f"There is no connection {connection_id}: neither a row nor a socket.")
    run.out.result(DeletedConnection(connection_id, closed, had_row), _render_deleted)


def _row(connection: Connection) -> ConnectionRow:
    import time

    return ConnectionRow(
        connection.connection_id,
        connection.user_id,
        connection.connected_at,
        connection.ttl,
        connection.expired(time.time()),
    )


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _render_list(rows: list[ConnectionRow]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("Connection", "User", "Connected", "Expires", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        style = "dim strike" if row.expired else ""
        cells = (row.connection_id, row.user_id, _time(row.connected_at), _time(row.ttl))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _render_details(details: ConnectionDetails) -> Any:
    from rich.table import Table
    from rich.text import Text

    row, live = details.row, details.live
    table = Table.grid(padding=(0, 2))
    known = {
        "User": row.user_id if row else "no row in the table",
        "Connected": _time((live and live.connected_at) or (row and row.connected_at) or None),
        "Row expires": (_time(row.ttl) + (" (has expired)" if row.expired else "")) if row else "",
        "Socket": "open" if live else "gone",
        "Last active": _time(live.last_active_at) if live else "",
        "Address": live.source_ip if live else "",
        "Client": live.user_agent if live else "",
    }
    for name, value in known.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _render_deleted(result: DeletedConnection) -> str:
    socket = "The socket is closed" if result.socket_closed else "The socket was closed already"
    row = "its row is deleted" if result.row_deleted else "it had no row"
    return f"{socket}; {row}."

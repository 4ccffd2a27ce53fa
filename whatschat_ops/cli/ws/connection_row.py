"""A row of the connections table as commands show it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.connections.store import Connection


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A row of the connections table."""

    connection_id: str
    user_id: str
    connected_at: datetime | None
    ttl: datetime | None
    expired: bool


def row_of(connection: Connection) -> ConnectionRow:
    """As it stands now."""
    return ConnectionRow(
        connection.connection_id,
        connection.user_id,
        connection.connected_at,
        connection.ttl,
        connection.expired(time.time()),
    )

"""Asking about one row's socket when an answer is wanted, not an error."""

from __future__ import annotations

from whatschat_ops.connections.parallel import FATAL
from whatschat_ops.connections.pruning import Prober
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import AwsError


def ask(prober: Prober, row: Connection) -> bool | None:
    """Whether the socket is open; None when it could not be found out. Raises what would be the same for all rows."""
    try:
        return prober.is_open(row.connection_id)
    except FATAL:
        raise
    except AwsError:
        return None

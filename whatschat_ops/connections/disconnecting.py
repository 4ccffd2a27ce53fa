"""Closing many sockets: all of them, or those of some users.

Each connection ends as exactly one of closed, gone (it was closed already) and failed. Its row is deleted after that, unless
it was written again; closing a socket also runs `$disconnect`, which may be faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from whatschat_ops.connections.parallel import FATAL, in_threads
from whatschat_ops.connections.store import Connection
from whatschat_ops.connections.tally import Outcome, RowFailure, Tally
from whatschat_ops.errors import AwsError


class Closer(Protocol):
    """What this needs of `Sockets`."""

    def close(self, connection_id: str) -> bool:
        """Close the socket; False when it no longer existed."""
        ...


class Mark(StrEnum):
    """What is counted, as the fields of the report are named."""

    CONNECTIONS = "connections"
    CLOSED = "closed"
    GONE = "gone"
    FAILED = "failed"
    ROWS_DELETED = "rows_deleted"


@dataclass(frozen=True, slots=True)
class DisconnectReport:
    """How it went: `closed`, `gone` and `failed` add up to `connections`, except in a dry run."""

    dry_run: bool
    connections: int
    closed: int
    gone: int
    failed: int
    rows_deleted: int
    failures: tuple[RowFailure, ...]


def disconnect(
    connections: Iterable[Connection],
    closer: Closer,
    delete_row: Callable[[Connection], bool],
    *,
    progress: Callable[[DisconnectReport], None] = lambda _: None,
) -> DisconnectReport:
    """Close every socket and delete its row. Raises what would be the same for all: PermissionDenied, CredentialsError,
    NotFound (no table).
    """
    tally = Tally()
    for outcome in in_threads(connections, lambda row: _close(row, closer, delete_row)):
        tally.add(outcome)
        progress(_report(tally))
    return _report(tally)


def would_disconnect(connections: Iterable[Connection]) -> DisconnectReport:
    """How many it would be."""
    return DisconnectReport(True, sum(1 for _ in connections), 0, 0, 0, 0, ())


def _close(row: Connection, closer: Closer, delete_row: Callable[[Connection], bool]) -> Outcome:
    try:
        ended = Mark.CLOSED if closer.close(row.connection_id) else Mark.GONE
        deleted = (Mark.ROWS_DELETED,) if delete_row(row) else ()
    except FATAL:
        raise
    except AwsError as error:  # a socket whose row stays is not done either: the next run finds it
        return Outcome(row.connection_id, (Mark.CONNECTIONS, Mark.FAILED), error)
    return Outcome(row.connection_id, (Mark.CONNECTIONS, ended, *deleted))


def _report(tally: Tally) -> DisconnectReport:
    return DisconnectReport(dry_run=False, failures=tuple(tally.failures), **tally.by_name(Mark))

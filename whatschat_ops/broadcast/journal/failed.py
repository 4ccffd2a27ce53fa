"""The connections of a run that did not get the message, one by one: there may be more than fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from whatschat_ops.broadcast.journal import file


@dataclass(frozen=True, slots=True)
class FailedConnection:
    """A connection that did not get the message, and why."""

    connection_id: str
    user_id: str
    attempts: int
    reason: str


def failed_connections(directory: Path, run_id: str) -> Iterator[FailedConnection]:
    """Those of a run, in the order in which they were listed. Raises UsageError when there is no such run."""
    path = file.journal_path(directory, run_id)
    with closing(file.open_to_read(path)) as database, file.explaining(path):
        rows = database.execute(
            "SELECT connection_id, user_id, attempts, reason FROM result JOIN target USING (number) "
            "WHERE outcome = ? ORDER BY number",
            (file.FAILED,),
        )
        for row in rows:
            yield FailedConnection(*row)

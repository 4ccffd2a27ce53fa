"""The lock of a journal: one process works on a run.

The lock is SQLite's own, on a file beside the journal: it needs no code for each operating system.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

from whatschat_ops.broadcast.journal.file import explaining, make_private
from whatschat_ops.broadcast.journal.reading import parts_of
from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.moments import local_time

SUFFIX = ".lock"
TIMEOUT_S = 1.0
"""Listing the runs holds the lock for a moment, to find out whether it is held."""


def hold(path: Path, timeout_s: float = TIMEOUT_S) -> sqlite3.Connection | None:
    """Hold a journal for this process until the answer is closed or the process ends; None when another one holds it."""
    lock_file = path.with_suffix(SUFFIX)
    with explaining(lock_file):
        make_private(lock_file)
        lock = sqlite3.connect(lock_file, timeout=timeout_s, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            lock.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None
    return lock


def is_held(path: Path) -> bool:
    """Whether a process works on the run."""
    lock = hold(path, timeout_s=0)
    if lock is None:
        return True
    lock.close()
    return False


def require(path: Path, database: sqlite3.Connection) -> sqlite3.Connection:
    """Hold a journal whose `database` is open. Raises OpsError naming the process that holds it; closes the database then."""
    lock = hold(path)
    if lock is not None:
        return lock
    with explaining(path):
        parts = parts_of(database)
        database.close()
    holder = (
        f"process {parts[-1].process_id} on {parts[-1].host} since {local_time(datetime.fromisoformat(parts[-1].started_at))}"
        if parts
        else "another process"
    )
    raise OpsError(
        f"The broadcast {path.stem} is being worked on by {holder}.",
        hint=Hint(
            ("ws", "broadcast", "--resume", path.stem), "Wait until it has ended, or end that process; then"
        ),
    )

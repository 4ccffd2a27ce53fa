"""Which meetings the embedded Chime service has: read from its file, which no answer of it and no code of ours comes between."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def stored_meetings(path: Path) -> set[str]:
    """The ids of the meetings that exist. Those that ended by themselves are deleted with the next request."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {meeting_id for (meeting_id,) in database.execute("SELECT id FROM meetings")}

"""Which meetings the embedded Chime service has: read from its file, which no answer of it and no code of ours comes between."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def stored_meetings(path: Path) -> dict[str, str]:
    """Id of each meeting that exists -> its client request token. Those that ended by themselves are deleted with the next request."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT id, client_request_token FROM meetings"))

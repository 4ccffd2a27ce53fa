"""The meetings on disk: a SQLite database, in which each change writes only the rows that it changes.

Every change is in the database's log before its response is sent, so a killed process loses nothing (SQLite,
"Write-Ahead Logging"; a power failure may lose the last changes, but does not corrupt the database). Earlier versions
stored all meetings in one JSON file, `chime.json`, which is migrated when it is found. They did not know who was connected, so
their meetings end after 24 hours only, unless an attendee leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from whatschat_ops.errors import Hint, LocalError
from whatschat_ops.local.chime.meeting import Attendee, Meeting

FORMAT: Final = 2
"""`user_version` of the database. 1 knew no connected attendees."""
OLD_NAME: Final = "chime.json"
OLD_FORMAT: Final = 1
"""`format` of the JSON file."""

Change = tuple[str, Sequence[object]]
"""A statement and its values."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meetings (
    id TEXT PRIMARY KEY, arn TEXT, region TEXT, client_request_token TEXT, created_at REAL, request TEXT, tags TEXT,
    empty_since REAL
);
CREATE TABLE IF NOT EXISTS attendees (
    meeting_id TEXT, id TEXT, external_user_id TEXT, join_token TEXT, capabilities TEXT,
    connected_at REAL, PRIMARY KEY (meeting_id, id)
);
"""
_FROM_1: Final = """
ALTER TABLE meetings ADD COLUMN empty_since REAL;
ALTER TABLE attendees ADD COLUMN connected_at REAL;
"""
_PUT_MEETING: Final = (
    "INSERT INTO meetings VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET tags = excluded.tags, empty_since = excluded.empty_since"
)
_PUT_ATTENDEE: Final = (
    "INSERT INTO attendees VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (meeting_id, id)"
    " DO UPDATE SET capabilities = excluded.capabilities, connected_at = excluded.connected_at"
)


def put_meeting(meeting: Meeting) -> list[Change]:
    """Insert a meeting's row without its attendees, or update what changes of one."""
    made = (meeting.id, meeting.arn, meeting.region, meeting.client_request_token, meeting.created_at)
    changing = (json.dumps(meeting.tags), meeting.empty_since)
    return [(_PUT_MEETING, (*made, json.dumps(meeting.request), *changing))]


def put_attendee(meeting_id: str, attendee: Attendee) -> list[Change]:
    """Insert an attendee's row, or update what changes of one."""
    made = (meeting_id, attendee.id, attendee.external_user_id, attendee.join_token)
    return [(_PUT_ATTENDEE, (*made, json.dumps(attendee.capabilities), attendee.connected_at))]


def delete_meeting(meeting_id: str) -> list[Change]:
    """Delete a meeting's row and those of its attendees."""
    return [
        ("DELETE FROM meetings WHERE id = ?", (meeting_id,)),
        ("DELETE FROM attendees WHERE meeting_id = ?", (meeting_id,)),
    ]


def delete_attendee(meeting_id: str, attendee_id: str) -> list[Change]:
    """Delete an attendee's row."""
    return [("DELETE FROM attendees WHERE meeting_id = ? AND id = ?", (meeting_id, attendee_id))]


class MeetingFile:
    """The database at `path`. It is created with the first change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def load(self) -> list[Meeting]:
        """All meetings, in the order in which they were created. Raises LocalError, naming the file that cannot be
        read.
        """
        self._move_old_file()
        if not self._path.exists():
            return []
        with _named(self._path):
            return self._read()

    def write(self, changes: Iterable[Change]) -> None:
        """Apply the changes, all or none. Raises OSError."""
        try:
            database = self._open()
            with database:
                for statement, values in changes:
                    database.execute(statement, values)
        except sqlite3.Error as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Checkpoint the log and close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(
                os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            )  # only the owner may read the join tokens
            # The service makes one call at a time, but not always from the same thread.
            self._database = sqlite3.connect(self._path, check_same_thread=False)
            weakref.finalize(self, self._database.close)
            _prepare(self._database)
        return self._database

    def _read(self) -> list[Meeting]:
        database = self._open()
        # An update does not change a row's rowid.
        meetings = {
            row_id: Meeting(
                row_id, arn, region, token, created_at, json.loads(request), {}, json.loads(tags), empty
            )
            for row_id, arn, region, token, created_at, request, tags, empty in database.execute(
                "SELECT * FROM meetings ORDER BY rowid"
            )
        }
        for meeting_id, row_id, user_id, token, capabilities, connected_at in database.execute(
            "SELECT * FROM attendees ORDER BY rowid"
        ):
            meetings[meeting_id].attendees[row_id] = Attendee(
                row_id, user_id, token, json.loads(capabilities), connected_at
            )
        return list(meetings.values())

    def _move_old_file(self) -> None:
        """If a kill interrupts this, the next start repeats it and writes the same rows."""
        old = self._path.with_name(OLD_NAME)
        if not old.exists():
            return
        with _named(old):
            meetings = _read_old_file(old)
        with _named(self._path):
            self.write(change for meeting in meetings for change in _all_rows(meeting))
        old.unlink()


def _prepare(database: sqlite3.Connection) -> None:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, 1, FORMAT):
        raise ValueError(f"format {version} is not {FORMAT}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if version == 0:
        database.executescript(f"{_TABLES}; PRAGMA user_version = {FORMAT}")
    if version == 1:
        database.executescript(f"BEGIN; {_FROM_1}; PRAGMA user_version = {FORMAT}; COMMIT")


def _all_rows(meeting: Meeting) -> Iterator[Change]:
    yield from put_meeting(meeting)
    for attendee in meeting.attendees.values():
        yield from put_attendee(meeting.id, attendee)


def _read_old_file(path: Path) -> list[Meeting]:
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["format"] != OLD_FORMAT:
        raise ValueError(f"format {document['format']} is not {OLD_FORMAT}")
    return [_meeting(fields) for fields in document["meetings"]]


def _meeting(fields: dict[str, Any]) -> Meeting:
    attendees = {key: Attendee(**value) for key, value in fields.pop("attendees").items()}
    return Meeting(**fields, attendees=attendees)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn every error in reading `path` into one that names it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OSError, sqlite3.Error) as error:
        raise LocalError(
            f"The embedded Chime service cannot read its meetings in {path}: {error}",
            hint=Hint(("local", "reset")),
        ) from error

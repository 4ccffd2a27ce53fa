"""The SQLite file of a journal: its tables, its lock, and what its errors mean to a user.

    run      what it is; written once. What changes is elsewhere: to change a row is to write all of it, and the message
             may have 128 KB
    state, listing, claim   one row each: how far it is
    target   the connections to send to, in order: `number` is 1, 2, 3... without gaps, and never changes
    result   outcomes, one row for a number; what is claimed and has no row is in flight, or was when the process was killed
    again    what is claimed again: in doubt after a kill, or failed and retried
    gone     rows of the table to delete, and whether that was done
    part     the processes that worked on the run, one after the other
    mark     what a distributed run remembers

Statements that touch many rows are made of many VALUES, or answer with one row of JSON: sqlite3 gives the interpreter
lock away at every step, and each time another busy thread may hold it for 5 ms.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from whatschat_ops.errors import Hint, Missing, OpsError, UsageError
from whatschat_ops.files import refused, variable_of

FORMAT = 1
SUFFIX = ".sqlite"
BUSY_TIMEOUT_S = 10.0

SCHEMA = """
CREATE TABLE run (
    format INTEGER NOT NULL, run_id TEXT NOT NULL, created_at TEXT NOT NULL, environment TEXT NOT NULL,
    stack TEXT NOT NULL, table_name TEXT NOT NULL, region TEXT NOT NULL, callback_url TEXT NOT NULL,
    message BLOB NOT NULL, message_id TEXT NOT NULL, selection TEXT NOT NULL, policy TEXT NOT NULL,
    engine TEXT NOT NULL, caller_arn TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT 'broadcast'
);
CREATE TABLE state (state TEXT NOT NULL, ended_at TEXT, closing TEXT, earlier_attempts INTEGER NOT NULL);
CREATE TABLE listing (position TEXT, complete INTEGER NOT NULL);
CREATE TABLE claim (up_to INTEGER NOT NULL);
INSERT INTO state VALUES ('running', NULL, NULL, 0);
INSERT INTO listing VALUES (NULL, 0);
INSERT INTO claim VALUES (0);
CREATE TABLE target (
    number INTEGER PRIMARY KEY, connection_id TEXT NOT NULL, user_id TEXT NOT NULL, connected_at TEXT NOT NULL
);
CREATE TABLE result (
    number INTEGER PRIMARY KEY, outcome INTEGER NOT NULL, attempts INTEGER NOT NULL, latency_us INTEGER NOT NULL,
    reason TEXT
);
CREATE TABLE again (number INTEGER PRIMARY KEY, begun INTEGER NOT NULL);
CREATE TABLE gone (number INTEGER PRIMARY KEY, pruning INTEGER NOT NULL);
CREATE INDEX to_prune ON gone (number) WHERE pruning = 0;
CREATE TABLE part (
    id INTEGER PRIMARY KEY, process_id INTEGER NOT NULL, host TEXT NOT NULL, started_at TEXT NOT NULL,
    seen_at TEXT NOT NULL, in_doubt INTEGER NOT NULL DEFAULT 0, throttled INTEGER NOT NULL DEFAULT 0,
    active_s REAL NOT NULL DEFAULT 0, not_pruned_because TEXT NOT NULL DEFAULT ''
);
CREATE TABLE mark (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

OUTCOMES = ("delivered", "gone", "failed")
"""An outcome's number in `result` is its place here."""
DELIVERED, GONE, FAILED = range(3)
PRUNINGS = ("to_prune", "pruned", "rewritten", "prune_failed")
"""Likewise `pruning` in `gone`."""
TO_PRUNE, PRUNED, REWRITTEN, PRUNE_FAILED = range(4)

LIST = Hint(("ws", "broadcasts", "list"))

_MOST_VALUES = 640
"""In one statement: SQLite before 3.32 takes 999, and longer ones gain nothing."""


def journal_path(directory: Path, run_id: str) -> Path:
    """Where the journal of a run is. Raises UsageError for what cannot be the id of a run."""
    if not run_id or not all(c.isascii() and (c.isalnum() or c == "-") for c in run_id):
        raise UsageError(f"{run_id!r} is not the id of a run.", hint=LIST)
    return directory / f"{run_id}{SUFFIX}"


def create(path: Path, run: Mapping[str, Any]) -> sqlite3.Connection:
    """A new file with empty tables and the row of its run, readable by its owner only."""
    columns = ", ".join(("format", *run))
    marks = ", ".join("?" * (1 + len(run)))
    new = path.with_suffix(".new")
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        for leftover in ("", "-journal", "-wal", "-shm"):  # of a process that was killed here
            new.with_name(new.name + leftover).unlink(missing_ok=True)
        make_private(new)
        with closing(sqlite3.connect(new, isolation_level=None)) as database:
            # A power failure within the first second may lose the whole run: `Journal.note_progress` forces it to the disk.
            database.execute("PRAGMA synchronous = OFF")
            with transaction(database):
                for statement in SCHEMA.split(";")[:-1]:
                    database.execute(statement)
                database.execute(f"INSERT INTO run ({columns}) VALUES ({marks})", (FORMAT, *run.values()))
            # Before the file has its name: a kill in the middle of this would leave something to be rolled back.
            database.execute("PRAGMA journal_mode = WAL")
        new.rename(path)  # a kill leaves a whole journal or none
    return open_to_write(path)


def open_to_write(path: Path) -> sqlite3.Connection:
    """An existing file. Raises Missing when there is none, OpsError when it is not a journal."""
    with explaining(path):
        _require(path)
        return _checked(_connect(path), path)


def open_to_read(path: Path) -> sqlite3.Connection:
    """An existing file, for reading only: a process that writes to it is not disturbed."""
    with explaining(path):
        _require(path)
        try:
            return _checked(_connect_to_read(path), path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
        # A kill in the middle of a write leaves something to roll back, which a reader may not do: a writer does it.
        _checked(_connect(path), path).close()
        return _checked(_connect_to_read(path), path)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
    )


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into an OpsError that says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _explained(path, error) from error


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite itself has rolled back when the disk is full
            database.execute("ROLLBACK")
        raise


def insert(
    database: sqlite3.Connection, table: str, columns: Sequence[str], values: Sequence[Any], **same: int
) -> int:
    """Insert rows whose `values` come one after the other, leaving existing rows alone. Returns how many were inserted.

    `same` are columns that have one value in all of them.
    """
    width, at, inserted = len(columns), 0, 0
    for rows in (_MOST_VALUES // width, 16, 1):
        statement = _insert_statement(table, tuple(columns), tuple(same.items()), rows)
        while len(values) - at >= rows * width:
            inserted += database.execute(statement, values[at : at + rows * width]).rowcount
            at += rows * width
    return inserted


@cache
def _insert_statement(
    table: str, columns: tuple[str, ...], same: tuple[tuple[str, int], ...], rows: int
) -> str:
    names = ", ".join([*columns, *(name for name, _ in same)])
    row = ", ".join([*("?" for _ in columns), *(str(value) for _, value in same)])
    return f"INSERT OR IGNORE INTO {table} ({names}) VALUES {', '.join([f'({row})'] * rows)}"


def make_private(path: Path) -> None:
    """Make the file, for its owner only. One that exists is not opened: closing it would end this process's locks on it."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing, a power failure the last moments: no fsync for every batch.
        database.execute("PRAGMA synchronous = NORMAL")
        # `Journal.note_progress` moves the log to the file, beside the writing; this is for callers that do not call it.
        database.execute("PRAGMA wal_autocheckpoint = 25000")
    except BaseException:
        database.close()
        raise
    return database


def _require(path: Path) -> None:
    if not path.is_file():
        raise Missing(
            f"There is no broadcast {path.stem}: {path} does not exist.",
            hint=LIST,
        )


def _delete(path: Path) -> Hint:
    return Hint(("ws", "broadcasts", "delete", path.stem))


def _checked(database: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        (found,) = database.execute("SELECT format FROM run").fetchone()
        if found != FORMAT:
            raise OpsError(
                f"The journal {path} was written in format {found}: this version reads format {FORMAT}.",
                hint=_delete(path),
            )
    except BaseException:
        database.close()
        raise
    return database


def _explained(path: Path, error: sqlite3.Error | OSError) -> OpsError:
    code = (
        getattr(error, "sqlite_errorcode", None) or 0
    ) & 0xFF  # the rest of the number is SQLite's extended code
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return OpsError(
            f"The journal {path} cannot be written: the disk is full.",
            hint=Hint(("ws", "broadcast", "--resume", path.stem), "Free some space, then"),
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(error):
        return OpsError(f"The journal {path} is damaged: {error}.", hint=_delete(path))
    if isinstance(error, OSError):
        return refused(error, path, written=True)
    return OpsError(
        f"The journal {path} cannot be used: {error}.",
        hint=f"Check it, or set {variable_of(path) or 'WHATSCHAT_OPS_STATE_DIR'} to a directory of yours.",
    )

"""The journal of one broadcast: its connections, which of them were begun, and their outcomes. One SQLite file per run.

    add() ──▶ target ──▶ claim() ──▶ sender ──▶ record_results() ──▶ result, gone ──▶ unpruned(), mark_pruned()

A target is written down as begun before it is handed out. So whatever moment the process is killed at: what has a
result has it for good; what is begun and has none is in doubt (it may have got the message), is counted and begun
again; the rest was not begun; and the list goes on after its last whole page. An attempt without an answer is counted
as in doubt before its target is sent to again. So no second copy can arrive that `in_doubt` does not count.

All writing goes through one connection and one lock: a batch of some hundred rows takes about a millisecond, so no thread
waits long, and SQLite's own waiting for a busy file (which sleeps) never happens.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Self

from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.journal import file, lock
from whatschat_ops.broadcast.journal.claims import Claims
from whatschat_ops.broadcast.journal.gone import GoneRow, mark_rows, unpruned_rows
from whatschat_ops.broadcast.journal.reading import (
    STANDING,
    Standing,
    closing_of,
    record_of,
    remembered_standing,
    standing_of,
    summary_of,
)
from whatschat_ops.broadcast.journal.record import RunRecord, timestamp
from whatschat_ops.broadcast.journal.results import GONE_COLUMNS, OTHER_COLUMNS, USUAL_COLUMNS, rows_of
from whatschat_ops.broadcast.journal.summary import (
    Counts,
    FailureGroup,
    Percentiles,
    Pruning,
    RunState,
    RunSummary,
)
from whatschat_ops.sender.model import Result, Target


class Journal:
    """The journal of one run, held by this process alone. Every method may be called from any thread.

    Every method raises OpsError when the disk is full or the file is damaged.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, lock_file: sqlite3.Connection) -> None:
        """Use `create` or `open`."""
        self.path = path
        self._db = database
        self._mover = file.open_to_write(path)
        self._lock_file = lock_file
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        with file.explaining(path):
            self.record = record_of(database)
            self._position: str | None
            self._position, complete = database.execute("SELECT position, complete FROM listing").fetchone()
            self._claims = Claims(database)
            self._part = self._begin_part()
            self._standing = remembered_standing(database) or standing_of(database)
        self._failures: tuple[FailureGroup, ...] | None = None
        self.retries_failed = False
        """Whether a distributed run is to send again to what failed; a local one has queued it."""
        self._list_complete = bool(complete)

    @classmethod
    def create(cls, directory: Path, record: RunRecord) -> Self:
        """Start the journal of a run in `directory`, which is made (mode 0700) if it is not there."""
        path = file.journal_path(directory, record.run_id)
        database = file.create(path, asdict(record))
        return cls(path, database, lock.require(path, database))

    @classmethod
    def open(cls, directory: Path, run_id: str, *, retry_failed: bool = False) -> Self:
        """Go on with a run: what is in doubt will be claimed again, with `retry_failed` what failed, too.

        Raises UsageError when there is no such run, OpsError when another process works on it.
        """
        path = file.journal_path(directory, run_id)
        database = file.open_to_write(path)
        journal = cls(path, database, lock.require(path, database))
        journal._queue_again(retry_failed=retry_failed)
        journal.retries_failed = retry_failed
        return journal

    # -- the list

    @property
    def position(self) -> str | None:
        """Where the source goes on; None: from the start."""
        return self._position

    @property
    def list_complete(self) -> bool:
        """Whether every target is written down."""
        return self._list_complete

    @property
    def begun_by_claim(self) -> bool:
        """Whether targets are begun in the order of their numbers, by `claim`."""
        return self._claims.up_to > 0

    @property
    def not_begun(self) -> int:
        """How many targets are listed behind the last one that was claimed."""
        return self._standing.counts.listed - self._claims.up_to

    def add(self, page: Page) -> None:
        """Append a page and its position, together or not at all."""
        values = list(chain.from_iterable(page.rows))
        with self._writing():
            # SQLite gives the number after the highest; rows are never deleted, so there are no gaps.
            file.insert(self._db, "target", Row._fields, values)
            self._db.execute("UPDATE listing SET position = ?", (page.position,))
            self._add_counts(listed=len(page.rows))
            self._position = page.position

    def finish_listing(self) -> None:
        """No more pages will come."""
        with self._writing():
            self._db.execute("UPDATE listing SET complete = 1")
            self._list_complete = True

    # -- the sending

    def claim(self, limit: int) -> Sequence[Target] | None:
        """The next targets, written down as begun. Empty: none now; None: no more. A sender's NextTargets."""
        with self._lock, file.explaining(self.path):
            batch = self._claims.take(limit, self._standing.counts.listed)
            return None if not batch and self._list_complete else batch

    def record_results(self, results: Sequence[Result]) -> None:
        """Write down how it ended; a sender's OnResults. An outcome that is there already stays."""
        rows = rows_of(results)
        with self._writing():
            inserted = file.insert(
                self._db, "result", USUAL_COLUMNS, rows.usual, outcome=file.DELIVERED, attempts=1
            )
            inserted += file.insert(self._db, "result", OTHER_COLUMNS, rows.others)
            if rows.gone:
                file.insert(self._db, "gone", GONE_COLUMNS, rows.gone)
            if inserted == len(results):
                self._add_counts(**rows.counts)
                self._standing.latencies.record_us(rows.latencies_us)
            else:
                self._standing = standing_of(self._db)

    def add_in_doubt(self, connections: int) -> None:
        """Count connections that may have got the message and are sent to again: after an attempt without an answer (a
        sender's OnInDoubt), or because a worker died that had begun them."""
        with self._writing():
            self._note_doubt(connections)
            self._add_counts(in_doubt=connections)

    def note_progress(self, throttled: int) -> None:
        """Note the time, and how often the account was `throttled`. To be called about every second, from a thread that may wait.

        It also moves SQLite's log into the file, on a connection of its own: that takes an fsync, which holds up no other thread.
        """
        with file.explaining(self.path):
            self._mover.execute("PRAGMA wal_checkpoint(PASSIVE)")
        with self._writing():
            self._db.execute(
                "UPDATE part SET seen_at = ?, active_s = ?, throttled = ? WHERE id = ?",
                (timestamp(), self.active_s, throttled, self._part),
            )

    # -- the pruning

    def unpruned(self, limit: int) -> list[GoneRow]:
        """Gone rows to delete that this part of the run has not tried to."""
        with self._lock, file.explaining(self.path):
            return unpruned_rows(self._db, limit)

    def mark_pruned(self, numbers: Sequence[int], pruning: Pruning, why: str = "") -> None:
        """Write down what became of rows; `why` their deletion failed."""
        with self._writing():
            mark_rows(self._db, numbers, pruning)
            if why:
                self._db.execute("UPDATE part SET not_pruned_because = ? WHERE id = ?", (why, self._part))
            self._add_counts(**{pruning.value: len(numbers)})

    # -- the rest

    def set_standing(self, standing: Standing, failures: tuple[FailureGroup, ...], why: str) -> None:
        """How the connections of a distributed run stand: no connection of it is in this file. `why` rows were not deleted."""
        with self._writing():
            self._standing, self._failures = standing, failures
            self._db.execute(
                "INSERT OR REPLACE INTO mark VALUES (?, ?)",
                (STANDING, closing_of(self._db, standing, failures)),
            )
            self._db.execute("UPDATE part SET not_pruned_because = ? WHERE id = ?", (why, self._part))

    @property
    def throttled_before(self) -> int:
        """How often the account was throttled in earlier parts of the run."""
        with self._lock, file.explaining(self.path):
            question = "SELECT coalesce(sum(throttled), 0) FROM part WHERE id < ?"
            return int(self._db.execute(question, (self._part,)).fetchone()[0])

    def marks(self, prefix: str = "") -> dict[str, str]:
        """What is remembered under keys that begin with `prefix`, sorted by key."""
        with self._lock, file.explaining(self.path):
            rows = self._db.execute(
                "SELECT key, value FROM mark WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
            )
            return dict(rows.fetchall())

    def counts(self) -> Counts:
        """How the connections stand."""
        with self._lock:
            return self._standing.counts

    def latencies(self) -> Percentiles | None:
        """Those of what is delivered or gone so far; None when nothing is."""
        with self._lock:
            return Percentiles.of(self._standing.latencies)

    @property
    def active_s(self) -> float:
        """How long this process has been working on the run."""
        return time.monotonic() - self._started_s

    def close(self, state: RunState, *, in_order: bool = True) -> RunSummary:
        """Write down how this part of the run ended, and close the file.

        `in_order`: nothing is in flight, so what has no outcome is not in doubt.
        """
        with self._writing():
            self._claims.give_back(in_order=in_order and self._standing.counts.pending > 0)
            self._db.execute(
                "UPDATE part SET seen_at = ?, active_s = ? WHERE id = ?",
                (timestamp(), self.active_s, self._part),
            )
            self._db.execute(
                "UPDATE state SET state = ?, ended_at = ?, closing = ?",
                (state, timestamp(), closing_of(self._db, self._standing, self._failures)),
            )
            summary = summary_of(self._db, held=False)
        self.abandon()
        return summary

    def abandon(self) -> None:
        """Close the file and leave it as a kill would."""
        with self._lock, file.explaining(self.path):
            self._mover.close()
            self._db.close()
            self._lock_file.close()

    # -- inside: the lock is held, SQLite's errors are turned into ours by the caller

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, file.explaining(self.path), file.transaction(self._db):
            yield

    def _begin_part(self) -> int:
        with file.transaction(self._db):
            self._db.execute(
                "UPDATE state SET state = ?, ended_at = NULL, closing = NULL", (RunState.RUNNING,)
            )
            self._db.execute(
                "UPDATE gone SET pruning = ? WHERE pruning = ?", (file.TO_PRUNE, file.PRUNE_FAILED)
            )
            now = timestamp()
            part = self._db.execute(
                "INSERT INTO part (process_id, host, started_at, seen_at) VALUES (?, ?, ?, ?)",
                (os.getpid(), socket.gethostname(), now, now),
            ).lastrowid
        return int(part or 0)

    def _queue_again(self, *, retry_failed: bool) -> None:
        with self._writing():
            self._note_doubt(self._claims.queue_in_doubt())
            if retry_failed:
                self._note_doubt(self._claims.queue_failed())
            self._standing = remembered_standing(self._db) or standing_of(self._db)

    def _note_doubt(self, connections: int) -> None:
        self._db.execute("UPDATE part SET in_doubt = in_doubt + ? WHERE id = ?", (connections, self._part))

    def _add_counts(self, **more: int) -> None:
        counts, latencies = self._standing
        grown = replace(counts, **{name: getattr(counts, name) + more[name] for name in more})
        self._standing = Standing(grown, latencies)

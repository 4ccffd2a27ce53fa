"""A process that works on a run until it is finished or killed: python -m tests.component.broadcast.broadcast_victim DIRECTORY RUN ROWS HOLD.

Connections that got the message are appended to the file `got`, deleted rows to `deleted`, each before the journal learns
of it, as on AWS. Every tenth connection is gone. When `got` has HOLD bytes the run stops and waits to be killed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.unit.broadcast.broadcast_fakes import PagedRows, RecordingEngine, RecordingPruner, record
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import resume
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.broadcast.run import run_broadcast
from whatschat_ops.sender.model import Target

PAUSE_S = 0.003
"""What a batch takes, so that there is time to be killed."""


class EveryTenth:
    """The ids of connections that are gone."""

    def __contains__(self, connection_id: object) -> bool:
        return str(connection_id).endswith("0")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Ledger:
    """A file that lines are appended to, in one write that a kill cannot cut."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    @property
    def size_bytes(self) -> int:
        """How much was written, earlier runs included."""
        return os.fstat(self._file).st_size

    def add(self, lines: Sequence[str]) -> None:
        """Append them."""
        if lines:
            os.write(self._file, "".join(f"{line}\n" for line in lines).encode())


class LedgerPruner(RecordingPruner):
    """Writes down what it deletes."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __call__(self, rows: Sequence[GoneRow]) -> Sequence[Pruning]:
        self._ledger.add([row.connection_id for row in rows])
        return super().__call__(rows)


def main(directory: Path, run_id: str, rows: int, hold_at_bytes: int) -> None:
    """Begin the run or go on with it."""
    os.write(1, b"working\n")
    here: dict[str, Any] = {
        "environment": "test",
        "stack": "whatschat-test",
        "table": "websocket-connections",
        "callback_url": record(run_id).callback_url,
    }
    if (directory / f"{run_id}.sqlite").exists():
        journal = resume(directory, run_id, **here)
    else:
        journal = Journal.create(directory, record(run_id))
    if journal is None:
        return
    gone, got, deleted = EveryTenth(), Ledger(directory / "got"), Ledger(directory / "deleted")

    def deliver(targets: Sequence[Target]) -> None:
        time.sleep(PAUSE_S)
        got.add([target.connection_id for target in targets if target.connection_id not in gone])
        while got.size_bytes >= hold_at_bytes:
            time.sleep(1)

    engine = RecordingEngine(gone, batch=40, before_results=deliver)
    run_broadcast(journal, PagedRows(rows, 200), engine, LedgerPruner(deleted))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

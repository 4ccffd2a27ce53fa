"""Deletes the rows of gone connections that a journal knows, while the run goes on. How rows are deleted: worker/pruning.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.errors import AwsError, PermissionDenied, Rejected
from whatschat_ops.quotas import MAX_BATCH_STATEMENTS
from whatschat_ops.worker.pruning import DeleteRefused
from whatschat_ops.worker.pruning import RowPruner as TablePruner

THREADS = 4
POLL_S = 0.25
HOPELESS = 8
"""After this many failed requests in a row the remaining rows are kept: the run must come to its end."""

Prune = Callable[[Sequence[GoneRow]], Sequence[Pruning]]
"""Deletes at most 25 rows that are still the ones read; says what became of each. Raises AwsError when nothing is known."""


class RowPruner:
    """A Prune for one table. Thread-safe."""

    def __init__(self, aws: Aws, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._table = table
        self._prune = TablePruner(lambda: aws.client("dynamodb"), table, sleep=sleep)

    def __call__(self, rows: Sequence[GoneRow]) -> Sequence[Pruning]:
        """Delete them. What DynamoDB throttles is retried a few times."""
        try:
            return self._prune(rows)
        except DeleteRefused as error:
            kind = PermissionDenied if error.code == "AccessDenied" else Rejected
            raise kind(
                f"BatchExecuteStatement: {error} ({error.code})",
                hint=f"The identity needs dynamodb:PartiQLDelete on the table {self._table}.",
                aws_code=error.code,
                operation="BatchExecuteStatement",
            ) from error


def prune_gone(
    journal: Journal,
    prune: Prune,
    *,
    finished: threading.Event,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Prune what the journal finds gone, until there is no more after `finished`. Failures are counted, not raised."""
    failures = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="broadcast-pruning") as pool:
        while not should_stop() and failures < HOPELESS:
            over = finished.is_set()  # asked first: what was recorded before it was set is seen below
            rows = journal.unpruned(MAX_BATCH_STATEMENTS * THREADS)
            batches = [
                rows[at : at + MAX_BATCH_STATEMENTS] for at in range(0, len(rows), MAX_BATCH_STATEMENTS)
            ]
            for succeeded in pool.map(lambda batch: _prune_batch(journal, prune, batch), batches):
                failures = 0 if succeeded else failures + 1
            if not rows:
                if over:
                    return
                finished.wait(POLL_S)


def _prune_batch(journal: Journal, prune: Prune, rows: Sequence[GoneRow]) -> bool:
    try:
        became = prune(rows)
    except AwsError as error:
        journal.mark_pruned([row.number for row in rows], Pruning.PRUNE_FAILED, error.message)
        return False
    for pruning in Pruning:
        numbers = [row.number for row, this in zip(rows, became, strict=True) if this is pruning]
        if numbers:
            journal.mark_pruned(numbers, pruning)
    return True

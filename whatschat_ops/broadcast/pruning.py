"""Deletes rows whose connection is gone, 25 in a request, each only if it is still the row that was read.

Between reading a row and learning that its socket is gone, the id may have been written again: such a row stays.

DynamoDB's BatchWriteItem knows no conditions; a batch of PartiQL statements does. Of a DELETE whose WHERE names the key
and more, AWS says: no such item is a success, an item for which the rest is not true is a ConditionalCheckFailed
(developer guide, "PartiQL delete statements"); a batch has at most 25 statements, its answers come in their order, and
HTTP 200 does not mean that all of them succeeded (API reference, BatchExecuteStatement). One request costs about a
millisecond of boto3's time, whatever is in it. The caller needs dynamodb:PartiQLDelete on the table.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.journal.gone import GoneRow
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.summary import Pruning
from whatschat_ops.errors import AwsError, PermissionDenied, Rejected
from whatschat_ops.quotas import MAX_BATCH_STATEMENTS

THREADS = 4
POLL_S = 0.25
HOPELESS = 8
"""After this many failed requests in a row the remaining rows are kept: the run must come to its end."""

Prune = Callable[[Sequence[GoneRow]], Sequence[Pruning]]
"""Deletes at most 25 rows that are still the ones read; says what became of each. Raises AwsError when nothing is known."""

_TRY_AGAIN = {
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "ThrottlingError",
    "InternalServerError",
    "TransactionConflict",
}
_ATTEMPTS = 5
_FIRST_PAUSE_S = 0.1


class RowPruner:
    """A Prune for one table. Thread-safe."""

    def __init__(self, aws: Aws, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._aws = aws  # the client is made when a row is to be deleted: in many runs none is
        self._table = table
        self._sleep = sleep

    def __call__(self, rows: Sequence[GoneRow]) -> Sequence[Pruning]:
        """Delete them. What DynamoDB throttles is retried a few times."""
        became: dict[str, Pruning] = {}
        waiting = {row.connection_id: row for row in rows}  # an item may be named only once in a batch
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))
            became.update(self._once(list(waiting.values())))
            waiting = {name: row for name, row in waiting.items() if name not in became}
            if not waiting:
                break
        return [became.get(row.connection_id, Pruning.PRUNE_FAILED) for row in rows]

    def _once(self, rows: Sequence[GoneRow]) -> Iterator[tuple[str, Pruning]]:
        """What became of each row, except those to retry."""
        client = self._aws.client("dynamodb")
        answer = client.batch_execute_statement(Statements=[self._statement(row) for row in rows])
        for row, response in zip(rows, answer["Responses"], strict=True):
            became = self._became(response.get("Error"))
            if became is not None:
                yield row.connection_id, became

    def _statement(self, row: GoneRow) -> dict[str, Any]:
        delete = f'DELETE FROM "{self._table}" WHERE connectionId = ? AND connectedAt'
        key = {"S": row.connection_id}
        if not row.connected_at:
            return {"Statement": f"{delete} IS MISSING", "Parameters": [key]}
        return {"Statement": f"{delete} = ?", "Parameters": [key, json.loads(row.connected_at)]}

    def _became(self, error: Mapping[str, str] | None) -> Pruning | None:
        if error is None:
            return Pruning.PRUNED
        code, why = error.get("Code", ""), error.get("Message", "")
        if code == "ConditionalCheckFailed":
            return Pruning.REWRITTEN
        if code in _TRY_AGAIN:
            return None
        kind = PermissionDenied if code == "AccessDenied" else Rejected
        raise kind(
            f"BatchExecuteStatement: {why} ({code})",
            hint=f"The identity needs dynamodb:PartiQLDelete on the table {self._table}.",
            aws_code=code,
            operation="BatchExecuteStatement",
        )


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

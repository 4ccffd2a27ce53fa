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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol

_ATTEMPTS: Final = 5
_FIRST_PAUSE_S: Final = 0.1
_TRY_AGAIN: Final = {
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "ThrottlingError",
    "InternalServerError",
    "TransactionConflict",
}


class Pruning(StrEnum):
    """What became of the row of a gone connection."""

    PRUNED = "pruned"
    REWRITTEN = "rewritten"
    PRUNE_FAILED = "prune_failed"


class GoneRow(Protocol):
    """A row whose connection is gone. `connected_at` is the attribute as it was read (DynamoDB JSON)."""

    @property
    def connection_id(self) -> str:
        """Its key."""
        ...

    @property
    def connected_at(self) -> str:
        """When it was written."""
        ...


class DeleteRefused(Exception):
    """DynamoDB refuses to delete; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RowPruner:
    """Deletes rows of one table. Thread-safe."""

    def __init__(
        self, client: Callable[[], Any], table: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`client` gives the client when a row is to be deleted: in many runs none is."""
        self._client = client
        self._table = table
        self._sleep = sleep

    def __call__(self, rows: Sequence[GoneRow]) -> Sequence[Pruning]:
        """Delete as many as one request may. What DynamoDB throttles is retried a few times. Raises DeleteRefused and what the client raises."""
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
        answer = self._client().batch_execute_statement(Statements=[self._statement(row) for row in rows])
        for row, response in zip(rows, answer["Responses"], strict=True):
            became = _became(response.get("Error"))
            if became is not None:
                yield row.connection_id, became

    def _statement(self, row: GoneRow) -> dict[str, Any]:
        delete = f'DELETE FROM "{self._table}" WHERE connectionId = ? AND connectedAt'
        key = {"S": row.connection_id}
        if not row.connected_at:
            return {"Statement": f"{delete} IS MISSING", "Parameters": [key]}
        return {"Statement": f"{delete} = ?", "Parameters": [key, json.loads(row.connected_at)]}


def _became(error: Mapping[str, str] | None) -> Pruning | None:
    if error is None:
        return Pruning.PRUNED
    code = error.get("Code", "")
    if code == "ConditionalCheckFailed":
        return Pruning.REWRITTEN
    if code in _TRY_AGAIN:
        return None
    raise DeleteRefused(code, error.get("Message", ""))

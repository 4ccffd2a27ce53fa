"""Rows of the table whose connection is gone, as a journal keeps them. For the journal only, which locks and explains errors."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from whatschat_ops.broadcast.journal.file import PRUNINGS, TO_PRUNE
from whatschat_ops.broadcast.journal.summary import Pruning


class GoneRow(NamedTuple):
    """A row whose connection is gone. `connected_at` is the attribute as it was read (see targets.Row)."""

    number: int
    connection_id: str
    connected_at: str


def unpruned_rows(database: sqlite3.Connection, limit: int) -> list[GoneRow]:
    """At most `limit` rows that are to be deleted."""
    rows = database.execute(
        "SELECT gone.number, connection_id, connected_at FROM gone JOIN target USING (number) "
        f"WHERE pruning = {TO_PRUNE} ORDER BY gone.number LIMIT ?",  # a literal: the index `to_prune` has it
        (limit,),
    )
    return [GoneRow(*row) for row in rows]


def mark_rows(database: sqlite3.Connection, numbers: Sequence[int], pruning: Pruning) -> None:
    """Write down what became of rows."""
    database.execute(
        "UPDATE gone SET pruning = ? WHERE number IN (SELECT value FROM json_each(?))",
        (PRUNINGS.index(pruning.value), json.dumps(list(numbers))),
    )

"""The rows of a run: those of the broadcast's own table and those of another stack's, which must stay untouched."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

EXPIRED_SHARE = 0.01
FOREIGN_ROWS = 500
LIVE_TTL = "4102444800"
EXPIRED_TTL = "1700000000"
CONNECTED_AT = "2026-11-23T10:00:00.000Z"
WRITERS = 4
BATCH = 25

Item = dict[str, dict[str, str]]
Items = dict[str, Item]
"""Connection id -> the whole row."""


def make_rows(number: int, seed: int) -> Items:
    """`number` live rows and some expired ones beside them; ids as API Gateway makes them."""
    source = random.Random(seed)
    rows = {}
    for index in range(number + int(number * EXPIRED_SHARE)):
        connection_id = base64.urlsafe_b64encode(source.randbytes(11)).decode()
        rows[connection_id] = {
            "connectionId": {"S": connection_id},
            "userId": {"S": f"user-{source.randrange(max(1, number // 3))}"},
            "connectedAt": {"S": CONNECTED_AT},
            "ttl": {"N": LIVE_TTL if index < number else EXPIRED_TTL},
        }
    return rows


def is_live(row: Item) -> bool:
    """Whether it has not expired."""
    return row["ttl"]["N"] == LIVE_TTL


def write_rows(dynamodb: Any, table: str, rows: Items) -> None:
    """Write all of them, several batches at once."""
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(lambda batch: _write(dynamodb, table, batch), _batches(rows)):
            pass


def _batches(rows: Items) -> Iterator[Sequence[Item]]:
    source = iter(rows.values())
    while batch := list(islice(source, BATCH)):
        yield batch


def _write(dynamodb: Any, table: str, batch: Sequence[Item]) -> None:
    request: dict[str, Any] = {table: [{"PutRequest": {"Item": item}} for item in batch]}
    while request:
        request = dynamodb.batch_write_item(RequestItems=request)["UnprocessedItems"]


def read_rows(dynamodb: Any, table: str) -> Items:
    """Everything in the table, consistently."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {item["connectionId"]["S"]: item for page in pages for item in page["Items"]}


def fill(state_directory: Path, table: str, rows: Items) -> None:
    """Put rows into the saved state of an embedded AWS that does not run: a million in seconds."""
    (saved,) = (state_directory / "local").glob("aws/dynamodb.json")
    state = json.loads(saved.read_bytes())
    (found,) = (each for each in state["payload"]["tables"]["data"].values() if each["TableName"] == table)
    found["items"] = {name: {"__no_sort__": row} for name, row in rows.items()}
    found["ItemCount"], found["TableSizeBytes"] = len(rows), len(rows) * 200
    saved.write_text(json.dumps(state))


def make_ghosts(number: int, seed: int) -> Items:
    """Live rows only: for connections that do not exist."""
    return {name: row for name, row in make_rows(number, seed).items() if is_live(row)}

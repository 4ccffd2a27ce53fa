"""One segment of the table, counted (tally.py): sums in one object, its users in others, so that no memory grows with the segment.

The object with the sums names those with the users, and is written once: of two attempts at a segment the first to end counts.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, given_bytes
from whatschat_ops.worker.parts import Totals, compressed
from whatschat_ops.worker.tally import Tally

USERS_OF_AN_OBJECT: Final = 50_000
"""A few MB: a worker has 128 MB at least."""


def count_segment(
    objects: Objects,
    keys: Keys,
    shard: int,
    attempt: str,
    pages: Iterable[Sequence[Mapping[str, Any]]],
    now: datetime,
    *,
    users_of_an_object: int = USERS_OF_AN_OBJECT,
) -> None:
    """Count rows as they are stored, at the time `now` of the whole run, and write down that the shard is finished."""
    tally = Tally()
    written: list[str] = []

    def write_users() -> None:
        written.append(keys.counted_users(shard, attempt, len(written) + 1))
        objects.put(written[-1], given_bytes(list(tally.users.items())))
        tally.users.clear()

    for items in pages:
        for item in items:
            tally.add_item(item, now)
        if len(tally.users) >= users_of_an_object:
            write_users()
    if tally.users:
        write_users()
    objects.create(keys.counted(shard), _to_bytes(tally, written))
    objects.put(keys.done(shard), Totals(delivered=tally.rows).to_bytes())


def counted_in(content: bytes) -> tuple[Tally, list[str]]:
    """The sums of a segment, and the keys of its users."""
    found = json.loads(gzip.decompress(content))
    return Tally.from_document(found["tally"]), found["users"]


def _to_bytes(tally: Tally, users: Sequence[str]) -> bytes:
    return compressed(json.dumps({"tally": tally.to_document(), "users": users}).encode())

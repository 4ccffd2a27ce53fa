"""The run's connections -> shards in S3, a few at a time: memory holds some shards, never the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Final

from whatschat_ops.errors import UsageError
from whatschat_ops.sender.model import Target
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, shard_bytes, shard_item

UPLOADS: Final = 4
MOST_SHARDS: Final = 50_000
"""The workers' empty answers, three characters each, must stay below the 256 KiB of a state's output."""


def shards_of(pieces: Iterable[Sequence[Target]], connections: int) -> Iterator[list[Target]]:
    """Targets, which come in pieces of any size, in shards of `connections`; the last one may be smaller."""
    shard: list[Target] = []
    for piece in pieces:
        shard.extend(piece)
        while len(shard) >= connections:
            yield shard[:connections]
            shard = shard[connections:]
    if shard:
        yield shard


def export_shards(
    objects: Objects, keys: Keys, shards: Iterable[Sequence[Target]], *, first: int
) -> list[dict[str, Any]]:
    """Write every shard, counted from `first`; gives the items of the Distributed Map.

    Raises UsageError when there are too many, and AwsError.
    """
    items: list[dict[str, Any]] = []
    running: set[Future[None]] = set()
    pool = ThreadPoolExecutor(UPLOADS, thread_name_prefix="shards")
    try:
        for number, targets in enumerate(shards, first):
            if len(items) == MOST_SHARDS:
                raise UsageError(
                    f"More than {MOST_SHARDS:,} shards are too many for one execution.",
                    hint="Set broadcast.distributed.shard_connections higher.",
                )
            items.append(shard_item(keys.run, number, len(targets)))
            running.add(pool.submit(_put, objects, keys.shard(number), targets))
            if len(running) >= UPLOADS:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in running:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
    return items


def _put(objects: Objects, key: str, targets: Sequence[Target]) -> None:
    objects.put(key, shard_bytes(targets))


def items_bytes(items: Sequence[dict[str, Any]]) -> bytes:
    """The list of shards as the Distributed Map reads it."""
    return json.dumps(items, separators=(",", ":")).encode()


def items_of(content: bytes) -> list[dict[str, Any]]:
    """The list of shards, read back."""
    found: list[dict[str, Any]] = json.loads(content)
    return found

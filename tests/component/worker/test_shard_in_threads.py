"""Attempts at one shard, in threads at the same time."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.worker.shard_fakes import (
    InterleavedSender,
    account,
    bucket_of_run,
    names,
    send,
    table_of,
)
from whatschat_ops.worker.shard import ShardTakenOver


@pytest.mark.parametrize("seed", range(20))
def test_attempts_in_threads_at_once_keep_the_account(seed: int) -> None:
    bucket, ids, lock = bucket_of_run(), names(3_000), threading.Lock()
    table = table_of(*ids)
    random_source = random.Random(seed)
    plain = bucket.create

    def create(key: str, content: bytes) -> bool:
        time.sleep(random_source.random() / 2_000)
        with lock:
            return plain(key, content)

    bucket.create = create  # type: ignore[method-assign]
    senders = [InterleavedSender(batch=25) for _ in range(3)]
    for sender in senders:
        sender.meanwhile = lambda: time.sleep(random_source.random() / 5_000)

    def attempt(number: int) -> bool:
        time.sleep(number * random_source.random() / 200)
        return send(bucket, senders[number], table, attempt=str(number))

    with ThreadPoolExecutor(len(senders)) as pool:
        errors = [future.exception() for future in [pool.submit(attempt, number) for number in range(3)]]
    assert {type(error) for error in errors} <= {ShardTakenOver, type(None)}
    assert None in errors
    twice, in_doubt = account(bucket, ids, *senders)
    assert twice <= in_doubt

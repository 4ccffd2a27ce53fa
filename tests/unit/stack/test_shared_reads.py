"""Reads that a plan makes once: one call for many askers, errors included, and none of it outlives the plan."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from whatschat_ops.errors import PermissionDenied
from whatschat_ops.stack.shared_reads import SharedReads


def test_many_threads_that_ask_at_once_cause_one_read() -> None:
    shared, calls, everybody = SharedReads(), [], threading.Barrier(8)

    def read() -> int:
        calls.append(threading.get_ident())
        return 42

    def ask(_: int) -> int:
        everybody.wait(timeout=60)
        return shared.once(("routes", "api"), read)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert list(pool.map(ask, range(8))) == [42] * 8
    assert len(calls) == 1


def test_another_key_is_another_read() -> None:
    shared = SharedReads()
    assert (shared.once(("routes", "a"), lambda: 1), shared.once(("routes", "b"), lambda: 2)) == (1, 2)


def test_refused_read_is_refused_for_all_who_ask() -> None:
    shared = SharedReads()

    def refused() -> int:
        raise PermissionDenied("GetRoutes: not authorized")

    for _ in range(2):
        with pytest.raises(PermissionDenied, match="not authorized"):
            shared.once(("routes", "a"), refused)

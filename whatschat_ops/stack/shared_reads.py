"""Reads whose answer several resources need, made once. For the time of one plan, in which nothing is written.

Takes a key and a function that reads; gives the answer, or raises what the first read raised. It knows no AWS service.
Applying a plan never shares: a kind that has written something must see what is there now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class SharedReads:
    """Answers by key. Thread-safe; whoever asks while the first read is on its way waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, ...], Future[Any]] = {}

    def once(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        """The answer of the first `read` that came with this key."""
        with self._lock:
            answer = self._answers.get(key)
            first = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
        if first:
            try:
                answer.set_result(read())
            except BaseException as error:  # noqa: BLE001 - raised below, and for all who wait
                answer.set_exception(error)
        return cast("T", answer.result())

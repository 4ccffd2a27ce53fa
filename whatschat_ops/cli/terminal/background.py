"""An iterator that runs in a thread of its own, so that an interrupt is answered while it waits for the network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """The items of an iterator, at most `ahead` of them in memory. The thread ends with the program."""

    def __init__(self, items: Iterator[T], ahead: int = 8) -> None:
        # Simple, because an interrupt's handler may put into it while the same thread waits for it.
        self._queue: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self._room = threading.Semaphore(ahead)
        threading.Thread(target=self._run, args=(items,), name="background", daemon=True).start()

    def next(self, timeout_s: float) -> T | None:
        """The next item; None if there is none in time, or after `wake`. Raises StopIteration at the end, and what was raised."""
        try:
            item, error = self._queue.get(timeout=timeout_s)
        except Empty:
            return None
        if error is not None:
            raise error
        self._room.release()
        return item

    def wake(self) -> None:
        """End a `next` that is waiting. For a signal's handler."""
        self._queue.put((None, None))

    def _run(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                self._room.acquire()
                self._queue.put((item, None))
        except BaseException as error:  # noqa: BLE001 - raised where the items are wanted
            self._queue.put((None, error))
        else:
            self._queue.put((None, StopIteration()))

"""Writes the parts of a shard while it is sent, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from whatschat_ops.sender.model import Result
from whatschat_ops.worker.objects import Part

PART_INTERVAL_S: Final = 1.0


class Recorder:
    """Writes parts: every second, and as soon as the sender comes near what it is allowed."""

    def __init__(
        self,
        put: Callable[[Part], None],
        attempt: str,
        *,
        ahead: int,
        counters: Callable[[], dict[str, int]],
        interval_s: float = PART_INTERVAL_S,
    ) -> None:
        self._put = put
        self._attempt = attempt
        self._ahead = ahead
        self._counters = counters
        self._interval_s = interval_s
        self._condition = threading.Condition()
        self._results: list[Result] = []
        self._reached = 0
        self._near = False
        self._closed = False
        self.allowed = 0
        self.recorded = 0
        self._in_doubt = 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def begin(self, in_doubt: int, allowed: int) -> None:
        """Write the first part, then go on in a thread. Raises what writing raises: nothing was sent yet."""
        self._write(allowed + self._ahead, in_doubt=in_doubt)
        self._thread.start()

    def add(self, results: Sequence[Result]) -> None:
        """`sender.model.OnResults`."""
        with self._condition:
            self._results.extend(results)

    def reached(self, line: int) -> None:
        """The sender has begun this many lines."""
        with self._condition:
            self._reached = line
            if line > self.allowed - self._ahead // 2 and not self._near:
                self._near = True
                self._condition.notify()

    def close(self, *, final: Callable[[int], bool]) -> None:
        """Write the last part. `final` is called with the number of results. Raises what writing raised."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()
        if self.error is not None:
            raise self.error
        recorded = self.recorded + len(self._results)
        self._write(self._reached, final=final(recorded))

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._near or self._closed, timeout=self._interval_s)
                if self._closed:
                    return
                idle = not self._near and not self._results
            if idle:
                continue
            try:
                self._write(max(self.allowed, self._reached + self._ahead))
            except Exception as error:  # noqa: BLE001 - handed to the thread that closes
                self.error = error
                return

    def _write(self, allowed: int, *, in_doubt: int = 0, final: bool = False) -> None:
        with self._condition:
            results, self._results = self._results, []
        counters = self._counters()  # after the results: what was in doubt about them is counted there
        in_doubt_before, self._in_doubt = self._in_doubt, counters["in_doubt"]
        in_doubt += self._in_doubt - in_doubt_before
        self._put(Part(self._attempt, allowed, results, in_doubt, final, counters))
        with self._condition:
            self.recorded += len(results)
            self.allowed = allowed
            self._near = False

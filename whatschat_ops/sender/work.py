"""What is to be sent: targets pulled in batches, and those that wait for another attempt."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Final

from whatschat_ops.sender.model import NextTargets, Target

LARGEST_BATCH: Final = 256
SMALLEST_BATCH: Final = 8
BATCH_S: Final = 0.1
"""A batch is what is sent in this time: what was pulled counts as begun, so no more than needed is pulled."""
ASK_AGAIN_S: Final = 0.005
"""Half of it, on average, is lost before the first post."""
MOST_WAITING: Final = 8_192
"""So many wait for another attempt at most: before more are begun, some have to end."""


class Job:
    """A target and its attempts. `began_s` is the start of the first."""

    __slots__ = ("attempts", "began_s", "connection_id", "number")

    def __init__(self, target: Target) -> None:
        self.number, self.connection_id = target
        self.attempts = 0
        self.began_s = 0.0


class Work:
    """`ready` is what can be sent now."""

    def __init__(self, next_targets: NextTargets) -> None:
        self.ready: deque[Job] = deque()
        self._next_targets = next_targets
        self._waiting: list[tuple[float, int, Job]] = []
        self._pushed = 0
        self._ask_at_s = 0.0
        self.no_more = False

    @property
    def waiting(self) -> int:
        """How many wait for another attempt."""
        return len(self._waiting)

    @property
    def next_due_s(self) -> float | None:
        """When the next of them is due."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def ask_at_s(self) -> float | None:
        """When to ask for more targets; None when there are no more."""
        return None if self.no_more else self._ask_at_s

    def retry(self, job: Job, due_s: float) -> None:
        """Make it ready again at `due_s`."""
        self._pushed += 1
        heappush(self._waiting, (due_s, self._pushed, job))

    def replenish(self, now_s: float, rate_per_s: float, *, probing: bool = False) -> None:
        """Make ready what is due, and pull targets when few are left; one at most while `probing`."""
        while self._waiting and self._waiting[0][0] <= now_s:
            self.ready.appendleft(heappop(self._waiting)[2])
        batch = 1 if probing else min(LARGEST_BATCH, max(SMALLEST_BATCH, int(rate_per_s * BATCH_S)))
        if self.no_more or len(self.ready) > batch // 2 or now_s < self._ask_at_s:
            return
        if len(self._waiting) + batch > MOST_WAITING:
            self._ask_at_s = now_s + ASK_AGAIN_S
            return
        targets = self._next_targets(batch)
        if targets is None:
            self.no_more = True
            return
        self.ready.extend(map(Job, targets))
        if len(targets) < batch:
            self._ask_at_s = now_s + ASK_AGAIN_S

    def stop(self) -> None:
        """Pull no more, try nothing again."""
        self.no_more = True
        self._waiting.clear()

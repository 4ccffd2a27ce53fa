"""The rate of requests to API Gateway: a share of the account's rate that shrinks when AWS throttles and recovers.

The account's 10,000 requests a second are shared by every API of the Region, by messages and by `@connections` ("API
Gateway quotas"); housekeeping is the least urgent of them, so it takes a tenth by default.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

DEFAULT_RATE_PER_S: Final = 1_000.0
SLOWEST_RATE_PER_S: Final = 1.0

_HALVE_AT_MOST_EVERY_S: Final = 0.5
_GROWTH_PER_S: Final = 0.05
"""Of the wanted rate: after being throttled once it takes 10 s to recover."""


class RequestRate:
    """Hands out turns at a rate. Thread-safe; first come, first served.

    A turn that was not used is not kept: there are no bursts.
    """

    def __init__(
        self,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._asked_per_s = rate_per_s
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._sleep = sleep
        self._next_s = self._changed_s = clock()
        self._throttled = 0
        self._lock = threading.Lock()

    @property
    def rate_per_s(self) -> float:
        """The rate of this moment."""
        return self._rate_per_s

    @property
    def throttled(self) -> int:
        """How many answers were throttled."""
        return self._throttled

    def turn(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            now = self._clock()
            self._grow(now)
            turn_s = max(now, self._next_s)
            self._next_s = turn_s + 1 / self._rate_per_s
        if turn_s > now:
            self._sleep(turn_s - now)

    def slow_down(self) -> None:
        """AWS answered 429: halve the rate. Answers to what was sent before that count as one."""
        with self._lock:
            self._throttled += 1
            now = self._clock()
            if self._rate_per_s < self._asked_per_s and now - self._changed_s < _HALVE_AT_MOST_EVERY_S:
                return
            self._rate_per_s = max(SLOWEST_RATE_PER_S, self._rate_per_s / 2)
            self._changed_s = now

    def _grow(self, now: float) -> None:
        if self._rate_per_s < self._asked_per_s and now - self._changed_s >= 1:
            grown = self._rate_per_s + self._asked_per_s * _GROWTH_PER_S * (now - self._changed_s)
            self._rate_per_s = min(self._asked_per_s, grown)
            self._changed_s = now

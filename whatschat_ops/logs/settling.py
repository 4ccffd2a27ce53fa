"""Puts events of several groups into the order of their time while they arrive, and says which came too late for it. Pure.

An event is held for the settle window, so that those that are older and arrive meanwhile are shown before it. What arrives
later than that is shown at once, marked with how far behind it is: nothing is dropped.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

from whatschat_ops.logs.events import LogEvent


class Shown(NamedTuple):
    """An event in its place. `late_ms`: how much older it is than the newest one shown before it; 0 if it is in order."""

    event: LogEvent
    late_ms: int = 0


class Settling:
    """Holds events for `settle_s` seconds. Times of arrival are seconds of any one clock."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._held: list[tuple[int, int, int, LogEvent]] = []  # a heap: place, time, number
        self._arrivals: deque[tuple[float, int]] = deque()  # when, and the place up to which they reach
        self._numbers = count()
        self._released_ms: int | None = None
        self._newest_shown_ms: int | None = None

    def add(self, events: Iterable[LogEvent], now_ms: int, arrived_s: float | None) -> None:
        """Hold events that arrived together, at `now_ms` of AWS's clock. None: they are in order, and need not be held.

        A writer's clock may be ahead of AWS's: such an event is placed at its arrival, or all that follow would be late.
        """
        places = []
        for event in events:
            places.append(min(event.time_ms, now_ms))
            heapq.heappush(self._held, (places[-1], event.time_ms, next(self._numbers), event))
        if not places:
            return
        if arrived_s is None:
            self._release(max(places))
        else:
            self._arrivals.append((arrived_s, max(places)))

    def due(self, all_read_since_s: float) -> list[Shown]:
        """What can be shown when every group was read to its end in a pass that began at `all_read_since_s`."""
        while self._arrivals and self._arrivals[0][0] + self._settle_s <= all_read_since_s:
            self._release(self._arrivals.popleft()[1])
        return [] if self._released_ms is None else self._take(self._released_ms)

    def _release(self, through_ms: int) -> None:
        self._released_ms = max(through_ms, self._released_ms or through_ms)

    def rest(self) -> list[Shown]:
        """All that is still held."""
        self._arrivals.clear()
        return self._take(None)

    def _take(self, through_ms: int | None) -> list[Shown]:
        shown = []
        while self._held and (through_ms is None or self._held[0][0] <= through_ms):
            place, _, _, event = heapq.heappop(self._held)
            newest = self._newest_shown_ms if self._newest_shown_ms is not None else place
            shown.append(Shown(event, max(0, newest - place)))
            self._newest_shown_ms = max(newest, place)
        return shown

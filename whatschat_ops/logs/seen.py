"""Which events of a group were read already, so that what is read again is shown once. Bounded. Pure."""

from __future__ import annotations

from typing import Final

from whatschat_ops.logs.events import LogEvent

MOST_IDS: Final = 100_000
"""Of the events of a group: about 16 MB."""

HORIZON_MS: Final = 300_000
"""How late an event may arrive, in ms, to be found. CloudWatch Logs states no limit but the 14 days that it accepts; this is ours."""


class Seen:
    """The ids of the events of one group by the second of their time.

    The oldest are forgotten, beyond `most` ids or `HORIZON_MS`: what is older than `floor_ms` must not be read again.
    """

    def __init__(self, start_ms: int, most: int = MOST_IDS) -> None:
        self.floor_ms = start_ms
        self._most = most
        self._by_second: dict[int, set[str]] = {}
        self._count = 0

    def add(self, event: LogEvent) -> bool:
        """Whether the event is a new one, which is remembered from now on."""
        if event.time_ms < self.floor_ms:
            return False
        ids = self._by_second.setdefault(event.time_ms // 1000, set())
        before = len(ids)
        ids.add(event.id)
        self._count += len(ids) - before
        return len(ids) > before

    def forget(self, newest_ms: int, kept_ms: int) -> None:
        """Make room, but not in the `kept_ms` before the newest event: they are read again in any case."""
        self.floor_ms = max(self.floor_ms, newest_ms - HORIZON_MS)
        for second in sorted(self._by_second):
            too_old = (second + 1) * 1000 <= newest_ms - HORIZON_MS
            if not (too_old or self._count > self._most) or (second + 1) * 1000 > newest_ms - kept_ms:
                return
            self._count -= len(self._by_second.pop(second))
            self.floor_ms = max(self.floor_ms, (second + 1) * 1000)

"""CloudWatch Logs in memory, on a clock that only waiting moves: events become visible when they are written, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from whatschat_ops.choices import LogSource
from whatschat_ops.errors import AwsError, NotFound
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.reading import Page, ReadCounts, Search

EPOCH_MS: Final = 1_766_000_000_000
"""The time at which the clock begins."""
GROUPS: Final = tuple(LogGroup(source, f"/{source}") for source in LogSource)


@dataclass
class CloudWatch:
    """Stands for a `LogReader`. `fails` may refuse a request, by its number, with an error."""

    page_events: int = 3
    request_s: float = 0.05
    fails: Callable[[int], AwsError | None] = lambda _: None
    missing: set[str] = field(default_factory=set)
    now_s: float = 0.0
    counts: ReadCounts = field(default_factory=ReadCounts)
    _events: list[tuple[float, LogEvent]] = field(default_factory=list)

    def write(self, at_s: float, source: LogSource, time_s: float, message: str = "") -> LogEvent:
        """An event of `time_s` that becomes visible at `at_s`."""
        number = len(self._events)
        event = LogEvent(
            f"{source}-{number}", source, "stream", ms(time_s), ms(at_s), message or f"event {number}"
        )
        self._events.append((at_s, event))
        return event

    def page(self, group: LogGroup, search: Search, token: str | None = None) -> Page:
        """As `LogReader.page`: what is visible now, after the position of the token."""
        self.now_s += self.request_s
        self.counts.requests += 1
        if error := self.fails(self.counts.requests):
            raise error
        if group.name in self.missing:
            raise NotFound("It does not exist.")
        after = tuple(map(int, token.split("/"))) if token else (-1, -1)
        found = sorted(
            ((event.time_ms, number), event)
            for number, (at_s, event) in enumerate(self._events)
            if event.source is group.source
            and at_s <= self.now_s
            and search.start_ms <= event.time_ms
            and (search.end_ms is None or event.time_ms <= search.end_ms)
            and (event.time_ms, number) > after
        )
        more = len(found) > self.page_events
        found = found[: self.page_events]
        next_token = f"{found[-1][0][0]}/{found[-1][0][1]}" if more else None
        answered_ms = ms(self.now_s) // 1000 * 1000  # HTTP's Date has no milliseconds
        return Page([event for _, event in found], next_token, answered_ms)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def now_ms(self) -> int:
        """This machine's time."""
        return ms(self.now_s)


def ms(seconds: float) -> int:
    """Seconds of the clock as a time in ms."""
    return EPOCH_MS + round(seconds * 1000)


def times(events: Sequence[LogEvent]) -> list[int]:
    """Their times, in ms since the clock began."""
    return [event.time_ms - EPOCH_MS for event in events]

"""What only the functions' logs say of the new path, for each minute: reconnects, posts answered with 410, the probes of doctor.

A reconnect is an accepted line of the connect function, of a user of which the disconnect function wrote a line at most
`reconnect_within_seconds` before; both are written by the built-in functions (`handlers/log.py`). 410s are the `gone` of the
`deliveries` of the default function's lines. Doctor's connections are those of its user agent in the access log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from whatschat_ops.aws import Aws
from whatschat_ops.choices import LogSource
from whatschat_ops.config import Settings
from whatschat_ops.errors import AwsError
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import log_groups
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, parse
from whatschat_ops.logs.reading import LogReader, Search
from whatschat_ops.metrics.probes import USER_AGENT
from whatschat_ops.metrics.window import Window

T = TypeVar("T")

MOST_EVENTS: Final = 50_000
"""Of one group: a stack with more of them is judged without the figure, and says so."""
ACCEPTED: Final = '{ ($.event = "connect") && ($.outcome = "accepted") }'
DISCONNECTED: Final = '{ $.event = "disconnect" }'
GONE: Final = "{ $.deliveries.gone > 0 }"
PROBES: Final = f'{{ $.userAgent = "{USER_AGENT}*" }}'
_FAILED: Final = 400


class UserAt(NamedTuple):
    """A user connected, or was disconnected."""

    time_ms: int
    user: str


class Probed(NamedTuple):
    """Of doctor in one minute: its requests, and those that the function rejected."""

    requests: int = 0
    rejected: int = 0


@dataclass(slots=True)
class LogFigures:
    """Counts of each minute, oldest first. None: not known, and `notes` say why."""

    reconnects: tuple[int, ...] | None = None
    gone: tuple[int, ...] | None = None
    probes: tuple[Probed, ...] | None = None
    notes: list[str] = field(default_factory=list)


def reconnect_times(connects: Iterable[UserAt], disconnects: Iterable[UserAt], within_ms: int) -> list[int]:
    """When users connected who had been disconnected shortly before. Each disconnection counts once."""
    left: dict[str, list[int]] = {}
    for each in disconnects:
        left.setdefault(each.user, []).append(each.time_ms)
    found = []
    for time_ms, user in sorted(connects):
        before = [at for at in left.get(user, ()) if time_ms - within_ms <= at <= time_ms]
        if before:
            left[user].remove(max(before))
            found.append(time_ms)
    return found


def read_log_figures(aws: Aws, settings: Settings, window: Window) -> LogFigures:
    """The counts of a window of minutes. What cannot be read is a note, not an error."""
    reading = _Reading(LogReader(aws), settings, window, LogFigures())
    reading.read("reconnects", reading.reconnects)
    reading.read("410s", reading.gone)
    if settings.websocket.access_logs:
        reading.read("the probes of doctor", reading.probes)
    return reading.found


class _TooMany(Exception):
    """The group has more lines than are read."""


@dataclass(slots=True)
class _Reading:
    reader: LogReader
    settings: Settings
    window: Window
    found: LogFigures

    def read(self, what: str, part: Callable[[], None]) -> None:
        try:
            part()
        except _TooMany:
            self.found.notes.append(f"{what}: more than {MOST_EVENTS:,} log lines, not counted")
        except AwsError as error:
            self.found.notes.append(f"{what}: {error.message}")

    def reconnects(self) -> None:
        within = timedelta(seconds=self.settings.migration.gate.reconnect_within_seconds)
        connects = self._users(LogSource.CONNECT, ACCEPTED, self.window.since)
        left = self._users(LogSource.DISCONNECT, DISCONNECTED, self.window.since - within)
        times = reconnect_times(connects, left, int(within.total_seconds() * 1000))
        self.found.reconnects = tuple(map(sum, self._by_minute((time_ms, 1) for time_ms in times)))

    def gone(self) -> None:
        lines = ((event, parse(event)) for event in self._events(LogSource.DEFAULT, GONE, self.window.since))
        counts = (
            (event.time_ms, line.deliveries.get("gone", 0))
            for event, line in lines
            if isinstance(line, HandlerLine)
        )
        self.found.gone = tuple(map(sum, self._by_minute(counts)))

    def probes(self) -> None:
        lines = ((event, parse(event)) for event in self._events(LogSource.ACCESS, PROBES, self.window.since))
        counts = (
            (event.time_ms, Probed(line.event_type != "DISCONNECT", _is_rejected(line)))
            for event, line in lines
            if isinstance(line, AccessLine)
        )
        minutes = self._by_minute(counts)
        self.found.probes = tuple(
            Probed(sum(each.requests for each in minute), sum(each.rejected for each in minute))
            for minute in minutes
        )

    def _users(self, source: LogSource, pattern: str, since: datetime) -> list[UserAt]:
        lines = ((event, parse(event)) for event in self._events(source, pattern, since))
        return [UserAt(event.time_ms, line.ids.user) for event, line in lines if line.ids.user]

    def _events(self, source: LogSource, pattern: str, since: datetime) -> Sequence[LogEvent]:
        (group,) = log_groups(self.settings, (source,))
        search = Search(_ms(since), _ms(self.window.until) - 1, pattern)
        events = list(islice(self.reader.events(group, search), MOST_EVENTS + 1))
        if len(events) > MOST_EVENTS:
            raise _TooMany
        return events

    def _by_minute(self, counts: Iterable[tuple[int, T]]) -> list[list[T]]:
        minutes: list[list[T]] = [[] for _ in range(self.window.points)]
        for time_ms, count in counts:
            place = (time_ms - _ms(self.window.since)) // (self.window.period_s * 1000)
            if 0 <= place < len(minutes):
                minutes[place].append(count)
        return minutes


def _is_rejected(line: AccessLine) -> bool:
    return line.event_type == "CONNECT" and (line.integration_status or 0) >= _FAILED


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)

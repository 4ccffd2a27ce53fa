"""Finds the lines of one connection, or the connections of one user, with as few requests as it takes.

FilterLogEvents reads every event of its time range on AWS's side, so what is asked is: the newest hours first, for lines
with the connection's id only; the access line that is found says when the connection began (`connectedAt`), and no
connection is open for more than two hours. Then each function's group is asked for that life, and Lambda's own lines for
the few invocations that need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from whatschat_ops.choices import LogSource
from whatschat_ops.errors import NotFound
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, PlatformLine, parse
from whatschat_ops.logs.reading import LogReader, Search
from whatschat_ops.logs.trace.joining import Exchange
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_FILTER_PATTERN_CHARACTERS

SLACK_MS: Final = 60_000
"""Ours: clocks of API Gateway, of Lambda and of who reads differ, and lines arrive late."""

LIFE_MS: Final = MAX_CONNECTION_S * 1000 + SLACK_MS

MAX_LOOKED_UP: Final = 100
"""Ours: invocations whose other lines are looked for."""

MAX_FAILURES: Final = 10
"""Ours: failed invocations of which all lines are read."""

_INVOCATION_MS: Final = 60_000
"""After its event, an invocation's lines are looked for this long: API Gateway waits 29 s."""

_CONNECTION_ID: Final = re.compile(r"[A-Za-z0-9_+/-]{4,120}={0,2}")


@dataclass(slots=True)
class Findings:
    """What was found. `missing`: groups that do not exist. `not_looked_up`: invocations over the limit."""

    events: list[LogEvent] = field(default_factory=list)
    missing: list[LogGroup] = field(default_factory=list)
    first_ms: int | None = None
    last_ms: int | None = None
    not_looked_up: int = 0


def is_connection_id(text: str) -> bool:
    """Whether it has the form of API Gateway's connection ids, such as `R0oXAdfD0kwCH6w=`; user ids rarely end so."""
    return _CONNECTION_ID.fullmatch(text) is not None and text.endswith("=")


class Finder:
    """Looks through the groups from `since_ms` until `until_ms`; None: to the end, whatever this machine's clock says.

    `events` and `bytes` (of ASCII) count what was fetched.
    """

    def __init__(
        self, reader: LogReader, groups: Sequence[LogGroup], since_ms: int, until_ms: int | None, now_ms: int
    ) -> None:
        self._reader = reader
        self._groups = {group.source: group for group in groups}
        self._since_ms = since_ms
        self._until_ms = until_ms
        self._now_ms = now_ms
        self.missing: list[LogGroup] = []
        self.events = 0
        self.bytes = 0

    def connection(self, connection_id: str, connected_at_ms: int | None = None) -> Findings:
        """The lines with this connection's id. `connected_at_ms` is when it began, if the table says so."""
        pattern = f'"{connection_id}"'
        found = Findings(missing=self.missing)
        began_ms = connected_at_ms
        if began_ms is None:
            began_ms = self._began(pattern)
            if began_ms is None:
                return found
        access = self._read(LogSource.ACCESS, began_ms - SLACK_MS, began_ms + LIFE_MS, pattern)
        ended_ms = next((event.time_ms for event in access if is_disconnect(event)), None)
        last_ms = ended_ms if ended_ms is not None else began_ms + LIFE_MS
        found.first_ms, found.last_ms = began_ms, last_ms
        found.events += access
        connect_ms = (began_ms - SLACK_MS, began_ms + SLACK_MS)
        end_ms = (began_ms if ended_ms is None else ended_ms - SLACK_MS, last_ms + SLACK_MS)
        found.events += self._read(LogSource.CONNECT, *connect_ms, pattern)
        found.events += self._read(LogSource.DEFAULT, began_ms - SLACK_MS, last_ms + SLACK_MS, pattern)
        found.events += self._read(LogSource.DISCONNECT, *end_ms, pattern)
        return found

    def invocations(self, exchanges: Sequence[Exchange], found: Findings) -> list[LogEvent]:
        """Lambda's own lines, and what else was written, of invocations that lack a line of ours or failed."""
        wanted = [each for each in exchanges if each.request and needs_lines(each)]
        found.not_looked_up = max(0, len(wanted) - MAX_LOOKED_UP)
        events: list[LogEvent] = []
        for source in (LogSource.CONNECT, LogSource.DEFAULT, LogSource.DISCONNECT):
            of_source = [each for each in wanted[-MAX_LOOKED_UP:] if each.source is source]
            for batch in _batches(of_source):
                pattern = " ".join(f'?"{each.request}"' for each in batch)
                start_ms, end_ms = batch[0].at_ms - SLACK_MS, batch[-1].at_ms + _INVOCATION_MS
                events += self._read(source, start_ms, end_ms, pattern)
        return events

    def failures(self, exchanges: Sequence[Exchange], lines: Iterable[LogEvent]) -> list[LogEvent]:
        """All that was written while an invocation ran that failed: a traceback names no request. `lines` are Lambda's own."""
        failed = {each.request: each.source for each in exchanges if each.request and each.has_failed}
        spans: dict[str, list[int]] = {}
        for event in lines:
            line = parse(event)
            if isinstance(line, PlatformLine) and line.ids.request in failed:
                spans.setdefault(line.ids.request or "", []).append(event.time_ms)
        latest = sorted(spans.items(), key=lambda item: item[1])[-MAX_FAILURES:]
        return [
            event
            for request, times in latest
            for event in self._read(failed[request], min(times), max(times), "")
        ]

    def lines_of_user(self, pattern: str) -> list[LogEvent]:
        """The lines of the functions connect and disconnect that match, in the order of time."""
        found = [
            event
            for source in (LogSource.CONNECT, LogSource.DISCONNECT)
            for event in self._read(source, self._since_ms, self._until_ms, pattern)
        ]
        return sorted(found, key=lambda event: event.time_ms)

    def _began(self, pattern: str) -> int | None:
        """When the connection began, from the first group that knows it; the newest hours are read first."""
        for source in (LogSource.ACCESS, LogSource.CONNECT, LogSource.DEFAULT, LogSource.DISCONNECT):
            for start_ms, end_ms in windows(self._since_ms, self._until_ms, self._now_ms):
                if events := self._read(source, start_ms, end_ms, pattern):
                    return _began(events)
        return None

    def _read(self, source: LogSource, start_ms: int, end_ms: int | None, pattern: str) -> list[LogEvent]:
        """The events of a group; none of a group that does not exist, which is noted."""
        group = self._groups.get(source)
        if group is None or group in self.missing:
            return []
        try:
            found = list(self._reader.events(group, Search(max(0, start_ms), end_ms, pattern)))
        except NotFound:
            self.missing.append(group)
            return []
        self.events += len(found)
        self.bytes += sum(len(event.message) for event in found)
        return found


def needs_lines(exchange: Exchange) -> bool:
    """Whether its invocation has no line of ours, or ended with an error."""
    return exchange.handler is None or exchange.has_failed


def windows(since_ms: int, until_ms: int | None, now_ms: int) -> Iterator[tuple[int, int | None]]:
    """The range in parts, the newest first: two hours, then twice as much each time."""
    length_ms = LIFE_MS
    start_ms = max(since_ms, (now_ms if until_ms is None else until_ms) - length_ms)
    yield start_ms, until_ms
    while start_ms > since_ms:
        length_ms *= 2
        end_ms, start_ms = start_ms - 1, max(since_ms, start_ms - length_ms)
        yield start_ms, end_ms


def is_disconnect(event: LogEvent) -> bool:
    """Whether API Gateway or the function says in it that the connection has ended."""
    if event.source is LogSource.DISCONNECT:
        return isinstance(parse(event), HandlerLine)
    line = parse(event)
    return isinstance(line, AccessLine) and line.event_type == "DISCONNECT"


def _began(events: Sequence[LogEvent]) -> int:
    """From the lines of one group. Without the access line that says so, up to a whole life before the first of them."""
    lines = [(event, parse(event)) for event in events]
    for event, line in lines:
        if isinstance(line, AccessLine) and line.connected_at_ms is not None:
            return line.connected_at_ms
        if event.source is LogSource.CONNECT and isinstance(line, HandlerLine):
            return event.time_ms - round(line.latency_ms or 0)
        if isinstance(line, AccessLine) and line.event_type == "CONNECT":
            return event.time_ms
    return events[0].time_ms - (0 if events[0].source is LogSource.CONNECT else LIFE_MS)


def _batches(exchanges: Iterable[Exchange]) -> Iterator[list[Exchange]]:
    """In the order of time, as many as one filter pattern holds, and not more than ten minutes apart."""
    batch: list[Exchange] = []
    for each in sorted(exchanges, key=lambda exchange: exchange.at_ms):
        length = sum(len(other.request or "") + 4 for other in (*batch, each))
        is_far = bool(batch) and each.at_ms - batch[-1].at_ms > 10 * SLACK_MS
        if batch and (is_far or length > MAX_FILTER_PATTERN_CHARACTERS):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch

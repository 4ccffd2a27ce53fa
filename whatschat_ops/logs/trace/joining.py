"""Joins the lines of one connection: for each event of it, what API Gateway wrote and what the function wrote. Pure.

An access line names the invocation (`integrationRequestId`), so the join is exact. A stack of an earlier version does not
write that: its lines are paired in their order, route by route. Lines may be missing, double or in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from whatschat_ops.choices import LogSource
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.parsed import AccessLine, HandlerLine, Line, PlatformLine, parse

_ERROR = "ERROR"
"""In the line of an unhandled error: `[ERROR] KeyError: 'x'` of Python, `TIME REQUEST ERROR Invoke Error {...}` of Node.js."""

_SOURCES = {"$connect": LogSource.CONNECT, "$disconnect": LogSource.DISCONNECT}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One event of the connection. `said`: other lines of the invocation. Times are ms since the epoch.

    `at_ms` is API Gateway's time of the event; without an access line the function's, less its latency.
    """

    source: LogSource
    at_ms: int
    access: AccessLine | None = None
    handler: HandlerLine | None = None
    handler_at_ms: int | None = None
    platform: tuple[PlatformLine, ...] = ()
    said: tuple[LogEvent, ...] = ()
    joined_by_order: bool = False

    @property
    def request(self) -> str | None:
        """The request id of the invocation."""
        if self.handler is not None and self.handler.ids.request:
            return self.handler.ids.request
        return self.access.integration_request if self.access else None

    @property
    def failure(self) -> str | None:
        """What Lambda says went wrong: a time-out, an exit, an error's type; else the line of an error nothing caught."""
        found = next((line.detail or line.failure for line in self.platform if line.failure), None)
        if found is None and self.has_failed:
            lines = (event.message.partition("\n")[0] for event in self.said)
            found = next((line.removeprefix("[ERROR] ").strip() for line in lines if _ERROR in line), None)
        return found

    @property
    def has_failed(self) -> bool:
        """Whether API Gateway says that the function failed."""
        access = self.access
        return access is not None and ((access.status or 0) >= 500 or access.integration_error is not None)


@dataclass(frozen=True, slots=True)
class PostedTo:
    """A message posted to the connection by an invocation that another connection caused."""

    at_ms: int
    line: HandlerLine
    outcome: str
    """`sent`, `gone`, `failed` or `too_large`."""


@dataclass(frozen=True, slots=True)
class Joined:
    """All that the logs say of a connection, in the order of time. `mentions`: lines of no invocation that is known."""

    exchanges: tuple[Exchange, ...]
    posts: tuple[PostedTo, ...]
    mentions: tuple[LogEvent, ...]


def join(events: Iterable[LogEvent], connection_id: str) -> Joined:
    """Join the lines of a connection."""
    once = {(event.source, event.id): event for event in events}
    lines = sorted(((event, parse(event)) for event in once.values()), key=lambda each: each[0].time_ms)
    access = _first_of_each(
        (event, line)
        for event, line in lines
        if isinstance(line, AccessLine) and line.ids.connection == connection_id
    )
    handlers = _first_of_each(
        (event, line)
        for event, line in lines
        if isinstance(line, HandlerLine) and line.ids.connection == connection_id
    )
    exchanges = list(_paired(access, handlers))
    by_request: dict[str | None, Exchange] = {each.request: each for each in exchanges if each.request}
    mentions = _add_invocations(lines, by_request)
    kept = [by_request.get(each.request, each) if each.request else each for each in exchanges]
    posts = [
        PostedTo(event.time_ms, line, _outcome(line, connection_id))
        for event, line in lines
        if isinstance(line, HandlerLine)
        and line.ids.connection != connection_id
        and connection_id in line.recipients
    ]
    return Joined(tuple(sorted(kept, key=lambda each: each.at_ms)), tuple(posts), tuple(mentions))


def source_of(line: AccessLine) -> LogSource:
    """The function of the event: every route but $connect and $disconnect has the same."""
    by_type = {"CONNECT": LogSource.CONNECT, "DISCONNECT": LogSource.DISCONNECT}
    return by_type.get(line.event_type or "", _SOURCES.get(line.route or "", LogSource.DEFAULT))


def _first_of_each(lines: Iterable[tuple[LogEvent, Line]]) -> list[tuple[LogEvent, Line]]:
    """Lines by their request id: CloudWatch Logs may hold a line twice."""
    found: dict[object, tuple[LogEvent, Line]] = {}
    for event, line in lines:
        found.setdefault((event.source, line.ids.request or event.id), (event, line))
    return list(found.values())


def _paired(
    access: Sequence[tuple[LogEvent, Line]], handlers: Sequence[tuple[LogEvent, Line]]
) -> Iterator[Exchange]:
    left = {
        line.ids.request or event.id: (event, line)
        for event, line in handlers
        if isinstance(line, HandlerLine)
    }
    for event, line in access:
        assert isinstance(line, AccessLine)
        exchange = Exchange(source_of(line), line.requested_at_ms or event.time_ms, line)
        key = line.integration_request
        if key is None and "integrationRequestId" not in line.fields:
            key = next((each for each, (event, _) in left.items() if event.source is exchange.source), None)
            exchange = replace(exchange, joined_by_order=key is not None)
        handler = left.pop(key, None) if key else None
        yield (
            exchange
            if handler is None
            else replace(exchange, handler=handler[1], handler_at_ms=handler[0].time_ms)
        )
    for event, line in left.values():
        began_ms = event.time_ms - round(line.latency_ms or 0)
        yield Exchange(event.source, began_ms, handler=line, handler_at_ms=event.time_ms)


def _add_invocations(
    lines: Sequence[tuple[LogEvent, Line]], by_request: dict[str | None, Exchange]
) -> list[LogEvent]:
    """Give each exchange the other lines of its invocation; what belongs to none is returned.

    A line without a request id belongs to the invocation that its stream is in: a worker of Lambda has one at a time.
    """
    mentions: list[LogEvent] = []
    current: dict[tuple[LogSource, str], str | None] = {}
    for event, line in lines:
        stream = (event.source, event.stream)
        if isinstance(line, PlatformLine):
            current[stream] = None if line.kind == "report" else line.ids.request or current.get(stream)
            if found := by_request.get(line.ids.request):
                by_request[line.ids.request] = replace(found, platform=(*found.platform, line))
        elif not isinstance(line, AccessLine | HandlerLine):
            request = next(
                (each for each in by_request if each and each in event.message), current.get(stream)
            )
            if found := by_request.get(request):
                by_request[request] = replace(found, said=(*found.said, event))
            else:
                mentions.append(event)
    return mentions


def _outcome(line: HandlerLine, connection_id: str) -> str:
    unreached = line.fields.get("unreached")
    outcome = unreached.get(connection_id) if isinstance(unreached, dict) else None
    return outcome if isinstance(outcome, str) else "sent"

"""FilterLogEvents: events of a log group in the order of their time, page by page. Pure.

AWS ends a page at 10,000 events or 1 MB, and before that when it has searched long enough: such a page has few events
or none, and a token all the same. Only an answer without a token is the end (CloudWatch Logs API reference,
FilterLogEvents).
"""

from __future__ import annotations

import base64
import heapq
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from whatschat_ops.local.monitoring.filter_pattern import Matcher
from whatschat_ops.quotas import MAX_LOG_PAGE_BYTES, MAX_LOG_PAGE_EVENTS

Event = Mapping[str, Any]
"""`timestamp` (ms), `message`, `ingestionTime` (ms) and `eventId`."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """When a page ends. AWS does not say how many events it searches for one."""

    bytes: int = MAX_LOG_PAGE_BYTES
    searched: int = 20_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event that was searched: the `index`-th of those of its stream with its time."""

    timestamp: int
    stream: str
    index: int
    newest_first: bool


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. Times are in ms and both inclusive; None: no limit."""

    matcher: Matcher
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = MAX_LOG_PAGE_EVENTS
    newest_first: bool = False
    after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Matching events with the stream of each. `next` continues; None: nothing is left."""

    events: list[tuple[str, Event]]
    next: Cursor | None


def search(streams: Mapping[str, Sequence[Event]], wanted: Search, limits: PageLimits) -> Page:
    """The next page. The events of each stream are in the order of their time."""
    newest_first = wanted.after.newest_first if wanted.after else wanted.newest_first
    merged = heapq.merge(
        *(_candidates(name, events, wanted, newest_first) for name, events in streams.items()),
        key=lambda found: (found[1]["timestamp"], found[0]),
        reverse=newest_first,
    )
    found: list[tuple[str, Event]] = []
    size, last, counted = 0, None, 0
    for stream, event in islice(merged, limits.searched):
        counted += 1
        matches = wanted.matcher(event["message"]) is not None
        event_bytes = len(event["message"].encode()) if matches else 0
        if matches and (len(found) == wanted.limit or (found and size + event_bytes > limits.bytes)):
            return Page(found, _cursor(streams, last, newest_first))
        if matches:
            found.append((stream, event))
            size += event_bytes
        last = (stream, event)
    more = counted == limits.searched and next(merged, None) is not None
    return Page(found, _cursor(streams, last, newest_first) if more else None)


def encode(cursor: Cursor) -> str:
    """The cursor as a `nextToken`."""
    fields = [cursor.timestamp, cursor.stream, cursor.index, cursor.newest_first]
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def decode(token: str) -> Cursor:
    """The cursor of a `nextToken`. Raises ValueError for any other text."""
    timestamp, stream, index, newest_first = json.loads(base64.urlsafe_b64decode(token.encode()))
    if not (isinstance(timestamp, int) and isinstance(stream, str) and isinstance(index, int)):
        raise ValueError(token)
    return Cursor(timestamp, stream, index, bool(newest_first))


def _candidates(
    name: str, events: Sequence[Event], wanted: Search, newest_first: bool
) -> Iterator[tuple[str, Event]]:
    start = 0 if wanted.start_ms is None else bisect_left(events, wanted.start_ms, key=_time)
    end = len(events) if wanted.end_ms is None else bisect_right(events, wanted.end_ms, key=_time)
    if wanted.after and newest_first:
        end = min(end, _position(name, events, wanted.after))
    elif wanted.after:
        start = max(start, _position(name, events, wanted.after))
    indices = range(end - 1, start - 1, -1) if newest_first else range(start, end)
    return ((name, events[index]) for index in indices)


def _position(name: str, events: Sequence[Event], after: Cursor) -> int:
    """Where a stream continues: its first event after the cursor, or the end of those before it if newest are first."""
    first = bisect_left(events, after.timestamp, key=_time)
    past = bisect_right(events, after.timestamp, key=_time)
    if name == after.stream:
        return min(first + after.index + (0 if after.newest_first else 1), past)
    return first if name > after.stream else past


def _cursor(
    streams: Mapping[str, Sequence[Event]], last: tuple[str, Event] | None, newest_first: bool
) -> Cursor | None:
    if last is None:
        return None
    stream, event = last
    events, timestamp = streams[stream], event["timestamp"]
    first = bisect_left(events, timestamp, key=_time)
    index = next(index for index in range(first, len(events)) if events[index] is event) - first
    return Cursor(timestamp, stream, index, newest_first)


def _time(event: Event) -> int:
    time_ms: int = event["timestamp"]
    return time_ms

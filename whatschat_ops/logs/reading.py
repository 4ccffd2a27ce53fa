"""Reads log groups with FilterLogEvents, page by page, all of them within one budget of requests.

AWS allows an account a number of FilterLogEvents calls a second in each Region (`quotas.log_read_rate`), however many groups
are read and whoever else reads: this program takes `SHARE` of it. A page may hold few events or none and a token all the
same; only a page without a token is the last one. AWS sorts the events of a search by their time (CloudWatch Logs API
reference, FilterLogEvents; its service model in botocore).
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from whatschat_ops.aws import Aws
from whatschat_ops.aws.clock import answer_time
from whatschat_ops.aws.errors import is_throttling
from whatschat_ops.aws.pacing import TokenBucket
from whatschat_ops.errors import Throttled, Unavailable
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.quotas import log_read_rate

SHARE: Final = 0.8
"""Of the Region's rate: the rest is for the console and everything else that reads the account's logs."""

MAX_THROTTLED_S: Final = 120.0
"""A page that AWS refuses for this long, for the rate of requests, is given up."""

_PAUSE_S: Final = 1.0
"""Before a page is asked for again that botocore's own retries did not get."""


class Search(NamedTuple):
    """Which events of a group. Times are in ms, both inclusive; an `end_ms` of None has no end.

    `pattern` is a filter pattern of CloudWatch Logs; "" matches every event.
    """

    start_ms: int
    end_ms: int | None = None
    pattern: str = ""


class Page(NamedTuple):
    """One answer: events in the order of their time. `token` continues the search; None: it has ended."""

    events: Sequence[LogEvent]
    token: str | None
    answered_ms: int
    """AWS's own time, to the second; this machine's if the answer does not say."""


@dataclass(slots=True)
class ReadCounts:
    """What was asked of AWS so far. `throttled` of the `requests` were refused for their rate, and sent again."""

    requests: int = 0
    throttled: int = 0


class LogReader:
    """Reads the groups of one stack. One for all groups, as the budget is. Thread-safe."""

    def __init__(
        self,
        aws: Aws,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.counts = ReadCounts()
        self._clock = clock
        self._sleep = sleep
        self._budget = TokenBucket(request_rate(aws.region), 2, clock=clock, sleep=sleep)
        self._client = aws.new_client("logs")
        self._client.meta.events.register("before-send.cloudwatch-logs.FilterLogEvents", self._before_send)
        self._client.meta.events.register("response-received.cloudwatch-logs.FilterLogEvents", self._received)

    def page(self, group: LogGroup, search: Search, token: str | None = None) -> Page:
        """One page, at the rate of the budget. Raises Throttled after `MAX_THROTTLED_S`, NotFound without the group."""
        given_up_at = self._clock() + MAX_THROTTLED_S
        while True:
            try:
                return _page(group, self._client.filter_log_events(**_request(group, search, token)))
            except Throttled:
                if self._clock() >= given_up_at:
                    raise
                self._sleep(_PAUSE_S)

    def events(self, group: LogGroup, search: Search) -> Iterator[LogEvent]:
        """The events of a group, in the order of their time. Reads a page when its first event is wanted."""
        token: str | None = None
        while True:
            page = self.page(group, search, token)
            yield from page.events
            if page.token is None:
                return
            if page.token == token:
                raise Unavailable(
                    f"FilterLogEvents: {group.name} cannot be read to its end: the answer leads back to itself.",
                    hint="Run the same command again.",
                )
            token = page.token

    def merged(self, groups: Sequence[LogGroup], search: Search) -> Iterator[LogEvent]:
        """The events of all groups, in the order of their time, with a page of each in memory."""
        return heapq.merge(*(self.events(group, search) for group in groups), key=lambda event: event.time_ms)

    def _before_send(self, **_: Any) -> None:
        self._budget.take()

    def _received(self, parsed_response: Any, **_: Any) -> None:
        self.counts.requests += 1
        if is_throttling(parsed_response or {}):
            self.counts.throttled += 1


def request_rate(region: str) -> float:
    """Requests a second that this program sends to a Region."""
    return SHARE * (log_read_rate(region, "FilterLogEvents") or 0)


def _request(group: LogGroup, search: Search, token: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"logGroupName": group.name, "startTime": max(0, search.start_ms)}
    if search.end_ms is not None:
        request["endTime"] = search.end_ms
    if search.pattern:
        request["filterPattern"] = search.pattern
    if token is not None:
        request["nextToken"] = token
    return request


def _page(group: LogGroup, answer: dict[str, Any]) -> Page:
    events = [
        LogEvent(
            event["eventId"],
            group.source,
            event["logStreamName"],
            event["timestamp"],
            event["ingestionTime"],
            event.get("message", ""),
        )
        for event in answer.get("events", ())
    ]
    return Page(events, answer.get("nextToken"), _answered_ms(answer))


def _answered_ms(answer: dict[str, Any]) -> int:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return int((answer_time(headers) or datetime.now(UTC)).timestamp() * 1000)

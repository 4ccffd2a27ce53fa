"""The clock of the embedded AWS, and who may move it."""

from __future__ import annotations

import asyncio
import json

import pytest

from whatschat_ops.local.clock import MAX_ADVANCE_S, ClockApi, ServiceClock, TimeModule
from whatschat_ops.local.interfaces import Denial, HttpRequest


class Authorizer:
    """Gives one answer and keeps what it was asked."""

    def __init__(self, denial: Denial | None = None) -> None:
        self.denial = denial
        self.asked: list[tuple[str, str]] = []

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        self.asked.append((service, action))
        return self.denial


def post(
    clock: ServiceClock, body: bytes, denial: Denial | None = None
) -> tuple[int, dict[str, object], int]:
    """Status, document, and how often `advanced` was called."""
    calls: list[None] = []
    authorizer = Authorizer(denial)
    api = ClockApi(clock, authorizer, lambda: calls.append(None))
    request = HttpRequest("POST", "/_whatschat/clock", "", (), body, "127.0.0.1")
    answer = asyncio.run(api.handle(request))
    assert authorizer.asked == [("whatschat", "whatschat:AdvanceClock")]
    return answer.status, json.loads(answer.body), len(calls)


def test_advanced_clock_is_ahead_by_the_sum() -> None:
    clock = ServiceClock(lambda: 1_000.0)
    assert post(clock, b'{"advance_s": 600}')[0] == 200
    assert post(clock, b'{"advance_s": 0.5}') == (
        200,
        {"offset_s": 600.5, "now": "1970-01-01T00:26:40Z"},
        1,
    )
    assert clock() == 1_600.5
    assert TimeModule(clock).time() == 1_600.5
    assert TimeModule(clock).gmtime(0).tm_year == 1970


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"advance_s": -1}', b'{"advance_s": true}', b'{"advance_s": "1"}', b'{"advance_s": NaN}',
     b'{"advance_s": %d}' % (MAX_ADVANCE_S + 1)],
)  # fmt: skip
def test_length_that_is_not_one_moves_nothing(body: bytes) -> None:
    clock = ServiceClock()
    status, _, calls = post(clock, body)
    assert (status, calls, clock.offset_s) == (400, 0, 0.0)


def test_caller_without_permission_moves_nothing() -> None:
    clock = ServiceClock()
    denial = Denial("AccessDeniedException", "no")
    assert post(clock, b'{"advance_s": 1}', denial) == (403, {"message": "no"}, 0)
    assert clock.offset_s == 0.0

"""The clock of the embedded AWS, which can be moved ahead of the machine's.

The gateway, Chime, schedules of EventBridge, logs and metrics read it. Functions, tokens, signatures and the TTL of tables keep the machine's
time: they are checked against clients that do. A restart sets it back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from whatschat_ops.local.interfaces import HttpRequest, HttpResponse, RequestAuthorizer

PATH: Final = "/_whatschat/clock"
SIGNING_NAME: Final = "whatschat"
MAX_ADVANCE_S: Final = 400 * 24 * 60 * 60
"""Less than the 455 days for which CloudWatch keeps a metric, and far from what a date can be."""


class ServiceClock:
    """Epoch seconds, `offset_s` ahead of `read`."""

    def __init__(self, read: Callable[[], float] = time.time) -> None:
        self._read = read
        self.offset_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self._read() + self.offset_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.offset_s += seconds


class TimeModule:
    """Python's `time` for a module of ministack, with the clock's time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.time = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class ClockApi:
    """POST to `PATH` with {"advance_s": number}, signed by a user with administrator permissions; `advanced` is called
    afterwards.
    """

    def __init__(
        self, clock: ServiceClock, authorizer: RequestAuthorizer, advanced: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._authorizer = authorizer
        self._advanced = advanced

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        denial = self._authorizer.authorize(request, SIGNING_NAME, f"{SIGNING_NAME}:AdvanceClock", "*")
        if denial is not None:
            return _json(denial.status, {"message": denial.message})
        advance_s = _advance_s(request.body)
        if advance_s is None or not 0 <= self._clock.offset_s + advance_s <= MAX_ADVANCE_S:
            limit = MAX_ADVANCE_S // 86_400
            return _json(400, {"message": f"The clock can be advanced by at most {limit} days altogether."})
        self._clock.advance(advance_s)
        self._advanced()
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return _json(200, {"offset_s": self._clock.offset_s, "now": now})


def _advance_s(body: bytes) -> float | None:
    try:
        seconds = json.loads(body)["advance_s"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return float(seconds) if is_number and seconds >= 0 else None


def _json(status: int, document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, json.dumps(document).encode(), {"content-type": "application/json"})

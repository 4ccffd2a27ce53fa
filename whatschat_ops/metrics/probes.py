"""What `doctor` did to the API's own metrics: its connections and refusals, from the access log.

A probe with a wrong or expired token is refused by the function: API Gateway counts a connect and an IntegrationError. Metrics
have no User-Agent, the access log has (`userAgent`), so what came from `doctor` is counted there and taken out of error rates.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import NotFound

USER_AGENT: Final = "whatschat-ops-doctor"
MOST_PAGES: Final = 25
"""Of the access log; each is up to 1 MB that FilterLogEvents looks through. A longer log is not counted."""
_FAILED: Final = 400


@dataclass(frozen=True, slots=True)
class Probes:
    """Connects, those of them that the function rejected, and messages of `doctor`. None is not known: `reason` says why, and
    `refused` is the operation that IAM does not allow.
    """

    connects: int | None = None
    rejected: int | None = None
    messages: int | None = None
    reason: str | None = None
    refused: str | None = None

    @property
    def part(self) -> tuple[float, float]:
        """What they are of the API's errors, and of its connects and messages, as far as it is known."""
        return self.rejected or 0, (self.connects or 0) + (self.messages or 0)


def count(aws: Aws, group: str, since: datetime, until: datetime) -> Probes:
    """Look through the access log from `since` until before `until`."""
    request = {
        "logGroupName": group,
        "startTime": int(since.timestamp() * 1000),
        "endTime": int(until.timestamp() * 1000) - 1,
        "filterPattern": f'{{ $.userAgent = "{USER_AGENT}*" }}',
    }
    lines: list[Any] = []
    try:
        pages = aws.client("logs").get_paginator("filter_log_events").paginate(**request)
        for page in islice(pages, MOST_PAGES):
            lines += map(_line, page.get("events", ()))
            if not page.get("nextToken"):
                return _counted(lines)
    except NotFound:
        return Probes(reason=f"the access log {group} does not exist")
    return Probes(reason=f"the access log {group} is too long to look through")


def _counted(lines: list[dict[str, Any]]) -> Probes:
    connects = [line for line in lines if line.get("eventType") == "CONNECT"]
    rejected = sum(_status(line) >= _FAILED for line in connects)
    return Probes(len(connects), rejected, sum(line.get("eventType") == "MESSAGE" for line in lines))


def _line(event: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(event["message"])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _status(line: dict[str, Any]) -> int:
    text = str(line.get("integrationStatus"))
    return int(text) if text.isdecimal() else 0

"""PutLogEvents: which batches are refused, and which events of a batch are not stored. Pure.

CloudWatch Logs API reference, PutLogEvents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whatschat_ops.quotas import (
    LOG_EVENT_OVERHEAD_BYTES,
    MAX_LOG_AGE_S,
    MAX_LOG_AHEAD_S,
    MAX_LOG_BATCH_BYTES,
    MAX_LOG_BATCH_EVENTS,
    MAX_LOG_BATCH_S,
)

Event = Mapping[str, Any]
"""`timestamp` in ms and `message`."""


def batch_error(events: Sequence[Event]) -> str | None:
    """Why a batch is refused (InvalidParameterException), or None."""
    times = [int(event["timestamp"]) for event in events]
    if times != sorted(times):
        return "Log events in a single PutLogEvents request must be in chronological order."
    size = sum(len(str(event["message"]).encode()) + LOG_EVENT_OVERHEAD_BYTES for event in events)
    if size > MAX_LOG_BATCH_BYTES:
        return f"Upload too large: {size} bytes exceeds limit of {MAX_LOG_BATCH_BYTES}"
    if len(events) > MAX_LOG_BATCH_EVENTS:
        return f"A batch has at most {MAX_LOG_BATCH_EVENTS} log events."
    if times and times[-1] - times[0] > MAX_LOG_BATCH_S * 1000:
        return "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    return None


def stored(events: Sequence[Event], now_s: float) -> tuple[list[Event], dict[str, int]]:
    """The events that are stored, and `rejectedLogEventsInfo`: the index after the old ones, and of the first new one."""
    oldest, newest = (now_s - MAX_LOG_AGE_S) * 1000, (now_s + MAX_LOG_AHEAD_S) * 1000
    first = sum(event["timestamp"] < oldest for event in events)
    last = len(events) - sum(event["timestamp"] > newest for event in events)
    rejected = {"tooOldLogEventEndIndex": first} if first else {}
    if last < len(events):
        rejected["tooNewLogEventStartIndex"] = last
    return list(events[first:last]), rejected

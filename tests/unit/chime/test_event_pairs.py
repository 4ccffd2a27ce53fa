"""Events that have no counterpart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.chime.event_pairs import Unmatched, unmatched
from whatschat_ops.chime.events import EventType, MeetingEvent

START = datetime(2026, 11, 28, tzinfo=UTC)
JOINED, LEFT, DROPPED = EventType.ATTENDEE_JOINED, EventType.ATTENDEE_LEFT, EventType.ATTENDEE_DROPPED
ENDED = EventType.MEETING_ENDED


def event(event_type: str, at_s: float, attendee: str | None = "a", meeting: str = "m") -> MeetingEvent:
    at = START + timedelta(seconds=at_s)
    return MeetingEvent(
        event_type, at, meeting, None, attendee, attendee, "us-east-1", f"{event_type}-{at_s}"
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event(JOINED, 0), event(LEFT, 9)], (0, 0, 0)),
        ([event(LEFT, 9), event(JOINED, 0)], (0, 0, 0)),  # delivered in another order
        ([event(LEFT, 3), event(JOINED, 3)], (0, 0, 0)),  # of the same millisecond
        ([event(JOINED, 0), event(DROPPED, 5), event(JOINED, 6), event(LEFT, 9)], (0, 0, 0)),
        ([event(JOINED, 0), event(JOINED, 6), event(LEFT, 9)], (1, 0, 0)),
        ([event(LEFT, 1), event(JOINED, 2)], (1, 1, 0)),
        ([event(JOINED, 0), event(LEFT, 9, "b")], (1, 1, 0)),
        ([event(ENDED, 9, None), event(ENDED, 9.1, None), event(ENDED, 9, None, "n")], (0, 0, 1)),
    ],
)
def test_events_without_a_counterpart_are_counted(
    events: list[MeetingEvent], expected: tuple[int, int, int]
) -> None:
    assert unmatched(events) == Unmatched(*expected)

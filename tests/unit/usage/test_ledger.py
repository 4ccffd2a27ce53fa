"""Attendee-minutes of events and of what the ledger kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from whatschat_ops.chime.events import MeetingEvent
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.usage.attendances import WITHOUT_END
from whatschat_ops.usage.ledger import EXPIRED, MALFORMED, NO_BEGINNING, Told, quantities_of
from whatschat_ops.usage.measured import Bounded, Findings, Name
from whatschat_ops.usage.window import usage_window

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 10, tzinfo=UTC)
WINDOW = usage_window(NOW, SINCE, datetime(2026, 11, 8, tzinfo=UTC))


def at(minutes: float) -> datetime:
    return SINCE + timedelta(minutes=minutes)


def event(kind: str, minutes: float, attendee: str | None = "a", meeting: str = "m") -> MeetingEvent:
    name = f"{kind}-{meeting}-{attendee}-{minutes}"
    return MeetingEvent(kind, at(minutes), meeting, None, attendee, attendee, "us-east-1", name)


def record(meeting: str, minutes: float = 0, **fields: Any) -> MeetingRecord:
    fields = {"status": MeetingStatus.ENDED, **fields}
    return MeetingRecord(meeting, f"ext-{meeting}", "alice", "us-east-1", "us-east-1", at(minutes), **fields)


def told(
    records: list[MeetingRecord], events: list[MeetingEvent] | None, malformed: int = 0
) -> tuple[dict[Name, Bounded | None], dict[str, int]]:
    rejects, handled = Findings(), Findings()
    by_id = {each.meeting_id: each for each in records}
    found = quantities_of(Told(by_id, events, malformed), WINDOW, NOW, rejects=rejects, handled=handled)
    return found, {each.reason: each.count for each in (*rejects.found, *handled.found)}


def test_attendances_and_meetings_count_where_they_began() -> None:
    events = [
        event("AttendeeJoined", -5), event("AttendeeLeft", 5),  # began before
        event("AttendeeJoined", 10), event("AttendeeVideoStarted", 11), event("AttendeeLeft", 20.01),
        event("AttendeeJoined", 30, "b"), event("AttendeeDropped", 31, "b"),
        event("AttendeeJoined", 8 * 1_440, "b"), event("AttendeeLeft", 8 * 1_440 + 9, "b"),  # began after
    ]  # fmt: skip
    found, reasons = told([record("m", -6), record("n", 1)], events)
    assert found == {
        "meetings": Bounded.exactly(1),
        "attendances": Bounded.exactly(2),
        "chime_audio": Bounded.exactly(1),
        "chime_video": Bounded.exactly(Decimal("10.1")),
    }
    assert reasons == {}


def test_an_attendance_whose_end_no_event_tells_has_bounds() -> None:
    events = [event("AttendeeJoined", 0), event("MeetingEnded", 15, None), event("AttendeeLeft", 3, "b")]
    found, reasons = told([record("m")], events, malformed=2)
    assert found["chime_audio"] == Bounded(Decimal(0), Decimal(15))
    assert reasons == {WITHOUT_END: 1, NO_BEGINNING: 1, MALFORMED: 2}


def test_minutes_of_meetings_whose_events_are_gone_are_those_of_the_ledger() -> None:
    records = [
        record("old", 1, attendee_minutes=7.3, attendances=2, minutes_estimated=False),
        record("estimated", 2, attendee_minutes=1.5, attendances=1, minutes_estimated=True),
        record("unknown", 3),
        record("pending#1", 3, status=MeetingStatus.PENDING, attendee_minutes=100.0),
        record("earlier", -3, attendee_minutes=100.0, attendances=9, minutes_estimated=False),
    ]
    nothing: list[MeetingEvent] = []
    for events in (nothing, None):
        found, reasons = told(records, events)
        assert found == {
            "meetings": Bounded.exactly(3),
            "attendances": Bounded.exactly(3),
            "chime_audio": Bounded(Decimal("7.3"), Decimal("8.8")),
            "chime_video": Bounded.exactly(0),
        }
        assert reasons == {EXPIRED: 2}


def test_without_events_and_minutes_only_meetings_are_known() -> None:
    assert told([record("m")], None) == ({"meetings": Bounded.exactly(1)}, {})

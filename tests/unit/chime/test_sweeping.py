"""Which meetings a sweep deletes: by purpose, time to live, age, and who is connected."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.chime.events import EventType, MeetingEvent
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.chime.sweeping import UNKNOWN, Presence, Selection, presence_of

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RECORD = MeetingRecord(
    "m-1", "standup", "alice", "us-east-1", "us-east-1", NOW - timedelta(hours=1), MeetingStatus.ACTIVE, purpose="test"
)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "selection", "reason"),
    [
        ({}, {}, None),
        ({"purpose": "call"}, {}, "purpose call"),
        ({"purpose": None}, {}, "no purpose recorded"),
        ({"purpose": "call"}, {"purposes": frozenset({"call"})}, None),
        ({}, {"purposes": frozenset({"call"})}, "purpose test"),
        ({}, {"older_than": timedelta(hours=1)}, None),
        ({}, {"older_than": timedelta(hours=1, seconds=1)}, "younger"),
        ({"delete_after": NOW + timedelta(minutes=1)}, {}, "its time to live ends at 12:01:00 UTC"),
        ({"delete_after": NOW}, {}, None),
        ({"not_asked": "no"}, {}, UNKNOWN),
        ({"not_asked": "no", "purpose": "call"}, {}, "purpose call"),
        ({"not_asked": "no"}, {"older_than": timedelta(hours=1)}, None),
        ({"not_asked": "no", "delete_after": NOW}, {}, None),
        ({"not_asked": "no", "status": MeetingStatus.PENDING}, {"older_than": timedelta(hours=1)}, UNKNOWN),
        ({"status": MeetingStatus.PENDING}, {}, None),
    ],
)
def test_meeting_is_swept_unless_there_is_a_reason_to_keep_it(
    record: dict[str, Any], selection: dict[str, Any], reason: str | None
) -> None:
    assert Selection(**selection).keeps(replace(RECORD, **record), NOW) == reason


@pytest.mark.parametrize(
    ("presence", "reason"),
    [
        (None, "not measured: there are no events of it"),
        (Presence(frozenset({"a", "b"}), NOW - timedelta(minutes=9)), "2 connected"),
        (Presence(frozenset(), NOW - timedelta(seconds=29)), "its last event is too recent"),
        (Presence(frozenset(), NOW - timedelta(seconds=30)), None),
    ],
)
def test_meeting_is_empty_only_if_its_events_say_so(presence: Presence | None, reason: str | None) -> None:
    found = {} if presence is None else {"m-1": presence}
    assert Selection(presence=found).keeps(RECORD, NOW) == reason


def event(kind: EventType, at_s: int, attendee: str | None = None) -> MeetingEvent:
    at = NOW + timedelta(seconds=at_s)
    return MeetingEvent(kind, at, "m-1", None, attendee, attendee, "us-east-1", f"{kind}-{at_s}-{attendee}")


EVENTS = [
    event(EventType.MEETING_STARTED, 0),
    event(EventType.ATTENDEE_JOINED, 1, "a"),
    event(EventType.ATTENDEE_LEFT, 2, "a"),
    event(EventType.ATTENDEE_JOINED, 3, "b"),
    event(EventType.ATTENDEE_DROPPED, 4, "b"),
    event(EventType.ATTENDEE_JOINED, 4, "b"),
]


def test_connected_are_those_whose_last_event_is_joining_in_any_order() -> None:
    expected = {"m-1": Presence(frozenset({"b"}), NOW + timedelta(seconds=4))}
    assert all(presence_of(events) == expected for events in itertools.permutations(EVENTS))


def test_deleted_attendee_is_not_connected() -> None:
    joined, deleted = event(EventType.ATTENDEE_JOINED, 1, "a"), event(EventType.ATTENDEE_DELETED, 2, "a")
    assert presence_of([joined, deleted])["m-1"].connected == frozenset()


@pytest.mark.parametrize("kind", [EventType.VIDEO_STARTED, EventType.CONTENT_JOINED])
@pytest.mark.parametrize("suffix", ["", "#content"])
def test_attendee_whose_joining_was_not_delivered_is_connected_while_media_are(
    kind: EventType, suffix: str
) -> None:
    used = event(kind, 2, f"a{suffix}")
    assert presence_of([used])["m-1"].connected == frozenset({"a"})
    before, after = event(EventType.ATTENDEE_LEFT, 1, "a"), event(EventType.ATTENDEE_LEFT, 3, "a")
    assert presence_of([used, before])["m-1"].connected == frozenset({"a"})
    assert presence_of([used, after])["m-1"].connected == frozenset()


def test_attendee_stays_connected_when_content_ends() -> None:
    joined, shared = event(EventType.ATTENDEE_JOINED, 1, "a"), event(EventType.CONTENT_JOINED, 2, "a")
    ended = event(EventType.CONTENT_LEFT, 3, "a")
    assert presence_of([joined, shared, ended])["m-1"].connected == frozenset({"a"})
    assert presence_of([shared, ended])["m-1"].connected == frozenset()

"""Events of Chime meetings: from EventBridge's documents to values."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from whatschat_ops.chime.events import EventLog, EventType, MalformedEvent, parse_event
from whatschat_ops.config import Settings

MEETING = "87654321-4321-4321-1234-111122223333"
JOINED: dict[str, Any] = {
    "version": "0",
    "id": "12345678-1234-1234-1234-111122223333",
    "source": "aws.chime",
    "account": "111122223333",
    "time": "2026-11-28T10:00:00Z",
    "region": "us-east-1",
    "detail-type": "Chime Meeting State Change",
    "resources": [],
    "detail": {
        "version": "0",
        "eventType": "chime:AttendeeJoined",
        "timestamp": 12344566754,
        "meetingId": MEETING,
        "attendeeId": "87654321-4321-4321-1234-111122223333",
        "externalUserId": "87654321-4321",
        "networkType": "Voip",
        "mediaRegion": "us-east-1",
    },
}
"""The documented example (Chime SDK Developer Guide, "Amazon Chime SDK meeting events")."""


def with_detail(**changes: object) -> dict[str, Any]:
    return {**JOINED, "detail": {**JOINED["detail"], **changes}}


def test_the_documented_example_is_read_whole() -> None:
    event = parse_event(JOINED)
    assert event is not None
    assert (event.event_type, event.meeting_id) == (EventType.ATTENDEE_JOINED, MEETING)
    assert event.at == datetime.fromtimestamp(12344566.754, UTC)
    assert (event.external_meeting_id, event.external_user_id) == (None, "87654321-4321")
    assert (event.media_region, event.event_id) == ("us-east-1", JOINED["id"])


def test_a_type_that_is_newer_than_this_program_is_kept_as_it_is() -> None:
    event = parse_event(with_detail(eventType="chime:AttendeeWaved"))
    assert event is not None and event.event_type == "AttendeeWaved"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {**JOINED, "source": "aws.ec2"},
        {**JOINED, "detail-type": "Chime VoiceConnector Streaming Status"},
    ],
)
def test_what_is_no_state_change_of_a_meeting_is_not_an_event(document: object) -> None:
    assert parse_event(document) is None


@pytest.mark.parametrize(
    "document",
    [
        {**JOINED, "detail": None},
        {**JOINED, "id": 7},
        with_detail(meetingId=None),
        with_detail(timestamp="now"),
        with_detail(timestamp=10**30),
        with_detail(attendeeId=["x"]),
        {name: value for name, value in JOINED.items() if name != "detail"},
    ],
)
def test_a_state_change_without_its_fields_is_malformed(document: object) -> None:
    with pytest.raises(MalformedEvent):
        parse_event(document)


class _Log:
    """An Aws with a log group that has these events, whenever they happened: the log goes by when it got them."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self._page = {"events": [{"message": json.dumps(event)} for event in events]}

    def client(self, _service: str, *, region: str) -> _Log:
        return self

    def get_paginator(self, _operation: str) -> _Log:
        return self

    def paginate(self, **_request: Any) -> list[dict[str, Any]]:
        return [self._page]


class Enough(Exception):
    """The test has seen enough."""


def test_event_that_is_hours_late_is_followed_once() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    new, late = (
        {**with_detail(timestamp=int((now - age).timestamp() * 1000)), "id": name}
        for name, age in (("new", timedelta(0)), ("late", timedelta(hours=3)))
    )
    log: Any = _Log(new, late, late)
    waits = iter(range(3))
    found: list[str] = []

    def wait() -> None:
        if next(waits, None) is None:
            raise Enough

    followed = EventLog(log, Settings.of({"chime": {"events": True}})).follow(
        now - timedelta(hours=24), wait=wait
    )
    with pytest.raises(Enough):
        found.extend(event.event_id for event in followed)
    assert found == ["new", "late"]

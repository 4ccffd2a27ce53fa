"""Events and simulated attendance of the embedded Chime service: what is sent, when, and what attendance changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.component.local.chime_in_process import START, ChimeInProcess, create
from whatschat_ops.chime.events import parse_event
from whatschat_ops.local.interfaces import Denial
from whatschat_ops.quotas import CHIME_MEETING_S, CHIME_UNATTENDED_S

pytestmark = pytest.mark.aws("https://docs.aws.amazon.com/chime-sdk/latest/dg/using-events.html")

MEETING_FIELDS = {"version", "eventType", "timestamp", "meetingId", "externalMeetingId", "mediaRegion"}
ATTENDEE_FIELDS = {
    "version", "eventType", "timestamp", "meetingId", "attendeeId", "externalUserId", "mediaRegion",
}  # fmt: skip
ENDED = "chime:MeetingEnded"


@pytest.fixture
def chime(tmp_path: Path) -> ChimeInProcess:
    return ChimeInProcess(tmp_path / "state" / "chime.sqlite3")


@pytest.fixture
def client(chime: ChimeInProcess) -> Any:
    return chime.client()


@pytest.fixture
def meeting(chime: ChimeInProcess, client: Any) -> str:
    """A meeting with the attendees alice and bob, whose events are taken."""
    meeting_id: str = create(client)["MeetingId"]
    for user in ("alice", "bob"):
        client.create_attendee(MeetingId=meeting_id, ExternalUserId=user)
    chime.events()
    return meeting_id


def test_every_operation_sends_its_events_once(chime: ChimeInProcess, client: Any) -> None:
    meeting_id = create(client, "token-1")["MeetingId"]
    create(client, "token-1")  # the same meeting: nothing starts
    assert chime.events() == ["chime:MeetingStarted"]
    attendee = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"]
    client.batch_create_attendee(
        MeetingId=meeting_id, Attendees=[{"ExternalUserId": user} for user in ("alice", "bob", "aws:x")]
    )
    assert chime.events() == ["chime:AttendeeAdded alice", "chime:AttendeeAdded bob"]
    client.delete_attendee(MeetingId=meeting_id, AttendeeId=attendee["AttendeeId"])
    assert chime.events() == ["chime:AttendeeDeleted alice"]


def test_deleting_a_meeting_sends_its_end_twice(chime: ChimeInProcess, client: Any, meeting: str) -> None:
    client.delete_meeting(MeetingId=meeting)
    assert chime.events() == [ENDED, ENDED]
    client.delete_meeting(MeetingId=meeting)
    assert chime.events() == []


def test_events_have_the_documented_fields(chime: ChimeInProcess, client: Any, meeting: str) -> None:
    for action in ("attend", "leave", "attend", "drop"):
        chime.attend(meeting, "alice", action)
    client.delete_meeting(MeetingId=meeting)
    fields = {str(event.detail["eventType"]): set(event.detail) for event in chime.published}
    assert fields == {
        "chime:AttendeeAuthorized": ATTENDEE_FIELDS,
        "chime:AttendeeJoined": ATTENDEE_FIELDS | {"networkType"},
        "chime:AttendeeLeft": ATTENDEE_FIELDS | {"networkType"},
        "chime:AttendeeDropped": ATTENDEE_FIELDS | {"networkType"},
        ENDED: MEETING_FIELDS,
    }
    for event in chime.published:
        envelope = {
            "id": "1",
            "source": event.source,
            "detail-type": event.detail_type,
            "detail": event.detail,
        }
        read = parse_event(envelope)
        assert read is not None and (read.meeting_id, read.media_region) == (meeting, "eu-central-1")
        assert event.region == "us-east-1"


def test_attendance_keeps_a_meeting_open_and_its_end_frees_it(chime: ChimeInProcess, meeting: str) -> None:
    assert chime.attend(meeting, "ALICE")[0] == 200
    chime.clock.advance(2 * CHIME_UNATTENDED_S)
    status, left = chime.attend("call-alice-1", "alice", "leave")
    assert (status, left["connected"], left["connected_s"]) == (200, False, 2 * CHIME_UNATTENDED_S)
    chime.events()
    chime.clock.advance(CHIME_UNATTENDED_S - 1)
    chime.service.sweep()
    assert chime.events() == []
    chime.clock.advance(60)
    chime.service.sweep()
    [ended] = chime.published
    # It ended when it was due, not when that was noticed.
    assert (ended.detail["eventType"], ended.at) == (ENDED, START + 3 * CHIME_UNATTENDED_S)


def test_meeting_stays_open_while_the_last_of_two_is_connected(chime: ChimeInProcess, meeting: str) -> None:
    chime.attend(meeting, "alice")
    chime.attend(meeting, "bob")
    chime.attend(meeting, "alice", "leave")
    chime.clock.advance(CHIME_UNATTENDED_S + 1)
    assert chime.attend(meeting, "bob", "drop")[0] == 200


def test_meeting_ends_after_a_day_whoever_is_connected(chime: ChimeInProcess, meeting: str) -> None:
    chime.attend(meeting, "alice")
    chime.events()
    chime.clock.advance(CHIME_MEETING_S)
    chime.service.sweep()
    assert chime.events() == [ENDED]


def test_replica_ends_with_its_primary(chime: ChimeInProcess, client: Any, meeting: str) -> None:
    create(client, PrimaryMeetingId=meeting)
    chime.events()
    chime.clock.advance(CHIME_UNATTENDED_S)
    chime.service.sweep()
    assert chime.events() == [ENDED, ENDED]


def test_connected_attendee_that_is_deleted_leaves(chime: ChimeInProcess, client: Any, meeting: str) -> None:
    attendee_id = chime.attend(meeting, "alice")[1]["attendee_id"]
    chime.events()
    client.delete_attendee(MeetingId=meeting, AttendeeId=attendee_id)
    assert chime.events() == ["chime:AttendeeLeft alice", "chime:AttendeeDeleted alice"]
    chime.clock.advance(CHIME_UNATTENDED_S)
    chime.service.sweep()
    assert chime.events() == [ENDED]


def test_attendance_survives_a_restart(chime: ChimeInProcess, meeting: str) -> None:
    chime.attend(meeting, "alice")
    chime.restart()
    chime.clock.advance(CHIME_UNATTENDED_S + 1)
    assert chime.attend(meeting, "alice", "leave")[1]["connected_s"] == CHIME_UNATTENDED_S + 1


@pytest.mark.parametrize(
    ("user", "action", "reason"),
    [
        ("bob", "leave", "not connected"),
        ("alice", "attend", "already connected"),
        ("alice", "wave", "a meeting, a user and an action"),
    ],
)
def test_attendance_that_is_not_possible_is_refused(
    chime: ChimeInProcess, meeting: str, user: str, action: str, reason: str
) -> None:
    chime.attend(meeting, "alice")
    chime.events()
    status, answer = chime.attend(meeting, user, action)
    assert status == 400 and reason in answer["message"]
    assert chime.events() == []


def test_attendance_needs_a_permission(chime: ChimeInProcess, meeting: str) -> None:
    chime.control_plane.denials["whatschat:SetAttendance"] = Denial("AccessDenied", "no")
    assert chime.attend(meeting, "alice") == (403, {"message": "no"})


def test_meeting_that_is_not_open_cannot_be_attended(chime: ChimeInProcess) -> None:
    assert chime.attend("call-x", "alice") == (404, {"message": "There is no open meeting call-x."})


def test_user_who_is_no_attendee_cannot_be_connected(chime: ChimeInProcess, meeting: str) -> None:
    status, answer = chime.attend(meeting, "carol")
    assert status == 404 and "carol is not an attendee" in answer["message"]

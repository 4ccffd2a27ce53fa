"""The shipped fake and the embedded Chime: the same checks on both, through `ChimeService`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.component.local.chime_in_process import UNKNOWN, ChimeInProcess
from whatschat_ops.chime import ChimeService, FailedAttendee
from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.fake import FakeChimeClient
from whatschat_ops.errors import (
    AwsError,
    Blocked,
    Missing,
    NotFound,
    Rejected,
    Throttled,
    Unavailable,
    UsageError,
)

RECEIVING = Capabilities("Receive", "Receive", "Receive")


@pytest.fixture(params=["fake", "embedded"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "fake":
        return FakeChimeClient()
    return ChimeInProcess(tmp_path / "chime.sqlite3").client()


@pytest.fixture
def service(client: Any) -> ChimeService:
    return ChimeService(client)


def shape(value: Any) -> Any:
    """A document's fields, without the values."""
    return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else type(value)


def test_documents_have_the_same_fields(tmp_path: Path) -> None:
    documents = []
    for client in (FakeChimeClient(), ChimeInProcess(tmp_path / "chime.sqlite3").client()):
        service = ChimeService(client)
        meeting = service.create_meeting("alice")
        service.create_attendee(meeting.meeting_id, "alice")
        documents.append(service.join_info(meeting.meeting_id, "alice").document())
    fake, embedded = documents
    assert shape(fake) == shape(embedded)


def test_meeting_lives_from_creation_to_deletion(service: ChimeService) -> None:
    meeting = service.create_meeting("alice", external_meeting_id="standup")
    assert (meeting.external_meeting_id, meeting.control_region, meeting.media_region) == (
        "standup", "us-east-1", "us-east-1",
    )  # fmt: skip
    assert service.get_meeting(meeting.meeting_id.upper()) == meeting
    service.delete_meeting(meeting.meeting_id)
    with pytest.raises(NotFound):
        service.get_meeting(meeting.meeting_id)


def test_attendees_are_created_listed_and_deleted(service: ChimeService) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    alice = service.create_attendee(meeting_id, "alice", RECEIVING)
    assert service.create_attendee(meeting_id, "alice") == alice
    batch = service.create_attendees(meeting_id, [f"user-{number}" for number in range(252)])
    assert len(batch.attendees) == 249
    assert batch.failed[0] == FailedAttendee(
        "user-249", "LimitExceeded", "The meeting has 250 attendees already"
    )
    assert len(service.list_attendees(meeting_id)) == 250
    service.delete_attendee(meeting_id, alice.attendee_id)
    assert len(service.list_attendees(meeting_id)) == 249


def test_user_id_that_differs_in_case_only_gets_no_token_of_the_other(service: ChimeService) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    alice = service.create_attendee(meeting_id, "alice")
    with pytest.raises(Blocked, match="'ALICE' differs in case only from that of the attendee 'alice'"):
        service.create_attendee(meeting_id, "ALICE")
    batch = service.create_attendees(meeting_id, ["ALICE", "bob", "BOB"], {"BOB": RECEIVING})
    assert [each.external_user_id for each in batch.attendees] == ["bob"]
    assert batch.attendees[0].capabilities["audio"] == "SendReceive"
    assert [(each.external_user_id, each.code) for each in batch.failed] == [
        ("ALICE", "UserIdTaken"),
        ("BOB", "UserIdTaken"),
    ]
    with pytest.raises(Missing):
        service.join_info(meeting_id, "ALICE")
    assert service.join_info(meeting_id, "alice").attendee == alice


def test_attendee_of_a_user_whose_id_is_a_uuid_is_found(service: ChimeService) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    made = service.create_attendee(meeting_id, UNKNOWN)
    assert service.join_info(meeting_id, UNKNOWN).attendee == made
    assert service.find_attendee(meeting_id, made.attendee_id) == made
    with pytest.raises(NotFound):
        service.find_attendee(meeting_id, meeting_id)


def test_capabilities_change(service: ChimeService) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    alice, bob = (service.create_attendee(meeting_id, user) for user in ("alice", "bob"))
    service.update_capabilities_except(meeting_id, [alice.attendee_id], RECEIVING)
    changed = service.update_capabilities(meeting_id, alice.attendee_id, Capabilities("None"))
    assert changed.capabilities["audio"] == "None"
    assert service.get_attendee(meeting_id, bob.attendee_id).capabilities["audio"] == "Receive"


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda service, _: service.get_meeting(UNKNOWN), "GetMeeting"),
        (lambda service, _: service.delete_meeting(UNKNOWN), "GetMeeting"),
        (lambda service, _: service.create_attendee(UNKNOWN, "bob"), "CreateAttendee"),
        (lambda service, _: service.create_attendees(UNKNOWN, ["bob"]), "BatchCreateAttendee"),
        (lambda service, _: service.list_attendees(UNKNOWN), "ListAttendees"),
        (lambda service, meeting: service.get_attendee(meeting, UNKNOWN), "GetAttendee"),
        (lambda service, meeting: service.delete_attendee(meeting, UNKNOWN), "DeleteAttendee"),
        (
            lambda service, meeting: service.update_capabilities(meeting, UNKNOWN, RECEIVING),
            "UpdateAttendeeCapabilities",
        ),
        (
            lambda service, _: service.update_capabilities_except(UNKNOWN, [UNKNOWN], RECEIVING),
            "BatchUpdateAttendeeCapabilitiesExcept",
        ),
    ],
)
def test_what_does_not_exist_is_not_found(
    service: ChimeService, call: Callable[[ChimeService, str], Any], operation: str
) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    with pytest.raises(NotFound) as error:
        call(service, meeting_id)
    assert error.value.aws_code == "NotFoundException"
    assert error.value.operation == operation


def test_full_meeting_and_full_account_are_refused(service: ChimeService) -> None:
    meeting_id = service.create_meeting("alice").meeting_id
    service.create_attendees(meeting_id, [f"user-{number}" for number in range(250)])
    with pytest.raises(Rejected) as error:
        service.create_attendee(meeting_id, "one-more")
    assert error.value.aws_code == "LimitExceededException"


def test_bad_ids_are_refused_before_a_call(service: ChimeService) -> None:
    with pytest.raises(UsageError, match="2 to 64"):
        service.create_meeting("?")
    with pytest.raises(UsageError, match="reserved"):
        service.create_meeting("alice", "aws:x")
    with pytest.raises(UsageError, match="mars-1"):
        service.create_meeting("alice", media_region="mars-1")


def test_same_client_request_token_gives_the_same_meeting(client: Any) -> None:
    given = {"ClientRequestToken": "token-1", "MediaRegion": "us-east-1", "ExternalMeetingId": "standup"}
    first = client.create_meeting(**given)["Meeting"]["MeetingId"]
    assert client.create_meeting(**given)["Meeting"]["MeetingId"] == first


# What only the fake can do


def test_fake_returns_copies() -> None:
    client = FakeChimeClient()
    made = client.create_meeting(
        ClientRequestToken="t", MediaRegion="us-east-1", ExternalMeetingId="standup"
    )["Meeting"]
    meeting_id = made["MeetingId"]
    attendee = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"]
    listed = client.list_attendees(MeetingId=meeting_id)["Attendees"][0]
    for document in (made["MediaPlacement"], attendee["Capabilities"], listed["Capabilities"], listed):
        document.clear()
    assert client.get_meeting(MeetingId=meeting_id)["Meeting"]["MediaPlacement"]
    [kept] = client.list_attendees(MeetingId=meeting_id)["Attendees"]
    assert (kept["ExternalUserId"], kept["Capabilities"]["Audio"]) == ("alice", "SendReceive")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 429, Throttled),
        ("ServiceUnavailableException", 503, Unavailable),
        ("LimitExceededException", 400, Rejected),
    ],
)
def test_fake_fails_once_as_a_test_asks(code: str, status: int, kind: type[AwsError]) -> None:
    client = FakeChimeClient()
    client.fail_next("CreateMeeting", code, status)
    service = ChimeService(client)
    with pytest.raises(kind) as error:
        service.create_meeting("alice")
    assert (error.value.aws_code, error.value.operation) == (code, "CreateMeeting")
    assert service.create_meeting("alice")


def test_fake_serves_many_threads() -> None:
    service = ChimeService(FakeChimeClient())
    meeting_id = service.create_meeting("alice").meeting_id
    with ThreadPoolExecutor(max_workers=16) as pool:
        made = list(pool.map(lambda n: service.create_attendee(meeting_id, f"user-{n % 100}"), range(400)))
    assert len({item.attendee_id for item in made}) == 100 == len(service.list_attendees(meeting_id))

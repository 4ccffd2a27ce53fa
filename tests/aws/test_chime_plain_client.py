"""`ChimeService` with nothing but a boto3 client of its user's: no settings, no ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.component.local.chime_in_process import ChimeInProcess
from whatschat_ops.chime import ChimeService
from whatschat_ops.errors import CredentialsError, NotFound, PermissionDenied, UsageError
from whatschat_ops.local.interfaces import Denial

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def plain_client(chime: ChimeInProcess, region: str = "us-east-1") -> Any:
    client = boto3.Session("AKIDEXAMPLE", "secret", region_name=region).client("chime-sdk-meetings")
    chime.attach(client)
    return client


@pytest.fixture
def chime(tmp_path: Path) -> ChimeInProcess:
    return ChimeInProcess(tmp_path / "chime.sqlite3")


def test_meeting_and_attendee_are_created_without_ledger(chime: ChimeInProcess) -> None:
    service = ChimeService(plain_client(chime, "eu-west-2"))
    meeting = service.create_meeting("alice", external_meeting_id="standup")
    attendee = service.create_attendee(meeting.meeting_id, "alice")
    assert (meeting.control_region, meeting.media_region) == ("eu-west-2", "eu-west-2")
    assert service.list_attendees(meeting.meeting_id) == [attendee]
    service.delete_meeting(meeting.meeting_id)
    with pytest.raises(NotFound):
        service.get_meeting(meeting.meeting_id)


def test_failures_of_a_plain_client_are_our_errors_and_leave_the_client_as_it_was(
    chime: ChimeInProcess,
) -> None:
    client = plain_client(chime)
    chime.control_plane.denials["chime:CreateMeeting"] = Denial("AccessDeniedException", "no")
    with pytest.raises(PermissionDenied) as error:
        ChimeService(client).create_meeting("alice")
    assert error.value.operation == "CreateMeeting"
    with pytest.raises(ClientError):
        client.get_meeting(MeetingId=UNKNOWN)


def test_client_without_credentials_is_a_credentials_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = boto3.Session(region_name="us-east-1").client("chime-sdk-meetings")
    with pytest.raises(CredentialsError, match="Unable to locate credentials"):
        ChimeService(client).create_meeting("alice")


def test_listing_without_ledger_names_what_is_missing(chime: ChimeInProcess) -> None:
    with pytest.raises(UsageError, match="has no ledger") as error:
        ChimeService(plain_client(chime)).list_meetings()
    assert "MeetingLedger" in str(error.value.hint)


SDK_READS = {
    "Meeting": {"MeetingId", "ExternalMeetingId", "MediaPlacement", "MeetingFeatures"},
    "MediaPlacement": {"AudioHostUrl", "SignalingUrl", "TurnControlUrl", "EventIngestionUrl"},
    "Attendee": {"AttendeeId", "ExternalUserId", "JoinToken"},
}
"""The fields of MeetingSessionConfiguration in amazon-chime-sdk-js 3.32.0, as recorded on 2026-11-28."""


def test_join_document_has_what_the_javascript_sdk_reads(chime: ChimeInProcess) -> None:
    service = ChimeService(plain_client(chime))
    meeting_id = service.create_meeting("alice").meeting_id
    token = service.create_attendee(meeting_id, "alice").join_token.reveal()
    document = service.join_info(meeting_id, "alice").document()
    assert set(document) == {"Meeting", "Attendee"}
    assert document["Attendee"]["JoinToken"] == token
    assert set(document["Meeting"]) >= SDK_READS["Meeting"]
    assert set(document["Meeting"]["MediaPlacement"]) >= SDK_READS["MediaPlacement"]
    assert set(document["Attendee"]) >= SDK_READS["Attendee"]
    assert json.loads(json.dumps(document)) == document

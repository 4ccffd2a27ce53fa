"""The application's work with Chime: a meeting from creation to deletion."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.minimality.removal import Broken


def attempt_meeting(chime: Any, *, reads_attendees: bool = True) -> None:
    """Every call that the application makes, in its order. Raises Broken at the first one that is refused.

    `reads_attendees`: with GetAttendee, which the guide does not name.
    """
    created = call(
        chime.create_meeting,
        ClientRequestToken=uuid.uuid4().hex,
        ExternalMeetingId="call-alice-1",
        MediaRegion="us-east-1",
    )
    meeting = created["Meeting"]["MeetingId"]
    attendee = call(chime.create_attendee, MeetingId=meeting, ExternalUserId="alice")["Attendee"]
    call(
        chime.batch_create_attendee,
        MeetingId=meeting,
        Attendees=[{"ExternalUserId": "bob"}, {"ExternalUserId": "carol"}],
    )
    one = {"MeetingId": meeting, "AttendeeId": attendee["AttendeeId"]}
    call(chime.list_attendees, MeetingId=meeting)
    if reads_attendees:
        call(chime.get_attendee, **one)
    call(chime.get_meeting, MeetingId=meeting)
    call(chime.delete_attendee, **one)
    call(chime.delete_meeting, MeetingId=meeting)


def call(operation: Callable[..., Any], **parameters: Any) -> Any:
    """The answer of a boto3 operation. Raises Broken when it is refused."""
    try:
        return operation(**parameters)
    except ClientError as error:
        answer = error.response
        seen = f"HTTP {answer['ResponseMetadata']['HTTPStatusCode']} {answer['Error']['Code']}"
        raise Broken(error.operation_name, seen) from None

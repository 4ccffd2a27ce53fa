"""A Chime for the tests of programs that use `ChimeService`: no network, no AWS, no files.

    service = ChimeService(FakeChimeClient())

It stands in place of the boto3 client, so ids are checked and errors raised as in production. It answers the operations of
`ChimeService` as the embedded AWS does (one test runs the same checks on both), with what a test needs besides: `fail_next`.
What it returns are copies. Meetings do not end by themselves, and MeetingFeatures limit the number of attendees, not their capabilities.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, Final

from whatschat_ops.aws.errors import translate
from whatschat_ops.errors import AwsError
from whatschat_ops.quotas import CHIME_ATTENDEES, CHIME_MEETINGS

ACCOUNT_ID: Final = "123456789012"
_STATUS: Final = {"NotFoundException": 404, "BadRequestException": 400, "LimitExceededException": 400}
_ALL: Final = {"Audio": "SendReceive", "Video": "SendReceive", "Content": "SendReceive"}

Document = dict[str, Any]


class FakeChimeClient:
    """In place of `boto3.client("chime-sdk-meetings", region_name=region)`. Thread-safe. Failures are `AwsError`s."""

    def __init__(self, region: str = "us-east-1") -> None:
        self.meta = SimpleNamespace(region_name=region)
        self._meetings: dict[str, Document] = {}
        self._tokens: dict[str, str] = {}
        self._attendees: dict[str, dict[str, Document]] = {}
        self._failures: dict[str, list[AwsError]] = {}
        self._lock = threading.RLock()

    def fail_next(
        self, operation: str, code: str, status: int = 400, message: str = "as the test asked"
    ) -> None:
        """Let the next call of an operation (`CreateMeeting`) fail with an error code of AWS and an HTTP status."""
        error = translate(operation, status, {"Code": code, "Message": message})
        with self._lock:
            self._failures.setdefault(operation, []).append(error)

    def create_meeting(
        self,
        *,
        ClientRequestToken: str,
        MediaRegion: str,
        ExternalMeetingId: str,
        MeetingFeatures: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> Document:
        """CreateMeeting; the same token gives the same meeting, as long as it lives."""
        with self._lock:
            self._raise_failure("CreateMeeting")
            known = self._meetings.get(self._tokens.get(ClientRequestToken, ""))
            if known is not None:
                return {"Meeting": deepcopy(known)}
            if len(self._meetings) >= CHIME_MEETINGS:
                raise _error("CreateMeeting", "LimitExceededException", f"{CHIME_MEETINGS} meetings are open")
            meeting_id = str(uuid.uuid4())
            kept = deepcopy({name: value for name, value in others.items() if name != "Tags"})
            self._tokens[ClientRequestToken] = meeting_id
            self._attendees[meeting_id] = {}
            self._meetings[meeting_id] = {
                "MeetingId": meeting_id,
                "MeetingArn": f"arn:aws:chime:{self.meta.region_name}:{ACCOUNT_ID}:meeting/{meeting_id}",
                "ExternalMeetingId": ExternalMeetingId,
                "MediaRegion": MediaRegion,
                "MediaPlacement": _placement(meeting_id),
                "MeetingFeatures": _features(MeetingFeatures or {}),
                **kept,
            }
            return {"Meeting": deepcopy(self._meetings[meeting_id])}

    def get_meeting(self, *, MeetingId: str) -> Document:
        """GetMeeting."""
        return {"Meeting": self._meeting("GetMeeting", MeetingId)}

    def delete_meeting(self, *, MeetingId: str) -> Document:
        """DeleteMeeting, which succeeds for any id."""
        with self._lock:
            self._raise_failure("DeleteMeeting")
            self._meetings.pop(MeetingId.lower(), None)
        return {}

    def create_attendee(
        self, *, MeetingId: str, ExternalUserId: str, Capabilities: Mapping[str, str] | None = None
    ) -> Document:
        """CreateAttendee; the same user is the same attendee."""
        with self._lock:
            meeting = self._meeting("CreateAttendee", MeetingId)
            attendee = self._new_attendee(meeting, ExternalUserId, Capabilities)
        if attendee is None:
            raise _error("CreateAttendee", "LimitExceededException", _full(meeting))
        return {"Attendee": attendee}

    def batch_create_attendee(self, *, MeetingId: str, Attendees: Sequence[Mapping[str, Any]]) -> Document:
        """BatchCreateAttendee: those beyond the limit are in Errors."""
        made, errors = [], []
        with self._lock:
            meeting = self._meeting("BatchCreateAttendee", MeetingId)
            for item in Attendees:
                user = item["ExternalUserId"]
                attendee = self._new_attendee(meeting, user, item.get("Capabilities"))
                if attendee is not None:
                    made.append(attendee)
                else:
                    errors.append(
                        {"ExternalUserId": user, "ErrorCode": "LimitExceeded", "ErrorMessage": _full(meeting)}
                    )
        return {"Attendees": made, "Errors": errors}

    def get_attendee(self, *, MeetingId: str, AttendeeId: str) -> Document:
        """GetAttendee."""
        return {"Attendee": self._attendee("GetAttendee", MeetingId, AttendeeId)}

    def list_attendees(self, *, MeetingId: str, MaxResults: int = 100, NextToken: str = "0") -> Document:
        """ListAttendees, page by page."""
        with self._lock:
            self._meeting("ListAttendees", MeetingId)
            attendees = deepcopy(list(self._attendees[MeetingId.lower()].values()))
        start = int(NextToken)
        more = {"NextToken": str(start + MaxResults)} if start + MaxResults < len(attendees) else {}
        return {"Attendees": attendees[start : start + MaxResults], **more}

    def delete_attendee(self, *, MeetingId: str, AttendeeId: str) -> Document:
        """DeleteAttendee."""
        with self._lock:
            self._attendee("DeleteAttendee", MeetingId, AttendeeId)
            del self._attendees[MeetingId.lower()][AttendeeId.lower()]
        return {}

    def update_attendee_capabilities(
        self, *, MeetingId: str, AttendeeId: str, Capabilities: Mapping[str, str]
    ) -> Document:
        """UpdateAttendeeCapabilities."""
        with self._lock:
            attendee = self._attendee("UpdateAttendeeCapabilities", MeetingId, AttendeeId)
            changed = {**attendee, "Capabilities": dict(Capabilities)}
            self._attendees[MeetingId.lower()][AttendeeId.lower()] = changed
        return {"Attendee": deepcopy(changed)}

    def batch_update_attendee_capabilities_except(
        self,
        *,
        MeetingId: str,
        ExcludedAttendeeIds: Sequence[Mapping[str, str]],
        Capabilities: Mapping[str, str],
    ) -> Document:
        """BatchUpdateAttendeeCapabilitiesExcept."""
        excluded = {item["AttendeeId"].lower() for item in ExcludedAttendeeIds}
        with self._lock:
            self._meeting("BatchUpdateAttendeeCapabilitiesExcept", MeetingId)
            attendees = self._attendees[MeetingId.lower()]
            for attendee_id in attendees.keys() - excluded:
                attendees[attendee_id] = {**attendees[attendee_id], "Capabilities": dict(Capabilities)}
        return {}

    def _meeting(self, operation: str, meeting_id: str) -> Document:
        with self._lock:
            self._raise_failure(operation)
            meeting = self._meetings.get(meeting_id.lower())
        if meeting is None:
            raise _error(operation, "NotFoundException", f"Meeting <{meeting_id}> not found")
        return deepcopy(meeting)

    def _attendee(self, operation: str, meeting_id: str, attendee_id: str) -> Document:
        self._meeting(operation, meeting_id)
        attendee = self._attendees[meeting_id.lower()].get(attendee_id.lower())
        if attendee is None:
            raise _error(operation, "NotFoundException", f"Attendee <{attendee_id}> not found")
        return deepcopy(attendee)

    def _new_attendee(
        self, meeting: Document, user: str, capabilities: Mapping[str, str] | None
    ) -> Document | None:
        """The attendee of this user, or None when the meeting is full."""
        attendees = self._attendees[meeting["MeetingId"]]
        for attendee in attendees.values():
            if attendee["ExternalUserId"].lower() == user.lower():
                return deepcopy(attendee)
        if len(attendees) >= meeting["MeetingFeatures"]["Attendee"]["MaxCount"]:
            return None
        attendee_id = str(uuid.uuid4())
        attendees[attendee_id] = {
            "ExternalUserId": user,
            "AttendeeId": attendee_id,
            "JoinToken": f"fake-join-token-{uuid.uuid4().hex}",
            "Capabilities": dict(capabilities or _ALL),
        }
        return deepcopy(attendees[attendee_id])

    def _raise_failure(self, operation: str) -> None:
        if failures := self._failures.get(operation):
            raise failures.pop(0)


def _error(operation: str, code: str, message: str) -> AwsError:
    return translate(operation, _STATUS[code], {"Code": code, "Message": message})


def _full(meeting: Document) -> str:
    return f"The meeting has {meeting['MeetingFeatures']['Attendee']['MaxCount']} attendees already"


def _features(given: Mapping[str, Any]) -> Document:
    features: Document = {
        "Video": {"MaxResolution": "HD"},
        "Content": {"MaxResolution": "FHD"},
        "Attendee": {"MaxCount": CHIME_ATTENDEES},
    }
    for name, values in given.items():
        features[name] = {**features.get(name, {}), **values}
    return features


def _placement(meeting_id: str) -> Document:
    """The fields of the API, on hosts that do not exist (RFC 6761)."""
    return {
        "AudioHostUrl": f"{meeting_id.replace('-', '')}.audio.invalid:3478",
        "AudioFallbackUrl": f"wss://fallback.invalid:443/calls/{meeting_id}",
        "SignalingUrl": f"wss://signal.invalid/control/{meeting_id}",
        "TurnControlUrl": "https://turn.invalid/v2/turn_sessions",
        "ScreenDataUrl": f"wss://screen.invalid:443/v2/screen/{meeting_id}",
        "ScreenSharingUrl": f"wss://screen.invalid:443/v2/screen/{meeting_id}",
        "ScreenViewingUrl": f"wss://screen.invalid:443/ws/connect?X-BitHub-Call-Id={meeting_id}",
        "EventIngestionUrl": "https://events.invalid/v1/client-events",
    }

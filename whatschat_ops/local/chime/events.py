"""The events that Chime sends to EventBridge, with the fields of AWS's published examples. Pure.

Source: Chime SDK Developer Guide, "Amazon Chime SDK meeting events". Events of meetings have `externalMeetingId`, those of
attendees the ids of the attendee; `networkType` is in those about connections.
"""

from __future__ import annotations

from typing import Any, Final

from whatschat_ops.local.chime.meeting import Attendee, Meeting
from whatschat_ops.local.interfaces import ServiceEvent

STARTED: Final = "MeetingStarted"
ENDED: Final = "MeetingEnded"
ADDED: Final = "AttendeeAdded"
DELETED: Final = "AttendeeDeleted"
AUTHORIZED: Final = "AttendeeAuthorized"
JOINED: Final = "AttendeeJoined"
LEFT: Final = "AttendeeLeft"
DROPPED: Final = "AttendeeDropped"

_CONNECTIONS: Final = (JOINED, LEFT, DROPPED)


def meeting_event(event_type: str, meeting: Meeting, at: float) -> ServiceEvent:
    """A state change of a meeting, `at` in seconds since the epoch."""
    return _event(event_type, meeting, {"externalMeetingId": meeting.request["ExternalMeetingId"]}, at)


def attendee_event(event_type: str, meeting: Meeting, attendee: Attendee, at: float) -> ServiceEvent:
    """A state change of an attendee, `at` in seconds since the epoch."""
    fields = {"attendeeId": attendee.id, "externalUserId": attendee.external_user_id}
    network = {"networkType": "Voip"} if event_type in _CONNECTIONS else {}
    return _event(event_type, meeting, {**fields, **network}, at)


def _event(event_type: str, meeting: Meeting, fields: dict[str, Any], at: float) -> ServiceEvent:
    detail = {
        "version": "0",
        "eventType": f"chime:{event_type}",
        "timestamp": round(at * 1000),
        "meetingId": meeting.id,
        **fields,
        "mediaRegion": meeting.request["MediaRegion"],
    }
    return ServiceEvent(meeting.region, "aws.chime", "Chime Meeting State Change", detail, at)

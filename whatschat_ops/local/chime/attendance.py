"""Simulated attendance: connect and disconnect attendees, whose clients cannot connect here because there is no media.

    POST /_whatschat/chime/attendance {"meeting": id or external id, "user": attendee id or external user id, "action": ...}

signed for `whatschat` by a user with administrator permissions. AWS has no such operation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from whatschat_ops.local.chime import events
from whatschat_ops.local.chime.meeting import Attendee, Meeting
from whatschat_ops.local.chime.operations import MeetingOperations
from whatschat_ops.local.clock import SIGNING_NAME
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse, RequestAuthorizer

PATH: Final = "/_whatschat/chime/attendance"


class Action(StrEnum):
    """What happens to an attendee. `drop`: the connection is lost."""

    ATTEND = "attend"
    LEAVE = "leave"
    DROP = "drop"


class NotPossible(Exception):
    """Why an attendee is not connected or disconnected, in a sentence."""

    status = 400


class _NotFound(NotPossible):
    """There is no such meeting, or no such attendee in it."""

    status = 404


class AttendanceApi:
    """The endpoint of `local chime attend` and `local chime leave`."""

    def __init__(
        self, operations: MeetingOperations, authorizer: RequestAuthorizer, commit: Callable[[], None]
    ) -> None:
        """`commit` saves what the operations changed, and sends their events. Raises OSError."""
        self._operations = operations
        self._authorizer = authorizer
        self._commit = commit

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        denial = self._authorizer.authorize(request, SIGNING_NAME, f"{SIGNING_NAME}:SetAttendance", "*")
        if denial is not None:
            return _json(denial.status, {"message": denial.message})
        try:
            result = self._carried_out(**_wanted(request.body))
            self._commit()
        except NotPossible as reason:
            return _json(reason.status, {"message": str(reason)})
        except OSError as error:
            return _json(500, {"message": f"The meetings cannot be written to disk: {error}"})
        return _json(200, result)

    def _carried_out(self, meeting: str, user: str, action: Action) -> dict[str, Any]:
        found = _found_meeting(self._operations.active_meetings(), meeting)
        attendee = _found_attendee(found, user)
        since = attendee.connected_at
        if action is Action.ATTEND:
            if since is not None:
                raise NotPossible(f"{user} is already connected to {meeting}.")
            at = self._operations.connect(found, attendee)
        else:
            if since is None:
                raise NotPossible(f"{user} is not connected to {meeting}.")
            event_type = events.LEFT if action is Action.LEAVE else events.DROPPED
            at = self._operations.disconnect(found, attendee, event_type)
        return {
            "meeting_id": found.id,
            "attendee_id": attendee.id,
            "external_user_id": attendee.external_user_id,
            "connected": action is Action.ATTEND,
            "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "connected_s": None if since is None else round(at - since, 3),
        }


def _wanted(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
        return {
            "meeting": str(document["meeting"]),
            "user": str(document["user"]),
            "action": Action(document["action"]),
        }
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise NotPossible("The request must have a meeting, a user and an action.") from error


def _found_meeting(meetings: list[Meeting], name: str) -> Meeting:
    """The meeting of that id, or the newest of that external id (Chime ignores its case)."""
    wanted = name.lower()
    for meeting in reversed(meetings):
        if wanted in (meeting.id, str(meeting.request["ExternalMeetingId"]).lower()):
            return meeting
    raise _NotFound(f"There is no open meeting {name}.")


def _found_attendee(meeting: Meeting, name: str) -> Attendee:
    wanted = name.lower()
    for attendee in meeting.attendees.values():
        if wanted in (attendee.id, attendee.external_user_id.lower()):
            return attendee
    raise _NotFound(f"{name} is not an attendee of {meeting.id}: only attendees can connect.")


def _json(status: int, document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, json.dumps(document).encode(), {"content-type": "application/json"})

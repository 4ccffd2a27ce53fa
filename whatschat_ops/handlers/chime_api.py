"""Chime SDK Meetings, as the handlers use it: meetings and attendees, in the control Region of the meeting.

Answers are the API's own documents. `None` stands for "not found": the meeting has ended, was never there, or is not
yet known (a meeting of the last seconds, aws/aws-sdk-js#3328). Raises ChimeRefused, AwsCallFailed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

from .aws_api import Answer, AwsCallFailed, Endpoint
from .limits import CHIME_BATCH_ATTENDEES

SERVICE: Final = "chime-sdk-meetings"
SIGNING_NAME: Final = "chime"
HOST_PREFIX: Final = "meetings-chime"
HEADERS: Final = {"content-type": "application/json"}

Document = dict[str, Any]


class ChimeRefused(Exception):
    """Chime refused a call. `code` is for example `LimitExceeded`; the message says nothing of the call's content."""

    def __init__(self, operation: str, status: int, code: str) -> None:
        super().__init__(f"{operation}: {code or f'HTTP {status}'}")
        self.status = status
        self.code = code.removesuffix("Exception")


class RestApi(Protocol):
    """The part of AwsApi that this module needs."""

    def endpoint(self, service: str, *, prefix: str | None = None, region: str | None = None) -> Endpoint:
        """The endpoint of a service in a Region."""
        ...

    def request(
        self,
        service: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        operation: str,
        *,
        method: str = "POST",
        query: str = "",
        region: str | None = None,
    ) -> Answer:
        """A signed request; raises AwsCallFailed."""
        ...


class ChimeApi:
    """The calls. `region` is the control Region."""

    def __init__(self, api: RestApi) -> None:
        self._api = api

    def create_meeting(
        self, region: str, *, token: str, external_meeting_id: str, media_region: str
    ) -> Document:
        """The new meeting, or the one that this client request token has made already."""
        request = {
            "ClientRequestToken": token,
            "ExternalMeetingId": external_meeting_id,
            "MediaRegion": media_region,
        }
        answer = self._call("CreateMeeting", region, "POST", "/meetings", request)
        if answer is None:
            raise ChimeRefused("CreateMeeting", 404, "NotFound")
        return _member(answer, "Meeting")

    def get_meeting(self, region: str, meeting_id: str) -> Document | None:
        """The meeting."""
        answer = self._call("GetMeeting", region, "GET", _path(meeting_id))
        return None if answer is None else _member(answer, "Meeting")

    def delete_meeting(self, region: str, meeting_id: str) -> None:
        """End it. One that has ended is no error."""
        self._call("DeleteMeeting", region, "DELETE", _path(meeting_id))

    def create_attendee(self, region: str, meeting_id: str, external_user_id: str) -> Document | None:
        """The user's attendee, new or not, with its join token."""
        path = f"{_path(meeting_id)}/attendees"
        answer = self._call("CreateAttendee", region, "POST", path, {"ExternalUserId": external_user_id})
        return None if answer is None else _member(answer, "Attendee")

    def delete_attendee(self, region: str, meeting_id: str, attendee_id: str) -> None:
        """Delete an attendee. One that is not there is no error."""
        path = f"{_path(meeting_id)}/attendees/{quote(attendee_id, safe='')}"
        self._call("DeleteAttendee", region, "DELETE", path)

    def list_attendees(self, region: str, meeting_id: str) -> list[Document] | None:
        """All attendees, with their join tokens."""
        found: list[Document] = []
        query: dict[str, str] = {"max-results": str(CHIME_BATCH_ATTENDEES)}
        while True:
            answer = self._call("ListAttendees", region, "GET", f"{_path(meeting_id)}/attendees", query=query)
            if answer is None:
                return None
            found += answer.get("Attendees") or ()
            if not (next_token := answer.get("NextToken")):
                return found
            query["next-token"] = next_token

    def _call(
        self,
        operation: str,
        region: str,
        method: str,
        path: str,
        request: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Document | None:
        answer = self._api.request(
            SIGNING_NAME,
            self._api.endpoint(SERVICE, prefix=HOST_PREFIX, region=region),
            path,
            HEADERS,
            b"" if request is None else json.dumps(request).encode(),
            operation,
            method=method,
            query=urlencode(sorted((query or {}).items()), quote_via=quote, safe="-_.~"),
            region=region,
        )
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise ChimeRefused(operation, answer.status, answer.code)
        return _document(operation, answer.body)


def _path(meeting_id: str) -> str:
    return f"/meetings/{quote(meeting_id, safe='')}"


def _document(operation: str, body: bytes) -> Document:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise AwsCallFailed(operation, "the answer is not JSON", in_doubt=True)
    return document


def _member(document: Document, name: str) -> Document:
    member = document.get(name)
    if not isinstance(member, dict):
        raise AwsCallFailed(name, f"the answer has no {name}", in_doubt=True)
    return member

"""An example: the backend of a web application that calls with amazon-chime-sdk-js. Plain WSGI, one file.

    POST   /calls                 start a call
    POST   /calls/MEETING/join    join a call
    DELETE /calls/MEETING         end a call (only who started it)

The first two answer {"Meeting": ..., "Attendee": ...}, which `new MeetingSessionConfiguration(Meeting, Attendee)` takes. Who
asks is REMOTE_USER, which the authentication in front of the application sets. Try it on the embedded AWS:

    eval "$(whatschat-ops local env)"
    python docs/chime_backend.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import boto3

from whatschat_ops.chime import ChimeService, MeetingLedger
from whatschat_ops.errors import NotFound, OpsError, Throttled, UsageError

Answer = tuple[HTTPStatus, dict[str, Any]]


class Backend:
    """The WSGI application."""

    def __init__(self, chime: ChimeService, ledger: MeetingLedger) -> None:
        self._chime = chime
        self._ledger = ledger

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        try:
            status, document = self._answer(environ)
        except OpsError as error:
            status, document = status_of(error), {"error": error.message}
        body = json.dumps(document).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),  # an answer holds a join token
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        user = environ.get("REMOTE_USER")
        if not user:
            return HTTPStatus.UNAUTHORIZED, {"error": "Sign in first."}
        match (environ["REQUEST_METHOD"], *environ["PATH_INFO"].strip("/").split("/")):
            case ("POST", "calls"):
                meeting = self._chime.create_meeting(user)
                return HTTPStatus.CREATED, self._join(meeting.meeting_id, user)
            case ("POST", "calls", meeting_id, "join"):
                return HTTPStatus.OK, self._join(meeting_id, user)
            case ("DELETE", "calls", meeting_id):
                return self._end(meeting_id, user)
        return HTTPStatus.NOT_FOUND, {"error": "There is no such page."}

    def _join(self, meeting_id: str, user: str) -> dict[str, Any]:
        attendee = self._chime.create_attendee(meeting_id, user)
        return self._chime.join_info(meeting_id, attendee.attendee_id).document()

    def _end(self, meeting_id: str, user: str) -> Answer:
        record = self._ledger.get(meeting_id)
        if record is None:
            return HTTPStatus.NOT_FOUND, {"error": "There is no such call."}
        if record.created_by != user:
            return HTTPStatus.FORBIDDEN, {"error": "Only who started a call can end it."}
        self._chime.delete_meeting(meeting_id)
        return HTTPStatus.OK, {"ended": meeting_id}


def status_of(error: OpsError) -> HTTPStatus:
    """What the browser is told: its own mistake, not found, try later, or a failure behind the backend."""
    for kind, status in (
        (UsageError, HTTPStatus.BAD_REQUEST),
        (NotFound, HTTPStatus.NOT_FOUND),
        (Throttled, HTTPStatus.TOO_MANY_REQUESTS),
    ):
        if isinstance(error, kind):
            return status
    return HTTPStatus.BAD_GATEWAY


def backend() -> Backend:
    """The application with the AWS of the environment."""
    ledger = MeetingLedger(boto3.client("dynamodb"), os.environ.get("CHIME_LEDGER_TABLE", "chime-meetings"))
    return Backend(ChimeService(boto3.client("chime-sdk-meetings"), ledger), ledger)


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", 8000, backend()) as server:
        server.serve_forever()

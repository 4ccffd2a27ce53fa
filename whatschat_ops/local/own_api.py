"""Calls the running embedded AWS for what AWS has no operation for: its clock, and the attendance of meetings."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, TypeVar

from msgspec import Struct
from msgspec import json as msgspec_json

from whatschat_ops.errors import Hint, LocalError, NotFound, OpsError, UsageError
from whatschat_ops.local import clock
from whatschat_ops.local.layout import DEFAULT_REGION
from whatschat_ops.local.service import LocalService

TIMEOUT_S = 10.0

T = TypeVar("T")

_FAILURES: Final[Mapping[int, type[OpsError]]] = {400: UsageError, 404: NotFound}


class ClockResult(Struct, frozen=True):
    """The result of `local clock advance`."""

    offset_s: float
    """How far the clock is ahead of the machine's, altogether."""
    now: str
    """The time of the embedded AWS (ISO 8601, UTC)."""


class AttendanceResult(Struct, frozen=True):
    """The result of `local chime attend` and `local chime leave`."""

    meeting_id: str
    attendee_id: str
    external_user_id: str
    connected: bool
    at: str
    """The time of the embedded AWS (ISO 8601, UTC)."""
    connected_s: float | None
    """How long the attendee was connected; None if it was not."""


def advance(service: LocalService, duration: timedelta) -> ClockResult:
    """Move the clock forward. Raises UsageError when it would be too far ahead, LocalError when nothing responds."""
    return _call(service, clock.PATH, {"advance_s": duration.total_seconds()}, ClockResult)


def set_attendance(service: LocalService, meeting: str, user: str, action: str) -> AttendanceResult:
    """Connect (`attend`) or disconnect (`leave`, `drop`) an attendee. Raises UsageError when that is not possible, NotFound when there is no such meeting or attendee."""
    from whatschat_ops.local.chime.attendance import PATH

    document = {"meeting": meeting, "user": user, "action": action}
    return _call(service, PATH, document, AttendanceResult)


def _call(service: LocalService, path: str, document: Mapping[str, object], result: type[T]) -> T:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    body = json.dumps(document).encode()
    signed = AWSRequest("POST", f"{service.endpoint_url}{path}", data=body)
    key = Credentials(service.access_key_id, service.secret_access_key.reveal())
    SigV4Auth(key, clock.SIGNING_NAME, DEFAULT_REGION).add_auth(signed)
    request = urllib.request.Request(signed.url, body, dict(signed.headers), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return msgspec_json.decode(response.read(), type=result)
    except urllib.error.HTTPError as error:
        with error:  # it is the answer as well
            message = json.loads(error.read()).get("message", error.reason)
        raise _FAILURES.get(error.code, LocalError)(message) from error
    except OSError as error:
        raise LocalError(
            f"The embedded AWS (process {service.pid}) does not respond.", hint=Hint(("local", "logs"))
        ) from error

"""The service: signed HTTP request in, HTTP response out.

The checks are in the order of AWS: operation, authorization, throttling, shapes; then the operation itself. A change
is on disk before its response and its events are sent.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from whatschat_ops.local.chime import rules
from whatschat_ops.local.chime.attendance import AttendanceApi
from whatschat_ops.local.chime.fault import ChimeFault
from whatschat_ops.local.chime.operations import MeetingOperations
from whatschat_ops.local.chime.protocol import MeetingsProtocol, OperationCall
from whatschat_ops.local.chime.state import MeetingStore
from whatschat_ops.local.chime.throttle import ApiRate
from whatschat_ops.local.chime.validation import validate
from whatschat_ops.local.interfaces import Denial, HttpRequest, HttpResponse, RequestAuthorizer, ServiceEvent
from whatschat_ops.local.layout import ACCOUNT_ID
from whatschat_ops.quotas import CHIME_MEETINGS

SIGNING_NAME = "chime"
"""The SigV4 service name of its requests."""

_ANY_MEETING = frozenset({
    "CreateMeeting", "CreateMeetingWithAttendees", "StartMeetingTranscription", "StopMeetingTranscription",
})  # fmt: skip
"""Operations without resource-level permissions (Service Authorization Reference, Amazon Chime)."""

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "ForbiddenException"})
_SCOPE = re.compile(rf"Credential=[^/,\s&]+/\d{{8}}/([a-z0-9-]+)/{SIGNING_NAME}/aws4_request")
"""In the Authorization header, or in the query of a presigned request."""

USAGE = "AWS/Usage"
RecordMetric = Callable[[str, str, str, float, Mapping[str, str]], None]
"""Region, namespace, name, value and dimensions of one count."""
_THROTTLED = "ThrottlingException"

_log = logging.getLogger(__name__)


class ChimeMeetings:
    """Amazon Chime SDK Meetings for one account.

    `state_path` is the database of the meetings; `clock` gives seconds since the epoch; `publish` gets the events, in
    their order, after they are on disk. Raises LocalError when the file exists and cannot be read.
    """

    def __init__(
        self,
        authorizer: RequestAuthorizer,
        state_path: Path,
        *,
        clock: Callable[[], float] = time.time,
        account_id: str = ACCOUNT_ID,
        publish: Callable[[Sequence[ServiceEvent]], None] = lambda _events: None,
        record_metric: RecordMetric = lambda *_: None,
        max_meetings: Callable[[str], int] = lambda _region: CHIME_MEETINGS,
    ) -> None:
        self._authorizer = authorizer
        self._publish = publish
        self._record_metric = record_metric
        self._store = MeetingStore(state_path)
        self._operations = MeetingOperations(self._store, account_id, clock, max_meetings)
        self._protocol = MeetingsProtocol()
        self._rate = ApiRate(clock)
        self.attendance = AttendanceApi(self._operations, authorizer, self._commit)

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Handle one request. Never awaits, so that requests do not interleave. Every error is a response."""
        request_id = str(uuid.uuid4())
        try:
            call = self._protocol.read(request)
            return self._protocol.answer(call, self._counted(call, request), request_id)
        except ChimeFault as fault:
            return self._protocol.refuse(fault, request_id)

    def sweep(self) -> None:
        """End the meetings whose time is over. Called every few seconds, so that their events are sent."""
        try:
            self._operations.end_meetings()
            self._commit()
        except OSError as error:
            _log.error("The meetings cannot be written to disk: %s", error)

    def close(self) -> None:
        """Close the state file; it contains every change already."""
        self._store.close()

    def _counted(self, call: OperationCall, request: HttpRequest) -> dict[str, Any]:
        """The result; the call is counted in AWS/Usage (Chime SDK Developer Guide, "Service usage metrics").

        What the page does not say is decided here: a throttled call has a ThrottleCount only, a failed one CallCount and ErrorCount.
        """
        region = _signed_region(request)
        try:
            output = self._carry_out(call, request, region)
        except ChimeFault as fault:
            throttled = fault.code == _THROTTLED
            for name in ("ThrottleCount",) if throttled else ("CallCount", "ErrorCount"):
                self._record_metric(region, USAGE, name, 1, _usage_of(call))
            raise
        self._record_metric(region, USAGE, "CallCount", 1, _usage_of(call))
        return output

    def _carry_out(self, call: OperationCall, request: HttpRequest, region: str) -> dict[str, Any]:
        self._authorize(call, request, region)
        rules.check_control_region(region)
        self._rate.take(region, call.name)
        validate(call.operation.input_shape, call.parameters)
        output = self._operations.call(call.name, region, call.parameters)
        try:
            self._commit()
        except OSError as error:
            raise ChimeFault(
                "ServiceFailureException", f"The meetings cannot be written to disk: {error}"
            ) from error
        return output

    def _authorize(self, call: OperationCall, request: HttpRequest, region: str) -> None:
        resource = self._resource(call, region)
        denial = self._authorizer.authorize(request, SIGNING_NAME, f"chime:{call.name}", resource)
        if denial is not None:
            raise _refusal(denial)

    def _resource(self, call: OperationCall, region: str) -> str:
        if call.name in _ANY_MEETING:
            return "*"
        arn = call.parameters.get("ResourceARN")  # the tag operations
        return str(arn) if arn else self._operations.arn(region, call.parameters.get("MeetingId", "*"))

    def _commit(self) -> None:
        self._store.save()
        if happened := self._operations.take_events():
            self._publish(happened)


def _usage_of(call: OperationCall) -> dict[str, str]:
    return {"Service": "ChimeSDK", "Type": "API", "Resource": call.name, "Class": "None"}


def _signed_region(request: HttpRequest) -> str:
    match = _SCOPE.search(request.header("authorization") or unquote(request.query_string))
    if match is None:
        raise ChimeFault("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)
    return match[1]


def _refusal(denial: Denial) -> ChimeFault:
    """A denial by a policy is Chime's ForbiddenException; a bad signature keeps the code that all services use."""
    if denial.code in _DENIED:
        return ChimeFault("ForbiddenException", denial.message)
    return ChimeFault(denial.code, denial.message, status=denial.status)

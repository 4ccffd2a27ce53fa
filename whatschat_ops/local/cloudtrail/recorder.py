"""The calls that CloudTrail records, in memory: signed management calls, with their outcome.

The router passes every request here. What an event says (names, parameters, resources) is worked out when it is looked
up, so that recording costs a call next to nothing.

Data events are not recorded, as on AWS without a trail: items, objects, messages, log events, metric data, invocations
and @connections (each service's page on CloudTrail).
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qs

from whatschat_ops.local.control.wire import operation
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse

MAX_CALLS: Final = 5_000
MAX_BODY_BYTES: Final = 4 * 1024
"""Longer bodies are not kept, and their parameters, errors and response elements omitted; CloudTrail omits above 100 KB."""
RETENTION_S: Final = 90 * 24 * 60 * 60
"""Of event history (CloudTrail user guide, "Working with CloudTrail event history")."""

_REST_SERVICES: Final = frozenset({"apigateway", "chime", "lambda", "s3"})
"""Services without the operation's name in the request, whose names `operations` knows."""

_UNAUTHENTICATED: Final = (
    b"InvalidSignature",
    b"SignatureDoesNotMatch",
    b"IncompleteSignature",
    b"InvalidClientTokenId",
    b"UnrecognizedClient",
    b"ExpiredToken",
    b"MissingAuthenticationToken",
)

_DATA_EVENTS: Final = {
    "dynamodb": frozenset({
        "BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "DeleteItem", "ExecuteStatement",
        "ExecuteTransaction", "GetItem", "GetRecords", "GetShardIterator", "PutItem", "Query", "Scan",
        "TransactGetItems", "TransactWriteItems", "UpdateItem",
    }),
    "events": frozenset({"PutEvents"}),
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "PutLogEvents", "StartLiveTail"}),
    "monitoring": frozenset({
        "GetMetricData", "GetMetricStatistics", "GetMetricWidgetImage", "ListMetrics", "PutMetricData",
    }),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset({
        "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "DeleteMessage", "DeleteMessageBatch",
        "ReceiveMessage", "SendMessage", "SendMessageBatch",
    }),
    "states": frozenset({"GetActivityTask", "SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request."""

    access_key_id: str
    arn: str
    """Of an IAM user or of the session of a role."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call and its outcome. `response_body` is kept for failures and for Chime."""

    time_s: float
    service: str
    """The service's name in its signatures."""
    region: str
    operation: str | None
    """None of a REST service: `operations` finds it."""
    caller: Caller
    request: HttpRequest
    status: int
    error_type: str
    response_body: bytes
    request_id: str
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Recorder:
    """The newest calls. `clock` gives epoch seconds; `caller_of` the owner of an access key, None if it has none."""

    def __init__(self, clock: Callable[[], float], caller_of: Callable[[str], Caller | None]) -> None:
        self._clock = clock
        self._caller_of = caller_of
        self._calls: deque[RecordedCall] = deque(maxlen=MAX_CALLS)

    def wants(self, service: str, request: HttpRequest) -> bool:
        """Whether a call is a management event. The body may be missing where the headers name the operation."""
        if service in _REST_SERVICES:
            return not (
                (
                    service == "lambda"
                    and request.raw_path.rstrip("/").endswith(("/invocations", "/invoke-async"))
                )
                or (service == "s3" and "/" in request.raw_path.strip("/"))
            )
        return service != "execute-api" and _named(request) not in _DATA_EVENTS.get(service, ())

    def record(self, scope: list[str], request: HttpRequest, response: HttpResponse) -> None:
        """Keep a call. `scope` is its credential scope: access key, date, Region, service."""
        access_key_id, region, service = scope[0], scope[-3], scope[-2]
        name = None if service in _REST_SERVICES else _named(request)
        if not self.wants(service, request) or (name is None and service not in _REST_SERVICES):
            return
        caller = self._caller_of(access_key_id)
        if caller is None or _is_unauthenticated(response):
            return
        headers = {key.lower(): value for key, value in response.headers.items()}
        keeps_body = response.status >= 400 or service == "chime"
        self._calls.append(
            RecordedCall(
                time_s=self._clock(),
                service=service,
                region=region,
                operation=name,
                caller=caller,
                request=replace(request, body=_kept(request.body)),
                status=response.status,
                error_type=headers.get("x-amzn-errortype", ""),
                response_body=_kept(response.body) if keeps_body else b"",
                request_id=headers.get("x-amzn-requestid", ""),
            )
        )

    def newest_first(self, region: str) -> Iterator[RecordedCall]:
        """The calls of a Region within the last ninety days."""
        oldest = self._clock() - RETENTION_S
        calls = list(self._calls)  # it may grow meanwhile
        return (call for call in reversed(calls) if call.region == region and call.time_s >= oldest)


def _kept(body: bytes) -> bytes:
    return body if len(body) <= MAX_BODY_BYTES else b""


def _is_unauthenticated(response: HttpResponse) -> bool:
    """Whether the signature was rejected: then it is not known who called, and CloudTrail has no event."""
    if response.status not in (400, 403):
        return False
    where = " ".join(response.headers.values()).encode() + response.body
    return any(code in where for code in _UNAUTHENTICATED)


def _named(request: HttpRequest) -> str | None:
    target = request.header("x-amz-target")
    query = parse_qs(request.query_string)
    return operation(request.raw_path, {"x-amz-target": target} if target else {}, request.body, query)

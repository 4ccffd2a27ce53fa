"""What the parts of the embedded AWS know of each other.

    client ──HTTP/WebSocket──▶ server ──▶ gateway ──▶ executor ──▶ worker processes
                                 │           │            │
                                 ├──▶ chime  │            │
                                 └──▶ control plane (ministack) ◀─┘

The gateway, the executor and the Chime service see only these types; `control` alone knows ministack.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from whatschat_ops.quotas import LOG_TAIL_BYTES


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request as it was received, so that its signature can be checked."""

    method: str
    raw_path: str
    """The path as sent (percent-encoded), without the query."""
    query_string: str
    headers: tuple[tuple[bytes, bytes], ...]
    """Lower-case names, in the order in which they were sent."""
    body: bytes
    client_host: str

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        wanted = name.encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is not allowed: AWS's error code, message and HTTP status."""

    code: str
    message: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class MockResponse:
    """An integration response of a MOCK integration: templates by key, and the expression that selects the key."""

    templates: Mapping[str, str]
    template_selection_expression: str = ""


@dataclass(frozen=True, slots=True)
class Mock:
    """What a MOCK integration responds with."""

    templates: Mapping[str, str]
    """Request templates by key. The chosen one must give a JSON document with a statusCode."""
    template_selection_expression: str = ""
    passthrough_behavior: str = "WHEN_NO_MATCH"
    responses: Mapping[str, MockResponse] = field(default_factory=dict)
    """Integration responses by key: `$default`, or `/regular expression/` of the status code."""


@dataclass(frozen=True, slots=True)
class Integration:
    """An AWS_PROXY or MOCK integration. `function_arn` may end in a version or alias; None if the target is not a
    Lambda function. With `credentials_arn`, that role invokes it, else the function's policy must allow it.
    """

    id: str
    type: str
    function_arn: str | None
    timeout_ms: int
    credentials_arn: str | None = None
    mock: Mock | None = None


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A REQUEST (Lambda) authorizer. Each of `identity_sources` must be in the request, or it is not invoked."""

    id: str
    function_arn: str | None
    timeout_ms: int
    identity_sources: tuple[str, ...] = ()
    credentials_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a WebSocket API. Without a route response, what the function returns is not sent to the client."""

    key: str
    integration: Integration | None
    authorization_type: str = "NONE"
    has_route_response: bool = False
    authorizer: Authorizer | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket: its rate in messages per second, and its size."""

    rate_limit: float
    burst_limit: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """A snapshot of an API, which a stage serves."""

    route_selection_expression: str
    routes: Mapping[str, Route]
    """Route key -> route."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a WebSocket API."""

    name: str
    throttle: Throttle | None = None
    route_throttles: Mapping[str, Throttle] = field(default_factory=dict)
    access_log_group_arn: str | None = None
    access_log_format: str | None = None
    detailed_metrics: bool = False
    route_metrics: Mapping[str, bool] = field(default_factory=dict)
    """Route -> whether it has detailed metrics; those that are not in it are as the stage."""
    deployment: Deployment | None = None
    """None: nothing was deployed to it, and it serves nothing."""
    variables: Mapping[str, str] = field(default_factory=dict)


def api_host(api_id: str, region: str) -> str:
    """The host name of an API's default endpoint on AWS."""
    return f"{api_id}.execute-api.{region}.amazonaws.com"


@dataclass(frozen=True, slots=True)
class WebSocketApi:
    """A WebSocket API as the gateway needs it."""

    id: str
    account_id: str
    region: str
    stages: Mapping[str, Stage]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """A function's LoggingConfig without its group. The levels count in the JSON format only (Lambda's rule)."""

    json: bool = False
    application_level: str = "INFO"
    system_level: str = "INFO"


@dataclass(frozen=True, slots=True)
class LambdaFunction:
    """One version of a function, ready to run."""

    arn: str
    """The ARN as invoked, with its qualifier."""
    name: str
    version: str
    runtime: str
    handler: str
    code_sha256: str
    code_zip: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    timeout_s: float
    memory_mb: int
    credentials: Mapping[str, str] = field(repr=False)
    """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of a session of the function's role."""
    log_group: str
    region: str
    reserved_concurrency: int | None = None
    role_arn: str | None = None
    """The execution role, with whose permissions the log is written. None, in tests, checks no permissions."""
    logging: LogSettings = LogSettings()


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The result of one invocation.

    `function_error` is None when the handler returned, else "Unhandled"; `payload` is then AWS's error document
    {"errorMessage", "errorType", "stackTrace"}. `log` has the messages of this invocation.
    """

    payload: bytes
    function_error: str | None
    request_id: str
    duration_ms: float
    init_duration_ms: float | None
    log: Sequence[str] = field(repr=False)

    @property
    def log_tail(self) -> str:
        """The last 4 KB of the log, cut at a character (Lambda API reference, Invoke, LogResult)."""
        kept: list[bytes] = []
        room = LOG_TAIL_BYTES
        for message in reversed(self.log):
            encoded = message.encode()
            kept.append(encoded[-room:])
            room -= len(encoded)
            if room <= 0:
                break
        return b"".join(reversed(kept)).decode(errors="ignore")


class InvocationThrottled(Exception):
    """The function is at its concurrency limit (TooManyRequestsException, 429)."""


class InvocationExpired(Exception):
    """The caller no longer waits, and the function was not run."""


class Executor(Protocol):
    """Runs functions."""

    async def invoke(
        self, function: LambdaFunction, payload: bytes, *, start_within_s: float = math.inf
    ) -> InvocationResult:
        """Run the function once. Raises InvocationThrottled; a failing handler is a result, not an exception.

        Raises InvocationExpired when its turn comes after `start_within_s`: it is not run.
        """
        ...

    async def close(self) -> None:
        """End every worker and remove every temporary file."""
        ...


class RequestExecutor(Executor, Protocol):
    """Runs functions for requests that have an id and a client context of their own."""

    async def invoke(
        self,
        function: LambdaFunction,
        payload: bytes,
        *,
        start_within_s: float = math.inf,
        request_id: str | None = None,
        client_context: str | None = None,
    ) -> InvocationResult:
        """As `Executor.invoke`. The default of `request_id` is a new one; `client_context` is a JSON document in
        ASCII.
        """
        ...


class LogWriter(Protocol):
    """Receives log events."""

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        """Append (timestamp in ms, message) events. Never blocks; creates the stream if it does not exist.

        `group` is the name of a log group, or its ARN, which includes the Region. With a role, events that the role
        may not write are dropped, as Lambda drops them, and the group is created if it does not exist. Without one
        (access logs of API Gateway), events for a group that does not exist are dropped.
        """
        ...


class RequestAuthorizer(Protocol):
    """Decides whether the sender of a request may do something."""

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        """Check the SigV4 signature and the caller's IAM policies; None means allowed.

        `service` is the SigV4 service name (execute-api, chime), `action` the IAM action.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """An event that an AWS service sends to EventBridge's default bus of a Region. `at` is in seconds since the epoch."""

    region: str
    source: str
    detail_type: str
    detail: Mapping[str, object]
    at: float


class ControlPlane(LogWriter, RequestAuthorizer, Protocol):
    """ministack, as the gateway and the Chime service see it."""

    async def websocket_api(self, api_id: str) -> WebSocketApi | None:
        """The API with its routes and stages, or None."""
        ...

    async def function(self, function_arn: str) -> LambdaFunction | None:
        """The function (version or alias resolved; a weighted alias picks by weight), or None."""
        ...

    async def may_invoke(self, function_arn: str, source_arn: str, role_arn: str | None = None) -> bool:
        """Whether API Gateway may call the function for this ARN of a route or authorizer: with the role if there is
        one, else by the function's resource policy.
        """
        ...

    def policy_decision(self, document: object, action: str, resource_arn: str, source_ip: str) -> str | None:
        """What an IAM policy says: Allow, Deny (explicitly) or ImplicitDeny. None: it is not a policy."""
        ...

    def caller_identity(self, request: HttpRequest) -> Mapping[str, str]:
        """The sender of a signed request: `accountId`, `caller`, `user` and `userArn`."""
        ...

    def record_metric(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        time_s: float | None = None,
    ) -> None:
        """Put one CloudWatch datum, of a time that is not this moment if `time_s` says so. Never blocks."""
        ...

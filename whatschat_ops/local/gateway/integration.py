"""Invoke the Lambda function of a route and parse its result.

Takes a route and an event; gives an `IntegrationCall` with a `ProxyResult` or an `IntegrationFailure`, never an
exception. It sends nothing to clients and writes no logs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.interfaces import (
    ControlPlane,
    Executor,
    Integration,
    InvocationExpired,
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
    Route,
)

logger = logging.getLogger(__name__)

MAX_ERROR_CHARACTERS = 200

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


@dataclass(frozen=True, slots=True)
class ProxyResult:
    """The parsed result of a function."""

    status: int
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegrationFailure:
    """Why there is no result. `handshake_status` is the status that a client sees if it happens in `$connect`.

    AWS does not document these statuses. 502 for an error of the function (as for a malformed result in REST APIs)
    and 500 for an error before it was invoked are assumptions.
    """

    reason: str
    handshake_status: int
    response_type: str
    metric: Literal["IntegrationError", "ExecutionError"]
    lambda_status: int | None = None
    """The status of the Lambda service ($context.integration.integrationStatus)."""


NOT_A_LAMBDA = IntegrationFailure(
    "Unsupported integration type", 500, "API_CONFIGURATION_ERROR", "ExecutionError"
)
NO_PERMISSION = IntegrationFailure(
    "Invalid permissions on Lambda function", 500, "API_CONFIGURATION_ERROR", "ExecutionError", 403
)
NO_FUNCTION = IntegrationFailure("Function not found", 500, "INTEGRATION_FAILURE", "ExecutionError", 404)
THROTTLED = IntegrationFailure("Rate Exceeded.", 500, "INTEGRATION_FAILURE", "IntegrationError", 429)
TIMED_OUT = IntegrationFailure("Endpoint request timed out", 502, "INTEGRATION_TIMEOUT", "ExecutionError")
EXECUTOR_FAILED = IntegrationFailure(
    "Lambda service failed", 500, "INTEGRATION_FAILURE", "ExecutionError", 500
)
FUNCTION_FAILED = IntegrationFailure(
    "Lambda execution failed", 502, "INTEGRATION_FAILURE", "IntegrationError", 200
)
MALFORMED = IntegrationFailure(
    "Malformed Lambda proxy response", 502, "INTEGRATION_FAILURE", "ExecutionError", 200
)


@dataclass(frozen=True, slots=True)
class IntegrationCall:
    """One call of an integration. Exactly one of `result` and `failure` is set."""

    latency_ms: float
    result: ProxyResult | None = None
    failure: IntegrationFailure | None = None
    request_id: str | None = None
    function_error: str | None = None
    """Type and message of the error that the function raised."""

    @property
    def reached_integration(self) -> bool:
        """False for a MOCK integration, or none at all."""
        return self.failure is not None or self.request_id is not None

    @property
    def lambda_status(self) -> int | None:
        """The status of the Lambda service; None if it was not called."""
        if self.failure is not None:
            return self.failure.lambda_status
        return 200 if self.request_id else None


class Integrations:
    """Invokes functions for the gateway."""

    def __init__(self, control_plane: ControlPlane, executor: Executor, spawn: Spawn) -> None:
        self._control_plane = control_plane
        self._executor = executor
        self._spawn = spawn

    async def call(self, route: Route, source_arn: str, event: Event) -> IntegrationCall:
        """Call the route's integration. A route without one, or with a MOCK, succeeds without a call."""
        if route.integration is None or route.integration.type == "MOCK":
            return IntegrationCall(0.0, ProxyResult(200))
        started = time.perf_counter()
        function = await self._permitted_function(route.integration, source_arn)
        if isinstance(function, IntegrationFailure):
            return IntegrationCall(_ms_since(started), failure=function)
        outcome = await self._invoke(function, event, route.integration.timeout_ms / 1000)
        latency_ms = _ms_since(started)
        if isinstance(outcome, IntegrationFailure):
            return IntegrationCall(latency_ms, failure=outcome)
        result = read_result(outcome)
        if isinstance(result, IntegrationFailure):
            error = error_text(outcome) if outcome.function_error else None
            return IntegrationCall(
                latency_ms, failure=result, request_id=outcome.request_id, function_error=error
            )
        return IntegrationCall(latency_ms, result, request_id=outcome.request_id)

    async def _permitted_function(
        self, integration: Integration, source_arn: str
    ) -> LambdaFunction | IntegrationFailure:
        arn = integration.function_arn
        if arn is None:
            return NOT_A_LAMBDA
        if not await self._control_plane.may_invoke(arn, source_arn):
            return NO_PERMISSION
        return await self._control_plane.function(arn) or NO_FUNCTION

    async def _invoke(
        self, function: LambdaFunction, event: Event, timeout_s: float
    ) -> InvocationResult | IntegrationFailure:
        """After the time-out a running function keeps running, as on AWS; one that still waits will not be run."""
        task = self._spawn(self._run(function, json.dumps(event).encode(), timeout_s))
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        outcome: InvocationResult | IntegrationFailure = task.result() if done else TIMED_OUT
        return outcome

    async def _run(
        self, function: LambdaFunction, payload: bytes, timeout_s: float
    ) -> InvocationResult | IntegrationFailure:
        try:
            return await self._executor.invoke(function, payload, start_within_s=timeout_s)
        except InvocationExpired:
            return TIMED_OUT
        except InvocationThrottled:
            return THROTTLED
        except Exception:
            logger.exception("The executor could not run %s", function.arn)
            return EXECUTOR_FAILED


def read_result(returned: InvocationResult) -> ProxyResult | IntegrationFailure:
    """Parse a Lambda proxy result: an object with an integer statusCode, a text body if any, and flat headers."""
    if returned.function_error is not None:
        return FUNCTION_FAILED
    try:
        document = json.loads(returned.payload)
    except (ValueError, RecursionError):
        return MALFORMED
    if not isinstance(document, dict):
        return MALFORMED
    status = _status(document.get("statusCode"))
    body = document.get("body")
    headers = document.get("headers") or {}
    if status is None or not isinstance(body, str | None) or not isinstance(headers, dict):
        return MALFORMED
    if body is not None and document.get("isBase64Encoded") is True:
        body = _decode_base64(body)
        if body is None:
            return MALFORMED
    return ProxyResult(status, body, {str(name): str(value) for name, value in headers.items()})


def error_text(returned: InvocationResult) -> str | None:
    """The type and the beginning of the message in Lambda's error document."""
    try:
        document = json.loads(returned.payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    parts = [str(document[key]) for key in ("errorType", "errorMessage") if document.get(key)]
    return ": ".join(parts)[:MAX_ERROR_CHARACTERS]


def _status(value: object) -> int | None:
    """An HTTP status, as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and 200 <= int(text) <= 599 else None


def _decode_base64(body: str) -> str | None:
    try:
        return base64.b64decode(body, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000

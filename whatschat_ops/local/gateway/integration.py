"""Call the integration of a route: invoke its Lambda function and parse the result, or respond as its MOCK says.

Takes a route and an event; gives an `IntegrationCall` with a `ProxyResult` or an `IntegrationFailure`, never an
exception. It sends nothing to clients and writes no logs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from whatschat_ops.local.gateway import mock
from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.gateway.integration_result import (
    EXECUTOR_FAILED,
    NO_FUNCTION,
    NO_PERMISSION,
    NOT_A_LAMBDA,
    THROTTLED,
    TIMED_OUT,
    IntegrationFailure,
    ProxyResult,
    error_text,
    read_result,
)
from whatschat_ops.local.gateway.turns import Turns
from whatschat_ops.local.interfaces import (
    ControlPlane,
    Executor,
    InvocationExpired,
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
    Route,
)

logger = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


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
        return self.latency_ms > 0

    @property
    def lambda_status(self) -> int | None:
        """The status of the Lambda service; None if it was not called."""
        if self.failure is not None:
            return self.failure.lambda_status
        return 200 if self.request_id else None


class LambdaTarget(Protocol):
    """A function that API Gateway invokes: that of an integration, or of an authorizer."""

    @property
    def function_arn(self) -> str | None:
        """The function, with its qualifier."""
        ...

    @property
    def credentials_arn(self) -> str | None:
        """The role that invokes it, if any."""
        ...

    @property
    def timeout_ms(self) -> int:
        """How long API Gateway waits."""
        ...


class Integrations:
    """Invokes functions for the gateway."""

    def __init__(self, control_plane: ControlPlane, executor: Executor, spawn: Spawn, turns: Turns) -> None:
        self._control_plane = control_plane
        self._executor = executor
        self._spawn = spawn
        self._turns = turns

    async def call(self, route: Route, source_arn: str, event: Event) -> IntegrationCall:
        """Call the route's integration. A route without one succeeds without a call."""
        integration = route.integration
        if integration is None:
            return IntegrationCall(0.0, ProxyResult(200))
        if integration.mock is not None:
            result = mock.respond(integration.mock, event, two_way=route.has_route_response)
            return _call(0.0, result)
        started = time.perf_counter()
        outcome = await self.invoke(integration, source_arn, event)
        latency_ms = _ms_since(started)
        if isinstance(outcome, IntegrationFailure):
            return IntegrationCall(latency_ms, failure=outcome)
        error = error_text(outcome) if outcome.function_error else None
        return _call(latency_ms, read_result(outcome), outcome.request_id, error)

    async def invoke(
        self, target: LambdaTarget, source_arn: str, event: Event
    ) -> InvocationResult | IntegrationFailure:
        """Invoke the function of an integration or authorizer, if API Gateway may."""
        arn = target.function_arn
        if arn is None:
            return NOT_A_LAMBDA
        if not await self._control_plane.may_invoke(arn, source_arn, target.credentials_arn):
            return NO_PERMISSION
        function = await self._control_plane.function(arn)
        return await self._invoke(function, event, target.timeout_ms / 1000) if function else NO_FUNCTION

    async def _invoke(
        self, function: LambdaFunction, event: Event, timeout_s: float
    ) -> InvocationResult | IntegrationFailure:
        """After the time-out a running function keeps running, as on AWS; one that still waits will not be run.

        Waiting for its turn is no part of the time: on AWS it would have begun.
        """
        await self._turns.take(function)
        task = self._spawn(self._run(function, json.dumps(event).encode(), timeout_s))
        task.add_done_callback(lambda _: self._turns.give_back(function))
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


def _call(
    latency_ms: float,
    result: ProxyResult | IntegrationFailure,
    request_id: str | None = None,
    function_error: str | None = None,
) -> IntegrationCall:
    if isinstance(result, IntegrationFailure):
        return IntegrationCall(
            latency_ms, failure=result, request_id=request_id, function_error=function_error
        )
    return IntegrationCall(latency_ms, result, request_id=request_id)


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000

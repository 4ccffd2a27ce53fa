"""Authorization of a handshake: IAM, or a REQUEST (Lambda) authorizer.

What is found about the client goes into the events of its connection: `requestContext.authorizer` and
`requestContext.identity`. AWS: apigateway-websocket-api-lambda-auth, api-gateway-lambda-authorizer-output; the events
of connections with an authorizer are those recorded in DataDog/datadog-lambda-python, tests/event_samples.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from whatschat_ops.local.gateway.data_plane import DataPlane
from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.gateway.exchange import FORBIDDEN, Exchange, GatewayError, execute_api_arn
from whatschat_ops.local.gateway.handshake import Handshake
from whatschat_ops.local.gateway.integration_result import IntegrationFailure, error_text
from whatschat_ops.local.interfaces import Authorizer, InvocationResult, Route

UNAUTHORIZED = GatewayError(401, "Unauthorized", "UNAUTHORIZED")
BAD_AUTHORIZER = GatewayError(500, "Internal server error", "AUTHORIZER_CONFIGURATION_ERROR")
AUTHORIZER_FAILED = GatewayError(500, "Internal server error", "AUTHORIZER_FAILURE")
MAX_RESULT_BYTES = 8 * 1024
"""Quota "AWS Lambda authorizer result size"."""
_REFUSED = {
    "Deny": "with an explicit deny in an identity-based policy",
    "ImplicitDeny": "because no identity-based policy allows the execute-api:Invoke action",
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What an authorizer answered: its policy, and `requestContext.authorizer` of later events."""

    policy: Mapping[str, Any]
    context: Mapping[str, Any]


async def authorize(
    plane: DataPlane, exchange: Exchange, route: Route, handshake: Handshake, event: Event
) -> GatewayError | None:
    """Authorize the client of a handshake, whose `$connect` event is completed. None: it may connect."""
    if route.authorization_type == "NONE":
        return None
    if route.authorization_type == "AWS_IAM":
        return _by_iam(plane, exchange, handshake)
    if route.authorizer is None:
        return replace(BAD_AUTHORIZER, cause="the route has no authorizer")
    if missing := _missing_source(route.authorizer, exchange, handshake):
        return replace(UNAUTHORIZED, cause=f"{missing} is missing")
    return await _by_function(plane, exchange, route.authorizer, event)


def _by_iam(plane: DataPlane, exchange: Exchange, handshake: Handshake) -> GatewayError | None:
    request = handshake.as_http_request()
    denial = plane.control_plane.authorize(request, "execute-api", "execute-api:Invoke", exchange.source_arn)
    if denial is not None:
        return GatewayError(denial.status, denial.message, FORBIDDEN.response_type)
    exchange.connection.caller = plane.control_plane.caller_identity(request)
    exchange.context["identity"] |= exchange.connection.caller
    return None


def _missing_source(authorizer: Authorizer, exchange: Exchange, handshake: Handshake) -> str | None:
    """The first identity source without a value."""
    query = parse_qs(handshake.query_string)
    for source in authorizer.identity_sources:
        place, _, name = source.removeprefix("route.request.").partition(".")
        value: object = None
        if place == "header":
            value = handshake.header(name.lower())
        elif place == "querystring":
            value = query.get(name)
        elif place == "stageVariables":
            value = exchange.stage.variables.get(name)
        elif place == "context":
            value = exchange.variable(name)
        if not value:
            return source
    return None


async def _by_function(
    plane: DataPlane, exchange: Exchange, authorizer: Authorizer, event: Event
) -> GatewayError | None:
    started = time.perf_counter()
    source_arn = execute_api_arn(exchange.api, "authorizers", authorizer.id)
    outcome = await plane.integrations.invoke(authorizer, source_arn, _event(exchange, event))
    verdict = _read(outcome)
    if isinstance(verdict, GatewayError):
        return verdict
    decision = plane.control_plane.policy_decision(
        verdict.policy, "execute-api:Invoke", exchange.source_arn, exchange.connection.source_ip
    )
    if decision is None:
        return replace(BAD_AUTHORIZER, cause="the authorizer's policyDocument is not a policy")
    if decision != "Allow":
        message = f"User is not authorized to access this resource {_REFUSED[decision]}"
        return GatewayError(403, message, FORBIDDEN.response_type)
    exchange.connection.authorizer = verdict.context
    latency_ms = round((time.perf_counter() - started) * 1000)
    exchange.context["authorizer"] = {**verdict.context, "integrationLatency": latency_ms}
    return None


def _event(exchange: Exchange, event: Event) -> Event:
    """The authorizer's event: that of `$connect`, with the maps that it does not have empty."""
    absent = ("queryStringParameters", "multiValueQueryStringParameters", "stageVariables")
    return {
        "type": "REQUEST",
        "methodArn": exchange.source_arn,
        **{name: {} for name in absent},
        **{key: value for key, value in event.items() if key != "isBase64Encoded"},
    }


def _read(outcome: InvocationResult | IntegrationFailure) -> _Verdict | GatewayError:
    if isinstance(outcome, IntegrationFailure):
        return replace(AUTHORIZER_FAILED, cause=f"the authorizer was not invoked: {outcome.reason}")
    if outcome.function_error is not None:
        error = error_text(outcome) or "no error document"
        if error.rpartition(": ")[2] == "Unauthorized":  # AWS's samples raise this for a 401
            return replace(UNAUTHORIZED, cause="the authorizer raised Unauthorized")
        return replace(AUTHORIZER_FAILED, cause=f"the authorizer failed: {error}")
    if len(outcome.payload) > MAX_RESULT_BYTES:
        return replace(
            BAD_AUTHORIZER, cause=f"the authorizer's result has more than {MAX_RESULT_BYTES} bytes"
        )
    try:
        document = json.loads(outcome.payload)
        principal, policy = document["principalId"], document["policyDocument"]
        context = {key: _text(value) for key, value in (document.get("context") or {}).items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        cause = f"the authorizer's result lacks a principalId, a policyDocument or a flat context ({error!r})"
        return replace(BAD_AUTHORIZER, cause=cause)
    return _Verdict(policy, {**context, "principalId": _text(principal)})


def _text(value: object) -> str:
    """A value of the context as text. Raises TypeError for an object or an array."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, bool | int | float):
        raise TypeError(f"{type(value).__name__} in context")
    return json.dumps(value)

"""The API of the gateway's tests, and the parts of its events that are always the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from whatschat_ops.local.interfaces import Deployment, Integration, Route, Stage, WebSocketApi

API_ID = "a1b2c3d4e5"
STAGE = "production"
REGION = "us-east-1"
ACCOUNT = "123456789012"
DOMAIN_NAME = f"{API_ID}.execute-api.{REGION}.amazonaws.com"
EPOCH_S = 1_795_417_200.5
"""2026-11-23T07:00:00.500Z"""


def function_arn(name: str) -> str:
    """The ARN of a function of the fake account."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def source_arn(route_key: str) -> str:
    """The source ARN with which the gateway invokes the function of a route."""
    return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{STAGE}/{route_key}"


def place_and_time(connection_id: str, *, after_s: float = 0) -> dict[str, Any]:
    """The keys of every requestContext for the API, the connection and the time (`after_s` seconds after the
    handshake).
    """
    return {
        "apiId": API_ID,
        "stage": STAGE,
        "domainName": DOMAIN_NAME,
        "connectionId": connection_id,
        "connectedAt": int(EPOCH_S * 1000),
        "requestTimeEpoch": int((EPOCH_S + after_s) * 1000),
        "messageDirection": "IN",
    }


def lambda_route(key: str, function: str, *, timeout_ms: int = 29_000, **fields: Any) -> Route:
    """A route to a function."""
    integration = Integration(f"i-{function}", "AWS_PROXY", function_arn(function), timeout_ms)
    return Route(key, integration, **fields)


def websocket_api(*routes: Route, stage: Stage | None = None, **fields: Any) -> WebSocketApi:
    """An API with those routes, deployed to two stages."""
    expression = fields.pop("route_selection_expression", "$request.body.type")
    deployment = Deployment(expression, {route.key: route for route in routes})
    stages = [replace(each, deployment=deployment) for each in (stage or Stage(STAGE), Stage("other"))]
    return WebSocketApi(API_ID, ACCOUNT, REGION, {each.name: each for each in stages}, **fields)

"""The handshake: find the API and the stage, authorize the client, invoke `$connect`.

The client waits until `$connect` has returned. A 2xx status accepts the connection; any other status is the status of
the handshake. The function's body is not passed on (assumption; clients see a message of API Gateway).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from whatschat_ops.local.gateway import failure_log
from whatschat_ops.local.gateway.authorizing import authorize
from whatschat_ops.local.gateway.connection import GatewayConnection, new_id
from whatschat_ops.local.gateway.data_plane import DataPlane
from whatschat_ops.local.gateway.events import Event, connect_event, request_context
from whatschat_ops.local.gateway.exchange import (
    TOO_MANY_REQUESTS,
    Exchange,
    GatewayError,
)
from whatschat_ops.local.gateway.handshake import Handshake
from whatschat_ops.local.gateway.integration import IntegrationCall
from whatschat_ops.local.gateway.responses import http_response
from whatschat_ops.local.interfaces import (
    Deployment,
    HttpResponse,
    Stage,
    WebSocketApi,
    api_host,
)
from whatschat_ops.quotas import MAX_URL_CHARACTERS

SUBPROTOCOL = "sec-websocket-protocol"
ERROR_TYPES = {
    401: "UnauthorizedException",
    403: "ForbiddenException",
    429: "TooManyRequestsException",
    500: "InternalServerErrorException",
    502: "InternalServerErrorException",
}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An accepted handshake, and the subprotocol that the function selected."""

    connection: GatewayConnection
    subprotocol: str | None = None


async def connect(plane: DataPlane, handshake: Handshake) -> Acceptance | HttpResponse:
    """Handle a handshake; `$connect` has returned when this does. An `HttpResponse` is a rejection."""
    if len(handshake.target) > MAX_URL_CHARACTERS:
        # AWS documents the limit but not the status; 403 as for any handshake that reaches no route.
        return _unrouted(403, f"the URL has more than {MAX_URL_CHARACTERS} characters")
    if not plane.throttles.admit_connection(plane.clock()):
        return _unrouted(429, "the account's rate of new connections is exceeded")
    address = handshake.address()
    found = await plane.find_stage(address.api_id, address.stage) if address else None
    if found is None:
        return _unrouted(
            403,
            f"no WebSocket API {address.api_id} with a stage {address.stage!r}"
            if address
            else "no API in the URL",
        )
    exchange = _exchange(plane, *found, handshake)
    answer = await _decide(plane, exchange, handshake)
    plane.log(exchange)
    return answer


def _unrouted(status: int, cause: str) -> HttpResponse:
    failure_log.write_refusal("Handshake", status, cause)
    return refusal(status)


def refusal(status: int, message: str | None = None) -> HttpResponse:
    """API Gateway's response with that status."""
    return http_response(status, message or _message(status), ERROR_TYPES.get(status))


def _message(status: int) -> str:
    """API Gateway's text: "Internal server error" for every 5xx, else the name of the status."""
    if status >= 500:
        return "Internal server error"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)


def _exchange(
    plane: DataPlane, api: WebSocketApi, stage: Stage, deployment: Deployment, handshake: Handshake
) -> Exchange:
    now = plane.clock()
    connection = GatewayConnection(
        id=new_id(),
        api_id=api.id,
        stage=stage.name,
        domain_name=api_host(api.id, api.region),
        source_ip=handshake.client_host,
        user_agent=handshake.header("user-agent"),
        connected_at=now,
        last_active_at=now,
    )
    context = request_context(connection, "$connect", "CONNECT", new_id(), now)
    return Exchange(api, stage, deployment, connection, context)


async def _decide(plane: DataPlane, exchange: Exchange, handshake: Handshake) -> Acceptance | HttpResponse:
    event = connect_event(handshake, exchange.context, exchange.stage.variables)
    error = await _gate(plane, exchange, handshake, event)
    if error is not None:
        exchange.fail(error)
        plane.count(exchange, "ClientError" if error.status < 500 else "ExecutionError")
        return refusal(error.status, error.message)
    route = exchange.deployment.routes.get("$connect")
    if route is None:
        return Acceptance(exchange.connection)
    plane.count(exchange, "ConnectCount")
    return _verdict(exchange, await plane.call(exchange, route, event))


async def _gate(
    plane: DataPlane, exchange: Exchange, handshake: Handshake, event: Event
) -> GatewayError | None:
    """Throttling and authorization, before the function of `$connect` is invoked."""
    now = plane.clock()
    if not plane.throttles.admit(exchange.api.id, exchange.stage, "$connect", now):
        return TOO_MANY_REQUESTS
    route = exchange.deployment.routes.get("$connect")
    return None if route is None else await authorize(plane, exchange, route, handshake, event)


def _verdict(exchange: Exchange, call: IntegrationCall) -> Acceptance | HttpResponse:
    if call.failure is not None:
        status = call.failure.handshake_status
        exchange.fail(GatewayError(status, _message(status), call.failure.response_type))
        return refusal(status)
    result = call.result
    if result is None or result.status >= 300:
        exchange.status = result.status if result else 500
        return refusal(exchange.status)
    exchange.status = result.status
    chosen = (value for name, value in result.headers.items() if name.lower() == SUBPROTOCOL)
    return Acceptance(exchange.connection, next(chosen, None))

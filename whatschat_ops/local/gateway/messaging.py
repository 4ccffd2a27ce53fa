"""Messages of a client, and the end of its connection: one function invocation each.

A client gets a response to its message only if the route has a route response, or if an error occurred. `$disconnect`
gets the close code; its result is ignored.
"""

from __future__ import annotations

from whatschat_ops.local.gateway import failure_log
from whatschat_ops.local.gateway.connection import GatewayConnection, new_id
from whatschat_ops.local.gateway.data_plane import DataPlane
from whatschat_ops.local.gateway.events import disconnect_event, message_event, request_context
from whatschat_ops.local.gateway.exchange import FORBIDDEN, TOO_MANY_REQUESTS, Exchange, GatewayError
from whatschat_ops.local.gateway.integration import IntegrationCall
from whatschat_ops.local.gateway.responses import error_message
from whatschat_ops.local.gateway.selection import DEFAULT_ROUTE, select_route
from whatschat_ops.local.interfaces import Route


async def handle_message(plane: DataPlane, connection: GatewayConnection, text: str) -> None:
    """Select the route, invoke its function, send the response if there is one."""
    found = await plane.find_stage(connection.api_id, connection.stage)
    now, request_id = plane.clock(), new_id()
    if found is None:
        failure_log.write_refusal(f"Message of {connection.id}", 403, "its API or stage was deleted")
        connection.send(error_message(FORBIDDEN.message, connection.id, request_id), now)
        return
    api, stage, deployment = found
    route = select_route(deployment.route_selection_expression, deployment.routes, text)
    key = route.key if route else DEFAULT_ROUTE
    context = request_context(connection, key, "MESSAGE", request_id, now, messageId=new_id())
    exchange = Exchange(api, stage, deployment, connection, context)
    plane.count(exchange, "MessageCount")
    reply = await _reply(plane, exchange, route, text)
    if reply is not None:
        _send(plane, exchange, reply)
    plane.log(exchange)


async def handle_disconnect(plane: DataPlane, connection: GatewayConnection, code: int, reason: str) -> None:
    """Invoke `$disconnect`, if the API has it. No other route replaces it."""
    found = await plane.find_stage(connection.api_id, connection.stage)
    if found is None:
        return
    api, stage, deployment = found
    context = request_context(
        connection,
        "$disconnect",
        "DISCONNECT",
        new_id(),
        plane.clock(),
        disconnectStatusCode=code,
        disconnectReason=reason,
    )
    exchange = Exchange(api, stage, deployment, connection, context)
    route = deployment.routes.get("$disconnect")
    if route is not None:
        _conclude(
            exchange,
            await plane.call(exchange, route, disconnect_event(connection, context, stage.variables)),
        )
    plane.log(exchange)


async def _reply(plane: DataPlane, exchange: Exchange, route: Route | None, text: str) -> bytes | None:
    """The response to the client's message, if any."""
    if route is None or not _admitted(plane, exchange):
        exchange.fail(TOO_MANY_REQUESTS if route else FORBIDDEN)
        plane.count(exchange, "ClientError")
    else:
        _conclude(
            exchange,
            await plane.call(
                exchange, route, message_event(exchange.context, text, exchange.stage.variables)
            ),
        )
    if exchange.error is not None:
        request_id = str(exchange.context["requestId"])
        return error_message(exchange.error.message, exchange.connection.id, request_id)
    result = exchange.call.result if exchange.call else None
    if route is None or result is None or result.body is None or not route.has_route_response:
        return None
    return result.body.encode("utf-8", "replace")


def _admitted(plane: DataPlane, exchange: Exchange) -> bool:
    now = plane.clock()
    return plane.throttles.admit_request(now) and plane.throttles.admit(
        exchange.api.id, exchange.stage, exchange.route_key, now
    )


def _conclude(exchange: Exchange, call: IntegrationCall) -> None:
    if call.failure is not None:
        exchange.fail(GatewayError(500, "Internal server error", call.failure.response_type))
    elif call.result is not None:
        exchange.status = call.result.status


def _send(plane: DataPlane, exchange: Exchange, data: bytes) -> None:
    """A client that does not read loses its responses, as it loses posts (for which the caller gets a 429)."""
    if exchange.connection.has_full_buffer():
        failure_log.write_refusal(
            f"Response to {exchange.connection.id}", 429, "the client does not read its messages"
        )
        plane.count(exchange, "ExecutionError")
        return
    exchange.connection.send(data, plane.clock())
    plane.count(exchange, "MessageCount")

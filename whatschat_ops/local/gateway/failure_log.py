"""A line in the log of the embedded AWS for each handshake, message and callback that failed, with its cause.

AWS has such lines in a stage's execution log. Clients see only a status or "Internal server error".
"""

from __future__ import annotations

import logging

from whatschat_ops.local.gateway.exchange import Exchange, GatewayError
from whatschat_ops.local.gateway.integration import IntegrationCall
from whatschat_ops.local.gateway.integration_result import NO_PERMISSION

logger = logging.getLogger(__name__)


def write(exchange: Exchange) -> None:
    """Log the exchange if it failed."""
    if cause := cause_of(exchange):
        where = f"{exchange.api.id}/{exchange.stage.name}"
        logger.info(
            "%s of %s: %d, %s (connection %s)",
            exchange.route_key,
            where,
            exchange.status,
            cause,
            exchange.connection.id,
        )


def write_refusal(what: str, status: int, cause: str) -> None:
    """Log a request that reached no route."""
    logger.info("%s: %d, %s", what, status, cause)


def cause_of(exchange: Exchange) -> str | None:
    """Why it failed, in one line; None when it did not."""
    if exchange.call is not None and exchange.call.failure is not None:
        return _integration_cause(exchange, exchange.call)
    if exchange.error is not None:
        return _one_line(_gateway_cause(exchange.error))
    if exchange.route_key == "$connect" and exchange.status >= 300:
        return "the function of $connect rejected the connection"
    return None


def _gateway_cause(error: GatewayError) -> str:
    return f"{error.response_type}: {error.cause or error.message}"


def _integration_cause(exchange: Exchange, call: IntegrationCall) -> str:
    failure = call.failure
    route = exchange.deployment.routes.get(exchange.route_key)
    function_arn = route.integration.function_arn if route and route.integration else None
    parts = [failure.reason if failure else "", f"function {function_arn}" if function_arn else ""]
    if failure is NO_PERMISSION:
        parts.append(f"its policy has no permission for {exchange.source_arn}")
    if call.function_error:
        parts.append(call.function_error)
    return _one_line(", ".join(part for part in parts if part))


def _one_line(text: str) -> str:
    return " ".join(text.split())

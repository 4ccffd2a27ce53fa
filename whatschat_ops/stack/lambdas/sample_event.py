"""An event as API Gateway sends it to a function of the stack, to invoke the function with by hand. Pure.

It belongs to no client: the connection does not exist, and a $connect without a token is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from whatschat_ops.config.names import ROUTE_FUNCTIONS

CONNECTION_ID: Final = "R0oXAdfD0kwCH6w="
"""The example in AWS's documentation of @connections: of the right form, and long gone."""

HOST: Final = "sample.invalid"
"""Where nothing can be posted (RFC 2606), if a function takes the endpoint from the event."""

_EVENT_TYPES: Final = {"connect": "CONNECT", "disconnect": "DISCONNECT", "default": "MESSAGE"}


def sample_event(function: str, now: datetime) -> Mapping[str, Any]:
    """The event of a route's function, by its short name: a handshake without a token, its end, or a ping.

    Raises KeyError for a function without a route.
    """
    routes = {short: route for route, short in ROUTE_FUNCTIONS.items()}
    now_ms = int(now.timestamp() * 1000)
    context = {
        "routeKey": routes[function],
        "eventType": _EVENT_TYPES[function],
        "messageDirection": "IN",
        "stage": "sample",
        "connectedAt": now_ms,
        "requestTimeEpoch": now_ms,
        "requestTime": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
        "requestId": "sample",
        "extendedRequestId": "sample",
        "identity": {"sourceIp": "192.0.2.1"},
        "domainName": HOST,
        "connectionId": CONNECTION_ID,
        "apiId": "sample",
    }
    if function == "default":
        return {
            "requestContext": {**context, "messageId": "sample"},
            "body": '{"type":"ping","id":"sample"}',
            "isBase64Encoded": False,
        }
    if function == "disconnect":
        context |= {"disconnectStatusCode": 1000, "disconnectReason": ""}
    return {
        "headers": {"Host": HOST},
        "multiValueHeaders": {"Host": [HOST]},
        "requestContext": context,
        "isBase64Encoded": False,
    }

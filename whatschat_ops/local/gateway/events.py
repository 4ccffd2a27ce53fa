"""The Lambda proxy events of a WebSocket API, key for key as AWS sends them.

The shapes follow captured events: CONNECT and DISCONNECT have headers, MESSAGE has a body and no headers, and the
keys of an empty query or a missing User-Agent are absent. X-Forwarded-Proto and -Port are those of this server
(http).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from whatschat_ops.local.gateway.connection import GatewayConnection
from whatschat_ops.local.gateway.handshake import Handshake

Event = dict[str, Any]

NOT_PASSED_ON = frozenset(
    {"connection", "upgrade", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)
"""Captured events have neither Connection nor Upgrade; API Gateway sets the others itself."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clf_time(now: float) -> str:
    """The time in common log format: 19/Feb/2024:07:11:42 +0000 (independent of the locale)."""
    utc = time.gmtime(now)
    return f"{utc.tm_mday:02}/{MONTHS[utc.tm_mon - 1]}/{utc.tm_year}:{time.strftime('%H:%M:%S', utc)} +0000"


def request_context(
    connection: GatewayConnection, route_key: str, event_type: str, request_id: str, now: float, **extra: Any
) -> Event:
    """`requestContext`. `extra` has the keys of one event type (messageId, disconnectStatusCode...)."""
    identity = {**connection.caller, "sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity = {"userAgent": connection.user_agent, **identity}
    authorizer = {} if connection.authorizer is None else {"authorizer": {**connection.authorizer}}
    return {
        "routeKey": route_key,
        **authorizer,
        **extra,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": clf_time(now),
        "messageDirection": "IN",
        "stage": connection.stage,
        "connectedAt": int(connection.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": identity,
        "requestId": request_id,
        "domainName": connection.domain_name,
        "connectionId": connection.id,
        "apiId": connection.api_id,
    }


def connect_event(handshake: Handshake, context: Event, variables: Mapping[str, str]) -> Event:
    """The event of `$connect`. `variables` are those of the stage."""
    headers = [(name, value) for name, value in handshake.headers if name.lower() not in NOT_PASSED_ON]
    forwarded_for = [value for name, value in handshake.headers if name.lower() == "x-forwarded-for"]
    now_s = context["requestTimeEpoch"] // 1000
    headers += [
        ("X-Amzn-Trace-Id", f"Root=1-{now_s:08x}-{os.urandom(12).hex()}"),
        ("X-Forwarded-For", ", ".join([*forwarded_for, handshake.client_host])),
        ("X-Forwarded-Port", str(handshake.server_port)),
        ("X-Forwarded-Proto", "http"),
    ]
    event: Event = {"headers": dict(headers), "multiValueHeaders": _multi(headers)}
    query = parse_qsl(handshake.query_string, keep_blank_values=True)
    if query:
        event["queryStringParameters"] = dict(query)
        event["multiValueQueryStringParameters"] = _multi(query)
    return {**event, **_stage(variables), "requestContext": context, "isBase64Encoded": False}


def message_event(context: Event, body: str, variables: Mapping[str, str]) -> Event:
    """The event of a message."""
    return {**_stage(variables), "requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(connection: GatewayConnection, context: Event, variables: Mapping[str, str]) -> Event:
    """The event of `$disconnect`; the empty headers are AWS's."""
    headers = {"Host": connection.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    return {
        "headers": headers,
        "multiValueHeaders": _multi(headers.items()),
        **_stage(variables),
        "requestContext": context,
        "isBase64Encoded": False,
    }


def _stage(variables: Mapping[str, str]) -> Event:
    return {"stageVariables": dict(variables)} if variables else {}


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values

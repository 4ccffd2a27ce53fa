"""$connect: lets a client in whose token is good, and stores its connection.

Answers 200, 401 for every bad token, and 500 for our own failure only. API Gateway holds the handshake until we
answer, and the client sees our status code.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from .aws_api import AwsApi, AwsCallFailed, NotConfigured, required
from .connections_table import ConnectionsTable, table_name
from .jwt_secret import JwtSecret
from .log import Log, line_of
from .tokens import BadToken, WrongSignature, parse_token_sources, verify


class Connect:
    """The route, with what it needs: where the secret is, where connections are stored and for how long."""

    def __init__(self, secret: JwtSecret, table: ConnectionsTable, ttl_hours: float) -> None:
        self._secret = secret
        self._table = table
        self._ttl_s = ttl_hours * 3600

    def answer(self, event: Mapping[str, Any], now_s: float, log: Log) -> dict[str, Any]:
        """The proxy response. Raises AwsCallFailed and NotConfigured."""
        sources = parse_token_sources(event)
        try:
            user_id = self._authenticate(sources.only_token(), now_s)
        except BadToken as bad:
            log.ends("refused", reason=bad.reason)
            return {"statusCode": 401}
        log.user(user_id)
        context = event["requestContext"]
        connected_at_ms = int(context.get("connectedAt") or now_s * 1000)
        self._table.put(context["connectionId"], user_id, connected_at_ms, int(now_s + self._ttl_s))
        log.ends("accepted")
        if sources.subprotocol is None:
            return {"statusCode": 200}
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": sources.subprotocol}}

    def _authenticate(self, token: str, now_s: float) -> str:
        """The user of the token. The current secret is tried first; a rotation is looked for only when it does not match."""
        try:
            return verify(token, self._secret.current(), now_s)
        except WrongSignature:
            others = self._secret.others(now_s)
        for secret in others:
            with suppress(WrongSignature):
                return verify(token, secret, now_s)
        raise WrongSignature


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    with line_of("connect", event, context) as log:
        try:
            return _connect().answer(event, time.time(), log)
        except (AwsCallFailed, NotConfigured) as failure:
            log.problem(str(failure))
            return {"statusCode": 500}


@cache
def _connect() -> Connect:
    api = AwsApi(os.environ)
    return Connect(
        JwtSecret(api, required(os.environ, "JWT_SECRET_PARAMETER")),
        ConnectionsTable(api, table_name(os.environ)),
        _ttl_hours(os.environ.get("CONNECTION_TTL_HOURS", "24")),
    )


def _ttl_hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0
    if not 0 < hours <= 24 * 365:
        raise NotConfigured(f"CONNECTION_TTL_HOURS is {text!r}, not a number of hours up to a year")
    return hours

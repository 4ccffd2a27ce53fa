"""The @connections API: post to, get and delete a connection (service execute-api, signed with SigV4).

Shapes and errors: botocore's apigatewaymanagementapi model. GoneException and LimitExceededException have no message
there, so their bodies are empty, as on AWS.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from whatschat_ops.local.gateway import failure_log
from whatschat_ops.local.gateway.connection import Connections, GatewayConnection, is_well_formed_id
from whatschat_ops.local.gateway.data_plane import DataPlane
from whatschat_ops.local.gateway.exchange import execute_api_arn
from whatschat_ops.local.gateway.responses import http_response
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse, Stage
from whatschat_ops.quotas import MAX_MESSAGE_BYTES

NORMAL_CLOSURE = (1000, "Connection Closed Normally")
"""Code and reason in the DISCONNECT event after DeleteConnection (aws/chalice#2060 shows AWS's log of one)."""
METHODS = ("POST", "GET", "DELETE")


class ManagementApi:
    """PostToConnection, GetConnection and DeleteConnection."""

    def __init__(self, plane: DataPlane, connections: Connections) -> None:
        self._plane = plane
        self._connections = connections

    async def handle(
        self, request: HttpRequest, api_id: str, stage_name: str, connection_id: str
    ) -> HttpResponse:
        """Handle one request. `connection_id` is decoded once: an id that was encoded twice is malformed."""
        found = await self._plane.find_stage(api_id, stage_name)
        if found is None or request.method not in METHODS:
            failure_log.write_refusal(
                f"{request.method} /{stage_name}/@connections of {api_id}",
                403,
                "no such API, stage or method",
            )
            return http_response(403, "Forbidden", "ForbiddenException")
        api, stage, _ = found
        arn = execute_api_arn(api, stage_name, f"{request.method}/@connections/{connection_id}")
        denial = self._plane.control_plane.authorize(
            request, "execute-api", "execute-api:ManageConnections", arn
        )
        if denial is not None:
            failure_log.write_refusal(arn, denial.status, denial.message)
            return http_response(denial.status, denial.message, denial.code)
        if not self._plane.throttles.admit_request(self._plane.clock()):
            failure_log.write_refusal(arn, 429, "the account's rate of requests is exceeded")
            return http_response(429, error_type="LimitExceededException")
        if not is_well_formed_id(connection_id):
            return http_response(400, f"Invalid connectionId: {connection_id}", "BadRequestException")
        connection = self._connections.find(connection_id, api_id, stage_name)
        if connection is None:
            return http_response(410, error_type="GoneException")
        return self._perform(request, api_id, stage, connection)

    def _perform(
        self, request: HttpRequest, api_id: str, stage: Stage, connection: GatewayConnection
    ) -> HttpResponse:
        if request.method == "GET":
            return describe(connection)
        if request.method == "DELETE":
            connection.close(*NORMAL_CLOSURE)
            return http_response(204)
        if len(request.body) > MAX_MESSAGE_BYTES:
            return http_response(413, "Message too long", "PayloadTooLargeException")
        if connection.has_full_buffer():
            failure_log.write_refusal(
                f"Post to {connection.id}", 429, "the client does not read its messages"
            )
            return http_response(429, error_type="LimitExceededException")
        connection.send(as_text(request.body), self._plane.clock())
        self._plane.metrics.count("MessageCount", api_id, stage)
        return http_response(200)


def describe(connection: GatewayConnection) -> HttpResponse:
    """The response of GetConnection."""
    document = {
        "connectedAt": iso_8601(connection.connected_at),
        "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent or ""},
        "lastActiveAt": iso_8601(connection.last_active_at),
    }
    answer = http_response(200)
    headers = {**answer.headers, "Content-Type": "application/json"}
    return HttpResponse(200, json.dumps(document).encode(), headers)


def iso_8601(epoch_s: float) -> str:
    """Epoch seconds as `2026-11-23T07:00:00.123Z`."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_text(data: bytes) -> bytes:
    """The data as UTF-8: invalid bytes become U+FFFD, as on AWS."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data

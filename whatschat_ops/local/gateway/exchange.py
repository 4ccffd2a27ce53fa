"""One CONNECT, MESSAGE or DISCONNECT on its way through the gateway, with what the access log needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whatschat_ops.handlers.partitions import partition_of
from whatschat_ops.local.gateway.connection import GatewayConnection
from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.gateway.integration import IntegrationCall
from whatschat_ops.local.interfaces import Deployment, Stage, WebSocketApi


@dataclass(frozen=True, slots=True)
class GatewayError:
    """An error response of the gateway itself: AWS's text and gateway response type, and the HTTP status at a
    handshake. `cause` is for the log of the embedded AWS, where the text does not say it.
    """

    status: int
    message: str
    response_type: str
    cause: str = ""


FORBIDDEN = GatewayError(403, "Forbidden", "ACCESS_DENIED", "the API has neither its route nor $default")
TOO_MANY_REQUESTS = GatewayError(429, "Too Many Requests", "THROTTLED")


@dataclass(slots=True)
class Exchange:
    """`context` is the event's requestContext; `status` the status that the client saw, or would have seen."""

    api: WebSocketApi
    stage: Stage
    deployment: Deployment
    connection: GatewayConnection
    context: Event
    status: int = 200
    error: GatewayError | None = None
    call: IntegrationCall | None = None

    @property
    def route_key(self) -> str:
        """The key of its route."""
        return str(self.context["routeKey"])

    @property
    def source_arn(self) -> str:
        """The ARN of API, stage and route, as in permissions."""
        return execute_api_arn(self.api, self.stage.name, self.route_key)

    def fail(self, error: GatewayError) -> None:
        """Respond with an error of the gateway itself."""
        self.error = error
        self.status = error.status

    def variable(self, name: str) -> object:
        """The value of `$context.NAME`, or None."""
        value: Any = self.context
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def variables(self) -> dict[str, Any]:
        """The variables below `$context.`, nested as their names are dotted."""
        found: dict[str, Any] = {**self.context, "status": self.status}
        if self.error is not None:
            found["error"] = {
                "message": self.error.message,
                "messageString": f'"{self.error.message}"',
                "responseType": self.error.response_type,
            }
        if self.call is not None:
            found |= _integration_variables(self.call)
        return found


def execute_api_arn(api: WebSocketApi, stage: str, path: str) -> str:
    """`arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/PATH`."""
    partition = partition_of(api.region).name
    return f"arn:{partition}:execute-api:{api.region}:{api.account_id}:{api.id}/{stage}/{path}"


def _integration_variables(call: IntegrationCall) -> dict[str, Any]:
    """`integration.status` is the status that the function returned, `integration.integrationStatus` that of Lambda."""
    latency_ms = round(call.latency_ms)
    integration: dict[str, Any] = {"latency": latency_ms}
    if call.lambda_status is not None:
        integration["integrationStatus"] = call.lambda_status
    if call.request_id is not None:
        integration["requestId"] = call.request_id
    if call.result is not None:
        integration["status"] = call.result.status
    if call.failure is not None:
        integration["error"] = call.failure.reason
    return {"integrationLatency": latency_ms, "integration": integration}

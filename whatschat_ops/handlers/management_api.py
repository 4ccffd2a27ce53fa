"""@connections: sends a message to a connection of the WebSocket API.

Takes a connection id and bytes; returns the outcome. The endpoint comes from API_GATEWAY_ENDPOINT or from the event.
Source: docs.aws.amazon.com/apigateway, "Use @connections commands in your backend service".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import quote

from .aws_api import Answer, AwsCallFailed, Endpoint
from .limits import MAX_MESSAGE_BYTES
from .log import Log

HEADERS: Final = {"content-type": "application/octet-stream"}


class PostOutcome(StrEnum):
    """The outcome of one message to one connection."""

    DELIVERED = "delivered"
    GONE = "gone"
    TOO_LARGE = "too_large"
    FAILED = "failed"


class PostApi(Protocol):
    """The part of AwsApi that this module needs."""

    def request(
        self,
        service: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        operation: str,
    ) -> Answer:
        """A signed POST; raises AwsCallFailed."""
        ...


class ManagementApi:
    """PostToConnection of one API and stage."""

    def __init__(self, api: PostApi, endpoint_url: str) -> None:
        self._api = api
        self._endpoint = Endpoint.parse(endpoint_url)

    def post(self, connection_id: str, data: bytes, log: Log) -> PostOutcome:
        """Send `data` to a connection. A failure is an outcome and named in the log line, never an exception."""
        if len(data) > MAX_MESSAGE_BYTES:
            return PostOutcome.TOO_LARGE
        path = f"/@connections/{quote(connection_id, safe='')}"
        try:
            answer = self._api.request("execute-api", self._endpoint, path, HEADERS, data, "PostToConnection")
        except AwsCallFailed as failure:
            log.problem(str(failure))
            return PostOutcome.FAILED
        outcome = _OUTCOMES.get(answer.status, PostOutcome.FAILED)
        if outcome is PostOutcome.FAILED:
            log.problem(f"PostToConnection: HTTP {answer.status}")
        return outcome


_OUTCOMES: Final[Mapping[int, PostOutcome]] = {
    200: PostOutcome.DELIVERED,
    410: PostOutcome.GONE,
    413: PostOutcome.TOO_LARGE,
}


def endpoint_url(environ: Mapping[str, str], request_context: Mapping[str, Any]) -> str:
    """API_GATEWAY_ENDPOINT if it is set, else from the event.

    A custom domain is mapped to a stage, so the stage is appended only to an execute-api host.
    """
    configured = environ.get("API_GATEWAY_ENDPOINT")
    if configured:
        return configured
    domain_name = str(request_context.get("domainName", ""))
    stage = f"/{request_context.get('stage', '')}" if ".execute-api." in domain_name else ""
    return f"https://{domain_name}{stage}"

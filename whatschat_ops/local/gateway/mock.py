"""MOCK integrations: the response is made of the integration's own templates; nothing is invoked.

AWS: how-to-mock-integration, apigateway-websocket-api-integration-responses. The request template must give a JSON
document with an integer `statusCode`. On a two-way route an integration response is selected by that status
code, and its template is the message to the client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from whatschat_ops.local.gateway import templates
from whatschat_ops.local.gateway.events import Event
from whatschat_ops.local.gateway.integration_result import IntegrationFailure, ProxyResult
from whatschat_ops.local.interfaces import Mock, MockResponse

NO_STATUS_CODE = IntegrationFailure(
    "Unable to parse statusCode. It should be an integer defined in request template.",
    500,
    "API_CONFIGURATION_ERROR",
    "ExecutionError",
)
NO_RESPONSE = IntegrationFailure(
    "No match for output mapping and no default endpoint response configured",
    500,
    "API_CONFIGURATION_ERROR",
    "ExecutionError",
)
UNSUPPORTED_MEDIA_TYPE = IntegrationFailure(
    "Unsupported Media Type", 415, "UNSUPPORTED_MEDIA_TYPE", "ExecutionError"
)


def respond(mock: Mock, event: Event, *, two_way: bool) -> ProxyResult | IntegrationFailure:
    """The response to an event."""
    context, variables = event["requestContext"], event.get("stageVariables") or {}
    message = str(event.get("body") or "")
    request = _request(mock, context, variables, message)
    if isinstance(request, IntegrationFailure):
        return request
    status = _status_code(request)
    if status is None:
        return NO_STATUS_CODE
    if not two_way:
        return ProxyResult(status)
    response = _response(mock.responses, status)
    if response is None:
        return NO_RESPONSE
    template = templates.select(response.templates, response.template_selection_expression, status, message)
    if template is None:
        return ProxyResult(status)
    return ProxyResult(status, templates.render(template, {**context, "status": status}, variables, ""))


def _request(
    mock: Mock, context: Mapping[str, Any], variables: Mapping[str, str], message: str
) -> str | IntegrationFailure:
    """What the "backend" receives: the rendered template, or the message where the integration passes it through."""
    template = templates.select(mock.templates, mock.template_selection_expression, None, message)
    if template is not None:
        return templates.render(template, context, variables, message)
    passes = mock.passthrough_behavior == "WHEN_NO_MATCH" or (
        mock.passthrough_behavior == "WHEN_NO_TEMPLATES" and not mock.templates
    )
    return message if passes else UNSUPPORTED_MEDIA_TYPE


def _status_code(request: str) -> int | None:
    try:
        document = json.loads(request)
    except (ValueError, RecursionError):
        return None
    status = document.get("statusCode") if isinstance(document, dict) else None
    return status if isinstance(status, int) and 100 <= status <= 599 else None


def _response(responses: Mapping[str, MockResponse], status: int) -> MockResponse | None:
    for key, response in responses.items():
        if key.startswith("/") and re.fullmatch(key.strip("/"), str(status)):
            return response
    return responses.get(str(status)) or responses.get("$default")

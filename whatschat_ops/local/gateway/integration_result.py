"""What an integration gives: the parsed result of a function, or why there is none."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from whatschat_ops.local.interfaces import InvocationResult

MAX_ERROR_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class ProxyResult:
    """The parsed result of a function."""

    status: int
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegrationFailure:
    """Why there is no result. `handshake_status` is the status that a client sees if it happens in `$connect`.

    AWS does not document these statuses. 502 for an error of the function (as for a malformed result in REST APIs)
    and 500 for an error before it was invoked are assumptions.
    """

    reason: str
    handshake_status: int
    response_type: str
    metric: Literal["IntegrationError", "ExecutionError"]
    lambda_status: int | None = None
    """The status of the Lambda service ($context.integration.integrationStatus)."""


NOT_A_LAMBDA = IntegrationFailure(
    "Unsupported integration type", 500, "API_CONFIGURATION_ERROR", "ExecutionError"
)
NO_PERMISSION = IntegrationFailure(
    "Invalid permissions on Lambda function", 500, "API_CONFIGURATION_ERROR", "ExecutionError", 403
)
NO_FUNCTION = IntegrationFailure("Function not found", 500, "INTEGRATION_FAILURE", "ExecutionError", 404)
THROTTLED = IntegrationFailure("Rate Exceeded.", 500, "INTEGRATION_FAILURE", "IntegrationError", 429)
TIMED_OUT = IntegrationFailure("Endpoint request timed out", 502, "INTEGRATION_TIMEOUT", "ExecutionError")
EXECUTOR_FAILED = IntegrationFailure(
    "Lambda service failed", 500, "INTEGRATION_FAILURE", "ExecutionError", 500
)
FUNCTION_FAILED = IntegrationFailure(
    "Lambda execution failed", 502, "INTEGRATION_FAILURE", "IntegrationError", 200
)
MALFORMED = IntegrationFailure(
    "Malformed Lambda proxy response", 502, "INTEGRATION_FAILURE", "ExecutionError", 200
)


def read_result(returned: InvocationResult) -> ProxyResult | IntegrationFailure:
    """Parse a Lambda proxy result: an object with an integer statusCode, a text body if any, and flat headers."""
    if returned.function_error is not None:
        return FUNCTION_FAILED
    try:
        document = json.loads(returned.payload)
    except (ValueError, RecursionError):
        return MALFORMED
    if not isinstance(document, dict):
        return MALFORMED
    status = _status(document.get("statusCode"))
    body = document.get("body")
    headers = document.get("headers") or {}
    if status is None or not isinstance(body, str | None) or not isinstance(headers, dict):
        return MALFORMED
    if body is not None and document.get("isBase64Encoded") is True:
        body = _decode_base64(body)
        if body is None:
            return MALFORMED
    return ProxyResult(status, body, {str(name): str(value) for name, value in headers.items()})


def error_text(returned: InvocationResult) -> str | None:
    """The type and the beginning of the message in Lambda's error document."""
    try:
        document = json.loads(returned.payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    parts = [str(document[key]) for key in ("errorType", "errorMessage") if document.get(key)]
    return ": ".join(parts)[:MAX_ERROR_CHARACTERS]


def _status(value: object) -> int | None:
    """An HTTP status, as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and 200 <= int(text) <= 599 else None


def _decode_base64(body: str) -> str | None:
    try:
        return base64.b64decode(body, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None

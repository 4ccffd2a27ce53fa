"""A replacement for awslambdaric's native module `runtime_client`, which has wheels for Linux only.

Its four functions take, return and raise the same as those of the native module. Runs in the worker; imports only the
standard library.
"""

from __future__ import annotations

import http.client
import os
from typing import Any

_NEXT = "/2018-06-01/runtime/invocation/next"
_INVOCATION = "/2018-06-01/runtime/invocation"
_TEXT_HEADERS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
    "Content-Type",
)


class _Client:
    """A keep-alive connection to the Runtime API."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            self._connection.request(method, path, body, {"User-Agent": self._user_agent, **(headers or {})})
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


_clients: list[_Client] = []


def initialize_client(user_agent: str) -> None:
    """Must be called once, before the others."""
    _clients[:] = [_Client(user_agent)]


def next() -> tuple[bytes, dict[str, Any]]:  # the native module's name
    """Wait for an event: its bytes, and its headers (absent ones are None, the deadline is a number)."""
    try:
        status, headers, body = _client().request("GET", _NEXT)
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeError("Failed to get next") from error
    if status != 200:
        raise RuntimeError("Failed to get next")
    fields: dict[str, Any] = {name: headers.get(name) or None for name in _TEXT_HEADERS}
    fields["Lambda-Runtime-Deadline-Ms"] = int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)
    return body, fields


def post_invocation_result(
    request_id: str, result: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Send the handler's response."""
    headers = {"Content-Type": content_type, **_invocation_header(invocation_id)}
    _post(f"{_INVOCATION}/{request_id}/response", result, headers, "Failed to post invocation response")


def post_error(request_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Send the handler's exception, and X-Ray's description of it (one line of JSON)."""
    headers = {
        "Content-Type": "application/json",
        "lambda-runtime-function-xray-error-cause": xray_fault,
        **_invocation_header(invocation_id),
    }
    _post(f"{_INVOCATION}/{request_id}/error", error.encode(), headers, "Failed to post invocation error")


def _post(path: str, body: bytes, headers: dict[str, str], failure: str) -> None:
    try:
        status, _, _ = _client().request("POST", path, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeError(failure) from error
    if not 200 <= status < 300:
        raise RuntimeError(failure)


def _invocation_header(invocation_id: str | None) -> dict[str, str]:
    return {} if invocation_id is None else {"Lambda-Runtime-Invocation-Id": invocation_id}


def _client() -> _Client:
    if not _clients:
        raise RuntimeError("Client not yet initalized")
    return _clients[0]

"""The responses of the gateway itself."""

from __future__ import annotations

import json
import uuid

from whatschat_ops.local.gateway.connection import new_id
from whatschat_ops.local.interfaces import HttpResponse


def http_response(status: int, message: str | None = None, error_type: str | None = None) -> HttpResponse:
    """An HTTP response: `{"message": ...}` if there is a message, the error's name in x-amzn-ErrorType."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amz-apigw-id": new_id()}
    body = b""
    if message is not None:
        body = json.dumps({"message": message}).encode()
        headers["Content-Type"] = "application/json"
    if error_type is not None:
        headers["x-amzn-ErrorType"] = error_type
    return HttpResponse(status, body, headers)


def error_message(message: str, connection_id: str, request_id: str) -> bytes:
    """The frame that a client receives when its message was not handled."""
    document = {"message": message, "connectionId": connection_id, "requestId": request_id}
    return json.dumps(document).encode()

"""The operation Invoke as AWS answers it: one request id, checked requests, the runtime's own bytes.

ministack parses the body of a request before it looks at it, and gives the answer, the context and the log ids of
their own. `completed` wraps its handler, `answering` the connection; what they, and the run in between, know of each
other is an `InvokeCall` in the context of the request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from whatschat_ops.local.control.wire import Handler, Response
from whatschat_ops.quotas import (
    MAX_ASYNC_REQUEST_BYTES,
    MAX_CLIENT_CONTEXT_CHARACTERS,
    MAX_REQUEST_BYTES,
)

PATHS: Final = ("/invocations", "/response-streaming-invocations")
INVOKE_ASYNC: Final = "/invoke-async"
"""The end of the path of InvokeAsync, which is Invoke with the type Event (API Reference, InvokeAsync)."""
TYPES: Final = ("Event", "RequestResponse", "DryRun")
_REQUEST_IDS: Final = (b"x-amzn-requestid", b"x-amz-request-id")

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Refusal = tuple[str, str, int]
"""AWS's error code and message, and the HTTP status."""


@dataclass(slots=True)
class InvokeCall:
    """One Invoke, or all attempts of one asynchronous invocation."""

    request_id: str = field(default_factory=lambda: str(uuid4()))
    client_context: str | None = None
    """A JSON document in ASCII."""
    version: str | None = None
    """The version that ran."""
    refused: str | None = None
    """Why nothing ran."""


current_call: ContextVar[InvokeCall | None] = ContextVar("whatschat_invoke", default=None)


def answering(scope: Mapping[str, Any], send: Send) -> Send:
    """`send` with the id of the invocation in the answer to Invoke, and that of other requests as it is."""
    if scope["method"] != "POST" or not scope["path"].endswith(PATHS):
        return send
    call = InvokeCall()
    current_call.set(call)

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            others = [pair for pair in message["headers"] if pair[0].lower() not in _REQUEST_IDS]
            message["headers"] = [*others, (_REQUEST_IDS[0], call.request_id.encode())]
        await send(message)

    return sending


def completed(handler: Handler, lambda_svc: Any) -> Handler:
    """Lambda's handler, whose Invoke refuses what AWS refuses."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        if method == "POST" and path.rstrip("/").endswith(INVOKE_ASYNC):
            path = path.rstrip("/").removesuffix(INVOKE_ASYNC) + PATHS[0]
            headers = {**headers, "x-amz-invocation-type": "Event"}
        if method != "POST" or not path.endswith(PATHS):
            answered: Response = await handler(method, path, headers, body, query_params)
            return answered
        call = current_call.get() or InvokeCall()
        token = current_call.set(call)
        try:
            refusal = refused(headers, body)
            if refusal is None:
                call.client_context = client_context(headers)
                answer: Response = await handler(method, path, headers, body, query_params)
                if call.refused is None:
                    return _with_version(answer, call.version)
                refusal = "InvalidParameterValueException", call.refused, 400
        finally:
            current_call.reset(token)
        error: Response = lambda_svc.error_response_json(*refusal)
        return error

    return handle


def _with_version(answer: Response, version: str | None) -> Response:
    """With the version that ran; ministack returns the main one of a weighted alias."""
    status, headers, body = answer
    if version is None or "X-Amz-Executed-Version" not in headers:
        return answer
    return status, {**headers, "X-Amz-Executed-Version": version}, body


def refused(headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Why AWS refuses the request, in recorded words: a large body, one that is not JSON, a bad client context."""
    if len(body) > MAX_REQUEST_BYTES:
        text = f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the InvokeFunction operation"
        return "RequestEntityTooLargeException", text, 413
    kind = headers.get("x-amz-invocation-type") or TYPES[1]
    if kind not in TYPES:
        text = (
            f"1 validation error detected: Value '{kind}' at 'invocationType' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(TYPES)}]"
        )
        return "ValidationException", text, 400
    if kind == "Event" and len(body) > MAX_ASYNC_REQUEST_BYTES:
        limit = f"(limit {MAX_ASYNC_REQUEST_BYTES} bytes)"
        text = f"{len(body)} byte payload is too large for the Event invocation type {limit}"
        return "RequestEntityTooLargeException", text, 413
    try:
        json.loads(body or b"{}", parse_constant=_reject)
    except (ValueError, RecursionError) as error:
        text = f"Could not parse request body into json: Could not parse payload into json: {error}"
        return "InvalidRequestContentException", text, 400
    try:
        client_context(headers)
    except (ValueError, RecursionError):
        text = "Client context must be a valid Base64-encoded JSON object."
        return "InvalidRequestContentException", text, 400
    return None


def client_context(headers: Mapping[str, str]) -> str | None:
    """The JSON object of the header X-Amz-Client-Context, in ASCII. Raises ValueError if it has no such object.

    None for an asynchronous invocation: "Lambda passes the ClientContext object to your function for synchronous
    invocations only" (API Reference, Invoke).
    """
    encoded = headers.get("x-amz-client-context")
    if encoded is None:
        return None
    if len(encoded) > MAX_CLIENT_CONTEXT_CHARACTERS:
        raise ValueError("too long")
    document = json.loads(base64.b64decode(encoded, validate=True))
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return None if headers.get("x-amz-invocation-type") == "Event" else json.dumps(document)


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

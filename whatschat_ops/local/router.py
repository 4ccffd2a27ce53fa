"""The router of the embedded AWS: an ASGI app that passes every HTTP request to its service.

    /_whatschat/health                                     this module
    /_aws/execute-api/{api}/{stage}/@connections/{id}      the gateway
    signed for one of `services`                           Chime SDK meetings, Service Quotas, CloudTrail, the clock
    everything else                                        ministack

WebSocket handshakes are not routed here: uvicorn passes them to the gateway's protocol.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import parse_qs

from whatschat_ops.local import admission
from whatschat_ops.local.cloudtrail.recorder import MAX_BODY_BYTES, Recorder
from whatschat_ops.local.control import code_links
from whatschat_ops.local.control.wire import (
    connection_path,
    credential_scope,
    operation,
    signed_service,
)
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

HEALTH_PATH = "/_whatschat/health"

_CORS = {"access-control-allow-origin": "*", "access-control-expose-headers": "*"}

_log = logging.getLogger(__name__)


class Management(Protocol):
    """The gateway's @connections API."""

    async def handle_management(
        self, request: HttpRequest, api_id: str, stage: str, connection_id: str
    ) -> HttpResponse:
        """Handle one request."""
        ...


Service = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""Handles the requests that are signed for one service."""


class Router:
    """The ASGI app. `services` are our own, by the name for which their requests are signed."""

    def __init__(
        self,
        ministack: Callable[[Scope, Receive, Send], Awaitable[None]],
        gateway: Management,
        services: Mapping[str, Service],
        health: Callable[[], Mapping[str, Any]],
        recorder: Recorder,
        is_known_key: Callable[[str], bool],
        service_of: Callable[[HttpRequest], str],
    ) -> None:
        self._ministack = ministack
        self._gateway = gateway
        self._services = services
        self._health = health
        self._recorder = recorder
        self._is_known_key = is_known_key
        self._service_of = service_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"Not an HTTP request: {scope['type']}")
        receive, response = await self._admitted(scope, receive)
        if response is None:
            response = await self._own_response(scope, receive)
        if response is None:
            await self._forward(scope, receive, _logged(scope, send))
        else:
            await send_response(send, response)

    async def _admitted(self, scope: Scope, receive: Receive) -> tuple[Receive, HttpResponse | None]:
        """`receive`, which has the whole body still, and the response to a request that is not served, or None."""
        request = _request(scope, b"")
        if rejected := admission.head_rejection(request, self._is_known_key):
            return receive, rejected
        if admission.access_key(request) or request.raw_path == HEALTH_PATH:
            return receive, None
        is_file = admission.is_form_for_bucket(request)
        limit_bytes = admission.MAX_FORM_HEAD_BYTES if is_file else admission.MAX_UNSIGNED_BODY_BYTES
        if request.method != "POST" or (request.raw_path != "/" and not is_file):
            limit_bytes = 0  # the head says what is asked for
        read: list[Mapping[str, Any]] = []
        while sum(len(each.get("body", b"")) for each in read) < limit_bytes and (
            not read or read[-1].get("more_body")
        ):
            read.append(await receive())
        body = b"".join(each.get("body", b"") for each in read)
        if (
            is_file
            and len(body) >= limit_bytes
            and (found := admission.form_rejection(body, self._is_known_key))
        ):
            return receive, found
        request = replace(request, body=body)
        return _replayed(read, receive), admission.rejection(request, self._service_of(request))

    async def _own_response(self, scope: Scope, receive: Receive) -> HttpResponse | None:
        """The response of one of our own services, or None if the request is for ministack."""
        raw_path = scope["raw_path"].decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query_string = scope["query_string"].decode("latin-1")
        if raw_path == HEALTH_PATH:
            return _json(200, self._health())
        connection = connection_path(raw_path, headers.get("host", ""))
        if connection:
            return _shared(
                await self._gateway.handle_management(await read_request(scope, receive), *connection)
            )
        signed = credential_scope(headers.get("authorization", ""), query_string)
        service = self._services.get(signed[-2]) if signed else None
        if service is not None:
            request = await read_request(scope, receive)
            response = await service(request)
            self._recorder.record(signed, request, response)
            return _shared(response)
        if raw_path.startswith(code_links.PREFIXES) and not code_links.is_valid(
            raw_path, query_string, time.time()
        ):
            return _json(403, {"message": "Request has expired"})
        return None

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let ministack handle the request, and record it if it is a management call."""
        request = _request(scope, b"")
        signed = credential_scope(request.header("authorization") or "", request.query_string)
        if not signed or not self._recorder.wants(signed[-2], request):
            await self._ministack(scope, receive, send)
            return
        sent, answered = _Copy(), _Copy()
        start: dict[str, Any] = {}

        async def receive_copied() -> Mapping[str, Any]:
            message = await receive()
            sent.add(message.get("body", b""))
            return message

        async def send_copied(message: Mapping[str, Any]) -> None:
            start.update(message if message["type"] == "http.response.start" else {})
            answered.add(message.get("body", b""))
            await send(message)

        await self._ministack(scope, receive_copied, send_copied)
        if start:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
            response = HttpResponse(start["status"], answered.content, headers)
            self._recorder.record(signed, replace(request, body=sent.content), response)


class _Copy:
    """The beginning of a body that passes by, one byte more than what is kept if it is longer."""

    def __init__(self) -> None:
        self.content = b""

    def add(self, chunk: bytes) -> None:
        """Add what was received or sent."""
        if len(self.content) <= MAX_BODY_BYTES:
            self.content = (self.content + chunk)[: MAX_BODY_BYTES + 1]


def _replayed(messages: list[Mapping[str, Any]], receive: Receive) -> Receive:
    """`receive`, with what has been received from it already."""

    async def receive_again() -> Mapping[str, Any]:
        return messages.pop(0) if messages else await receive()

    return receive_again


def _shared(response: HttpResponse) -> HttpResponse:
    """The response, readable by scripts of any web page, as those of AWS's services are."""
    return HttpResponse(response.status, response.body, {**_CORS, **response.headers})


async def read_request(scope: Scope, receive: Receive) -> HttpRequest:
    """The whole request. If the client disconnects before its end, the signature check fails."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return _request(scope, b"".join(chunks))


def _request(scope: Scope, body: bytes) -> HttpRequest:
    return HttpRequest(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query_string=scope["query_string"].decode("latin-1"),
        headers=tuple(scope["headers"]),
        body=body,
        client_host=(scope.get("client") or ("127.0.0.1",))[0],
    )


async def send_response(send: Send, response: HttpResponse) -> None:
    """Send a whole response (ASGI)."""
    headers = {"content-length": str(len(response.body))}
    headers |= {name.lower(): value for name, value in response.headers.items()}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body})


def _json(status: int, document: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status, json.dumps(document).encode(), {"content-type": "application/json"})


def _logged(scope: Scope, send: Send) -> Send:
    """`send`, with a log line for every failed request."""
    started = time.monotonic()

    async def send_and_log(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            service = signed_service(headers.get("authorization", ""), "") or "unsigned"
            query = parse_qs(scope["query_string"].decode("latin-1"))
            what = operation(scope["path"], headers, query=query) or f"{scope['method']} {scope['path']}"
            took_ms = (time.monotonic() - started) * 1000
            _log.info("%s %s: %d in %.0f ms", service, what, message["status"], took_ms)
        await send(message)

    return send_and_log

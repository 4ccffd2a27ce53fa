"""The Lambda Runtime API of one worker: HTTP/1.1 on a loopback port that only this worker knows.

    GET  /2018-06-01/runtime/invocation/next           answered when there is an event (long poll)
    POST /2018-06-01/runtime/invocation/{id}/response  the handler's answer
    POST /2018-06-01/runtime/invocation/{id}/error     the handler's exception
    POST /2018-06-01/runtime/init/error                the module could not be loaded

It takes bytes and gives calls on a `RuntimeOwner`; it knows neither processes nor logs. Source: Lambda guide,
"runtimes-api".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol, cast

import httptools

from whatschat_ops.quotas import MAX_RESPONSE_BYTES

API_VERSION = "/2018-06-01/runtime"

_ACCEPTED = b'{"status":"OK"}\n'


class RuntimeOwner(Protocol):
    """Called when the process of a worker uses the Runtime API."""

    def on_next(self, connection: RuntimeConnection) -> None:
        """The process waits for an event; send it with `connection.send_event`."""

    def on_response(self, request_id: str, body: bytes, size_bytes: int) -> None:
        """The handler returned. `body` is truncated when `size_bytes` is above MAX_RESPONSE_BYTES."""

    def on_error(self, request_id: str, body: bytes) -> None:
        """The handler raised."""

    def on_init_error(self, body: bytes) -> None:
        """The function could not be loaded."""

    def on_connection_lost(self, connection: RuntimeConnection) -> None:
        """The connection was closed; nothing can be sent on it."""


class RuntimeConnection(asyncio.Protocol):
    """One keep-alive connection of the runtime client."""

    def __init__(self, owner: RuntimeOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._size_bytes = 0
        self._complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._owner.on_connection_lost(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._reply(400, b"")
            self.close()
            return
        if self._complete:
            self._complete = False
            self._handle()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def send_event(self, headers: Mapping[str, str], payload: bytes) -> None:
        """Respond to the long poll."""
        self._reply(200, payload, headers)

    # These names are those of httptools.

    def on_message_begin(self) -> None:
        self._url = b""
        self._body = []
        self._size_bytes = 0
        self._complete = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if (
            len(name) == len(b"expect")
            and name.lower() == b"expect"
            and value.lower() == b"100-continue"
            and self._transport is not None
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._size_bytes <= MAX_RESPONSE_BYTES:
            self._body.append(body)
        self._size_bytes += len(body)

    def on_message_complete(self) -> None:
        # Handled after the parser has returned: it would treat our exceptions as its own. Runtime clients do not pipeline.
        self._complete = True

    def _handle(self) -> None:
        path = self._url.decode("latin-1").removeprefix(API_VERSION)
        if path == "/invocation/next" and self._parser.get_method() == b"GET":
            self._owner.on_next(self)
            return
        self._reply(self._accept(path, b"".join(self._body)), _ACCEPTED)

    def _accept(self, path: str, body: bytes) -> int:
        """Dispatch a POST; returns the status of the response."""
        match path.split("/"):
            case ["", "invocation", request_id, "response"]:
                self._owner.on_response(request_id, body, self._size_bytes)
                return 413 if self._size_bytes > MAX_RESPONSE_BYTES else 202
            case ["", "invocation", request_id, "error"]:
                self._owner.on_error(request_id, body)
                return 202
            case ["", "init", "error"]:
                self._owner.on_init_error(body)
                return 202
            case _:
                return 404

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} -", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        if headers:
            lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

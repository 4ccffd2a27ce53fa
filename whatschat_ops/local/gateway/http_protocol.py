"""uvicorn's HTTP protocol, with limits on the head of a request, and keeping the case of header names for WebSocket
handshakes.

uvicorn waits for a request's head without end, and keeps all of it. It lower-cases header names, as ASGI requires; a
`$connect` event has them as the client sent them, and handlers read `headers["Authorization"]`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from whatschat_ops.local.admission import is_known_host

HEAD_TIMEOUT_S: Final = 10.0
"""From the first byte that is awaited to the end of the head (our value)."""
LINGER_S: Final = 1.0
"""How long a client that was refused may go on sending."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers, as for AWS's load balancers (Application Load Balancers user guide, Quotas)."""
MAX_HEADERS: Final = 256
"""Our value: an S3 object with its 2 KB of metadata has fewer."""


class _HeadTooLarge(Exception):
    """The parser reports it as an invalid request."""


class HttpProtocol(HttpToolsProtocol):
    """The class for `uvicorn.Config(http=...)`."""

    _names_as_sent: list[bytes]
    _timer: asyncio.TimerHandle | None = None
    _awaits_head = True
    _head_bytes = 0
    _size_bytes = 0
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._names_as_sent = []
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._out_of_time)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection was closed."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client. A head that arrives in one piece, as most do, needs no timer."""
        if self._is_refused:
            return
        if self._awaits_head:
            self._head_bytes += len(data)
        super().data_received(data)
        self._check_head()

    def _check_head(self) -> None:
        if self._is_refused:
            return
        if not self._awaits_head:
            self._stop_timer()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._timer is None and self._head_bytes:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._out_of_time)

    def on_message_begin(self) -> None:
        """The start of a request."""
        super().on_message_begin()
        self._names_as_sent = []
        self._awaits_head = True
        self._size_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        super().on_url(url)
        self._count(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the request, or one after its body."""
        super().on_header(name, value)
        self._names_as_sent.append(name)
        self._count(name, value)

    def on_headers_complete(self) -> None:
        """The end of the head."""
        self._awaits_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped: the request is not valid, or `_count` has raised."""
        if self._size_bytes > MAX_HEAD_BYTES or len(self._names_as_sent) > MAX_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection on, with the names as they were sent. A host that is neither this machine nor AWS is rejected."""
        if not is_known_host(dict(self.headers).get(b"host", b"").decode("latin-1")):
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        values = (value for _, value in self.headers)
        self.scope["headers"] = list(zip(self._names_as_sent, values, strict=True))
        super().handle_websocket_upgrade()

    def _count(self, *parts: bytes) -> None:
        self._size_bytes += sum(map(len, parts))
        if self._size_bytes > MAX_HEAD_BYTES or len(self._names_as_sent) > MAX_HEADERS:
            raise _HeadTooLarge

    def _out_of_time(self) -> None:
        self._timer = None
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_timer()
        self._is_refused = True
        head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode())
        # Not closed yet: with bytes of the client unread, the system would reset the connection and drop the response.
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

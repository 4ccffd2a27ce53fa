"""uvicorn's HTTP protocol, keeping the case of header names for WebSocket handshakes.

uvicorn lower-cases names, as ASGI requires; a `$connect` event has them as the client sent them, and handlers read
`headers["Authorization"]`.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from whatschat_ops.local.admission import is_known_host

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """The class for `uvicorn.Config(http=...)`."""

    _names_as_sent: list[bytes]

    def on_message_begin(self) -> None:
        """The start of a request."""
        super().on_message_begin()
        self._names_as_sent = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the request."""
        super().on_header(name, value)
        self._names_as_sent.append(name)

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection on, with the names as they were sent. A host that is neither this machine nor AWS is rejected."""
        if not is_known_host(dict(self.headers).get(b"host", b"").decode("latin-1")):
            self.transport.write(_FORBIDDEN)
            self.transport.close()
            return
        values = (value for _, value in self.headers)
        self.scope["headers"] = list(zip(self._names_as_sent, values, strict=True))
        super().handle_websocket_upgrade()

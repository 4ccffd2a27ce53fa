"""uvicorn's HTTP protocol, keeping the case of header names for WebSocket handshakes.

uvicorn lower-cases names, as ASGI wants; a `$connect` event shows them as the client wrote them, and handlers read
`headers["Authorization"]`.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """The class for `uvicorn.Config(http=...)`."""

    _names_as_sent: list[bytes]

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._names_as_sent = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of it."""
        super().on_header(name, value)
        self._names_as_sent.append(name)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with the names as they were sent."""
        values = (value for _, value in self.headers)
        self.scope["headers"] = list(zip(self._names_as_sent, values, strict=True))
        super().handle_websocket_upgrade()

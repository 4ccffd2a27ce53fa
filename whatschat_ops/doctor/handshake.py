"""One WebSocket handshake without a token, to see who answers. It never gets as far as a connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HandshakeAnswer:
    """The HTTP status of the refusal; 101 if the handshake was accepted; None with `error` if nobody answered."""

    status: int | None
    error: str = ""


def probe_handshake(url: str, *, timeout_s: float = 10) -> HandshakeAnswer:
    """Try to open `url` (ws or wss) and say how it was refused."""
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect

    try:
        with connect(url, open_timeout=timeout_s, close_timeout=1):
            return HandshakeAnswer(101)
    except InvalidStatus as error:
        return HandshakeAnswer(error.response.status_code)
    except (InvalidHandshake, OSError, TimeoutError) as error:
        return HandshakeAnswer(None, str(error) or type(error).__name__)

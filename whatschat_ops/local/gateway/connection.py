"""An open WebSocket connection of the gateway, and the table of all of them."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

SEND_BUFFER_LIMIT_BYTES = 1024 * 1024
"""Unsent bytes of a client above which @connections responds with LimitExceededException (our value; AWS documents
none).
"""
ID_SIZE_BYTES = 11


class Wire(Protocol):
    """The client's end of a connection."""

    def send_text(self, data: bytes) -> None:
        """Send one text message (UTF-8). Nothing happens once the connection is closing."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; the gateway is notified at once that the connection has ended."""
        ...

    def unsent_bytes(self) -> int:
        """Bytes that were sent and that the client has not read yet."""
        ...


@dataclass(slots=True, eq=False)
class GatewayConnection:
    """One client's connection to one stage. Times are epoch seconds of the gateway's clock."""

    id: str
    api_id: str
    stage: str
    domain_name: str
    source_ip: str
    user_agent: str | None
    connected_at: float
    last_active_at: float
    wire: Wire | None = None
    caller: Mapping[str, str] = field(default_factory=dict)
    """Who signed the handshake (AWS_IAM); keys of `requestContext.identity`."""
    authorizer: Mapping[str, Any] | None = None
    """What the Lambda authorizer said of the client: `requestContext.authorizer`."""

    def has_full_buffer(self) -> bool:
        """Whether the client reads too slowly to be sent another message."""
        return self.wire is not None and self.wire.unsent_bytes() > SEND_BUFFER_LIMIT_BYTES

    def send(self, data: bytes, now: float) -> None:
        """Send a text message; it counts as activity."""
        self.last_active_at = now
        if self.wire is not None:
            self.wire.send_text(data)

    def close(self, code: int, reason: str) -> None:
        """Close the connection with that code."""
        if self.wire is not None:
            self.wire.close(code, reason)


class Connections:
    """The open connections by id. A connection in its handshake is not among them."""

    def __init__(self) -> None:
        self._by_id: dict[str, GatewayConnection] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[GatewayConnection]:
        return iter(list(self._by_id.values()))

    def add(self, connection: GatewayConnection) -> None:
        """Add a connection."""
        self._by_id[connection.id] = connection

    def remove(self, connection: GatewayConnection) -> bool:
        """Remove a connection; False if it was not there."""
        return self._by_id.pop(connection.id, None) is not None

    def find(self, connection_id: str, api_id: str, stage: str) -> GatewayConnection | None:
        """The open connection of that stage, or None."""
        connection = self._by_id.get(connection_id)
        if connection is None or connection.api_id != api_id or connection.stage != stage:
            return None
        return connection


def new_id() -> str:
    """An id in the format of AWS's connection, request and message ids, such as `R0oXAdfD0kwCH6w=`."""
    return base64.urlsafe_b64encode(os.urandom(ID_SIZE_BYTES)).decode("ascii")


def is_well_formed_id(text: str) -> bool:
    """Whether the text can be a connection id: URL-safe base64 with its padding.

    AWS responds with 400 to a malformed id and with 410 to an unknown one; the boundary is not documented, so only
    what is not base64, or too short to be an id, is malformed here.
    """
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return len(decoded) >= 8

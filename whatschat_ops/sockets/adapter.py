"""What a mode gives to `ws connect`, `send`, `load` and `compare`: sockets that carry one JSON object with a `type` in a text.

`client.Opener` (apigateway), `socket_io.SocketIo` (socketio) and `simulated.Simulated` (simulated) are the three.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Protocol

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from whatschat_ops.choices import SocketMode
from whatschat_ops.sockets.close_codes import NORMAL


class Socket(Protocol):
    """The part of a `websockets` connection that is used here; those of the other modes do the same."""

    @property
    def close_code(self) -> int | None:
        """The code it was closed with, once it is closed."""
        ...

    @property
    def close_reason(self) -> str | None:
        """The reason it was closed with, once it is closed."""
        ...

    async def send(self, message: str | list[str]) -> None:
        """Send a message; a list is one message in several frames. Raises ConnectionClosed, and UsageError for what the mode cannot send."""
        ...

    async def recv(self) -> str | bytes:
        """The next message. Raises ConnectionClosed."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Do the closing handshake."""
        ...


class Adapter(ABC):
    """Opens the sockets of one mode."""

    mode: ClassVar[SocketMode]

    @abstractmethod
    async def __call__(self) -> Socket:
        """A connected socket. Raises OpsError."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Socket]:
        """A connected socket that is closed with 1000 at the end."""
        connection = await self()
        try:
            yield connection
        finally:
            await connection.close()


class Inbox:
    """The receiving side of a socket without frames of its own: messages in order, then the close."""

    def __init__(self) -> None:
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._messages: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, message: str) -> None:
        """A message arrived."""
        self._messages.put_nowait(message)

    def end(self, code: int, reason: str = "") -> None:
        """The socket is closed. The first close counts."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._messages.put_nowait(None)

    async def recv(self) -> str:
        """The next message. Raises ConnectionClosed after the last one."""
        message = await self._messages.get()
        if message is None:
            self._messages.put_nowait(None)
            raise self.closed()
        return message

    def closed(self) -> ConnectionClosed:
        """The error of a closed socket."""
        frame = Close(self.close_code or 1006, self.close_reason or "")
        kind = ConnectionClosedOK if frame.code == NORMAL else ConnectionClosedError
        return kind(frame, None)

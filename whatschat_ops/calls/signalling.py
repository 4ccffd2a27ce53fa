"""The signalling of one call: what each end sent through the API, and what arrived at the other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from websockets.exceptions import ConnectionClosed

from whatschat_ops.calls.vocabulary import Envelope, Kind, Signal, message_of, padded, refusal_of, signal_of
from whatschat_ops.handlers.protocol import encode
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.client import as_text, send_text
from whatschat_ops.sockets.close_codes import describe


class Side(StrEnum):
    """The ends of a call."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> Side:
        """The other end."""
        return Side.CALLEE if self is Side.CALLER else Side.CALLER


@dataclass
class SignalLog:
    """What one end sent, what arrived there, and what else happened on its socket."""

    sent: list[Signal] = field(default_factory=list)
    arrived: list[Signal] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """What the functions or API Gateway answered instead of delivering."""
    closed: str = ""
    """The close code in words, once the socket is closed."""

    def contents(self, kind: Kind, *, arrived: bool) -> list[Mapping[str, Any]]:
        """Of every signal of this kind, each once: delivery is at least once."""
        found: list[Mapping[str, Any]] = []
        for signal in self.arrived if arrived else self.sent:
            if signal.kind is kind and signal.content not in found:
                found.append(signal.content)
        return found


@dataclass(frozen=True, slots=True)
class Line:
    """The socket of one end. `changed` is called after everything that arrives."""

    socket: Socket
    envelope: Envelope
    log: SignalLog
    changed: Callable[[], None]

    async def send(self, signal: Signal, *, size_bytes: int = 0) -> None:
        """Send a signal to the other user, in a message of at least `size_bytes`.

        Raises UsageError when the message is too large, ConnectionClosed.
        """
        message = message_of(signal, self.envelope, int(time.time() * 1000))
        if size_bytes:
            message = padded(message, size_bytes, len(encode(message)))
        self.log.sent.append(signal)
        await send_text(self.socket, encode(message).decode())

    async def listen(self) -> None:
        """Keep what arrives, until the socket is closed."""
        try:
            while True:
                self._take(as_text(await self.socket.recv()))
                self.changed()
        except ConnectionClosed:
            code, reason = self.socket.close_code or 1006, self.socket.close_reason or ""
            self.log.closed = describe(code, reason)
            self.changed()

    def _take(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if (refusal := refusal_of(message)) is not None:
            self.log.refusals.append(refusal)
        elif (signal := signal_of(message, self.envelope)) is not None:
            self.log.arrived.append(signal)


class Changes:
    """Wakes up who waits for a condition, whenever something has changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """Something has changed."""
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds. It is asked again after every change."""
        while not condition():
            await self.next()

    async def next(self) -> None:
        """Wait for the next change. Others run meanwhile, even when it has come already."""
        await asyncio.sleep(0)
        await self._event.wait()
        self._event.clear()

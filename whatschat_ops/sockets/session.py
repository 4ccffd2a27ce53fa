"""A session over sockets that API Gateway closes after 10 idle minutes, and after 2 hours in any case.

    lines (a queue; None ends it) ──▶ Session ──▶ socket, socket, socket ... ──▶ events (a callback)

A Session sends an application-level ping before the idle timeout, replaces its socket before the two-hour limit (the
new one is open before the old one is closed), and reconnects with exponential backoff and full jitter when the
connection is lost. `open_socket` opens every socket, with a new token. Time, sleep and jitter come from a `Clock`.
Nothing here prints.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

from websockets.exceptions import ConnectionClosed

from whatschat_ops.errors import Throttled, Unavailable, UsageError
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_IDLE_S
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.client import as_text, send_text
from whatschat_ops.sockets.close_codes import NORMAL, describe
from whatschat_ops.sockets.events import (
    Closed,
    Event,
    HelpRequested,
    NotSent,
    Opened,
    Received,
    Reconnecting,
    Sent,
)

PING = json.dumps({"type": "ping"})
"""The `$default` function answers it with `{"type": "pong"}`."""
_COMMAND = re.compile(r"/[a-z]+( .*)?")
"""What is treated as a command: JSON never begins with a slash."""

_STABLE_AFTER_S = 60.0
"""After a socket of this age is lost, the backoff starts over."""


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """When to ping, when to replace the socket, and how often to reconnect."""

    reconnect: bool = True
    wait_s: float = 0.0
    """How long to keep receiving after the last line."""
    keep_alive_s: float = MAX_IDLE_S - 60
    """Send a ping after this long without sending anything."""
    replace_after_s: float = MAX_CONNECTION_S - 10 * 60
    """Replace the socket at 0.9 to 1 times this age."""
    attempts: int = 10
    backoff_s: float = 0.5
    longest_backoff_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and randomness, which tests control."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True, slots=True)
class SessionReport:
    """Messages of the session, keep-alive pings not counted."""

    sent: int
    received: int
    not_sent: int


class _Ending(Enum):
    LOST = auto()
    AGED = auto()
    FINISHED = auto()


async def at_once() -> None:
    """Messages are sent one after the other, whatever becomes of those before."""


@dataclass(slots=True)
class Session:
    """One session. `open_socket` connects with a new token and raises OpsError when it cannot."""

    open_socket: Callable[[], Awaitable[Socket]]
    lines: asyncio.Queue[str | None]
    emit: Callable[[Event], None]
    policy: SessionPolicy = field(default_factory=SessionPolicy)
    clock: Clock = field(default_factory=Clock)
    on_first_open: Callable[[], None] = lambda: None
    """Called once, when the first socket is open and lines are wanted."""
    message_of: Callable[[str], str] = str
    """The message that a line is sent as."""
    answered: Callable[[], Awaitable[None]] = at_once
    """Waits until the next line may be sent, or the session may end."""
    _unsent: str | None = None
    _input_ended: bool = False
    _pings: int = 0
    _attempt: int = 0
    _opened_s: float = 0.0
    _last_sent_s: float = 0.0
    _sent: int = 0
    _received: int = 0
    _not_sent: int = 0

    async def run(self) -> SessionReport:
        """Run until the lines end (and `wait_s` has passed), `/quit`, or the server closes with 1000.

        Raises what `open_socket` raises, and Unavailable when the connection is lost and reconnecting is off.
        """
        connection: Socket | None = await self._open()
        try:
            self.on_first_open()
            while connection is not None:
                ending = await self._serve(connection)
                connection = await self._next(connection, ending)
        finally:
            if connection is not None:
                await connection.close(NORMAL)
        return SessionReport(self._sent, self._received, self._not_sent)

    async def _open(self, *, replacement: bool = False) -> Socket:
        connection = await self.open_socket()
        self._opened_s = self._last_sent_s = self.clock.monotonic_s()
        self._pings = 0
        self.emit(Opened(self.clock.now(), replacement))
        return connection

    async def _serve(self, connection: Socket) -> _Ending:
        """Use one socket until it is lost, too old, or no longer needed."""
        tasks = [
            asyncio.create_task(work(connection))
            for work in (self._receive, self._send_lines, self._keep_alive, self._wait_for_age)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in tasks if task.done())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, connection: Socket) -> _Ending:
        with suppress(ConnectionClosed):
            while True:
                self._on_message(as_text(await connection.recv()))
        return _Ending.LOST

    async def _send_lines(self, connection: Socket) -> _Ending:
        try:
            while not self._input_ended:
                if self._unsent is None:
                    self._unsent = await self.lines.get()
                if self._unsent is None:
                    self._input_ended = True
                elif self._unsent.strip() == "/quit":
                    return _Ending.FINISHED
                else:
                    await self._send_line(connection, self._unsent)
                    self._unsent = None
                    await self.answered()
        except ConnectionClosed:
            return await _until_cancelled()
        await self.clock.sleep(self.policy.wait_s)
        return _Ending.FINISHED

    async def _send_line(self, connection: Socket, line: str) -> None:
        match line.strip():
            case "":
                return
            case "/help":
                self.emit(HelpRequested(self.clock.now()))
                return
            case "/ping":
                line = PING
            case command if _COMMAND.fullmatch(command):
                self._reject(f"Unknown command {command.split()[0]}. /help lists the commands.")
                return
            case _:
                line = self.message_of(line)
        try:
            await send_text(connection, line)
        except UsageError as error:  # too large: API Gateway would close the socket
            self._reject(error.message)
            return
        self._sent += 1
        self._last_sent_s = self.clock.monotonic_s()
        self.emit(Sent(self.clock.now(), line))

    def _reject(self, why: str) -> None:
        self._not_sent += 1
        self.emit(NotSent(self.clock.now(), why))

    async def _keep_alive(self, connection: Socket) -> _Ending:
        try:
            while True:
                left_s = self._last_sent_s + self.policy.keep_alive_s - self.clock.monotonic_s()
                if left_s > 0:
                    await self.clock.sleep(left_s)
                    continue
                await connection.send(PING)
                self._pings += 1
                self._last_sent_s = self.clock.monotonic_s()
                self.emit(Sent(self.clock.now(), PING, keep_alive=True))
        except ConnectionClosed:
            return await _until_cancelled()

    async def _wait_for_age(self, _: Socket) -> _Ending:
        if not self.policy.reconnect:
            return await _until_cancelled()
        await self.clock.sleep(self.policy.replace_after_s * self.clock.uniform(0.9, 1.0))
        return _Ending.AGED

    def _on_message(self, body: str) -> None:
        keep_alive = self._pings > 0 and _is_pong(body)
        self._pings -= keep_alive
        self._received += not keep_alive
        self.emit(Received(self.clock.now(), body, keep_alive))

    async def _next(self, connection: Socket, ending: _Ending) -> Socket | None:
        """The socket to continue with; None when the session is over."""
        if ending is _Ending.AGED:
            return await self._replace(connection)
        if ending is _Ending.FINISHED:
            await connection.close(NORMAL)
        code, reason = connection.close_code or 1006, connection.close_reason or ""
        self.emit(Closed(self.clock.now(), code, reason, describe(code, reason)))
        if ending is _Ending.FINISHED or code == NORMAL:
            return None
        if not self.policy.reconnect:
            raise Unavailable(
                f"The connection was closed: {describe(code, reason)}.",
                hint="Omit --no-reconnect to reconnect automatically.",
            )
        return await self._reconnect()

    async def _replace(self, old: Socket) -> Socket:
        """Open the new socket, then close the old one and receive the messages left on it."""
        try:
            new = await self._open(replacement=True)
        except (Unavailable, Throttled) as error:
            await old.close(NORMAL)
            return await self._reconnect(error.message)
        await old.close(NORMAL)
        await self._receive(old)
        return new

    async def _reconnect(self, why: str = "") -> Socket:
        if self.clock.monotonic_s() - self._opened_s >= _STABLE_AFTER_S:
            self._attempt = 0
        while True:
            ceiling_s = min(self.policy.longest_backoff_s, self.policy.backoff_s * 2**self._attempt)
            delay_s = self.clock.uniform(0, ceiling_s)
            self._attempt += 1
            self.emit(Reconnecting(self.clock.now(), self._attempt, delay_s, why))
            await self.clock.sleep(delay_s)
            try:
                return await self._open()
            except (Unavailable, Throttled) as error:
                why = error.message
                if self._attempt >= self.policy.attempts:
                    raise


async def _until_cancelled() -> _Ending:
    """Let `_receive` report that the socket is closed: it may have messages left to read."""
    await asyncio.Event().wait()
    return _Ending.LOST


def _is_pong(body: str) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("type") == "pong"

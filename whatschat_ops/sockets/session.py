"""A long conversation over sockets that API Gateway cuts: after 10 idle minutes, and after 2 hours in any case.

    lines (a queue; None ends it) ──▶ Session ──▶ socket, socket, socket ... ──▶ events (a callback)

A Session sends an application-level ping before the idle cut, replaces its socket by a new one before the two-hour
cut (the new one is open before the old one is closed), and reconnects with exponential backoff and full jitter when
it is cut. Every socket is opened by `open_socket`, which makes a fresh token. Time, sleep and jitter come in as a
`Clock`. Nothing here prints.
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
from whatschat_ops.sockets.client import Socket, as_text, send_text
from whatschat_ops.sockets.close_codes import NORMAL, describe
from whatschat_ops.sockets.events import (
    Closed,
    Event,
    HelpAsked,
    NotSent,
    Opened,
    Received,
    Reconnecting,
    Sent,
)

PING = json.dumps({"type": "ping"})
"""The `$default` function answers it with `{"type": "pong"}`."""
_COMMAND = re.compile(r"/[a-z]+( .*)?")
"""What looks like a command of ours: JSON never begins with a slash."""

_STABLE_AFTER_S = 60.0
"""A socket that lived this long was no failure: the next cut starts the backoff anew."""


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """When to speak up, when to change sockets, and how hard to try."""

    reconnect: bool = True
    wait_s: float = 0.0
    """How long to go on listening after the last line."""
    keep_alive_s: float = MAX_IDLE_S - 60
    """Send a ping after this long without sending anything."""
    replace_after_s: float = MAX_CONNECTION_S - 10 * 60
    """Change sockets between 0.9 and 1 times this age."""
    attempts: int = 10
    backoff_s: float = 0.5
    longest_backoff_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, so that tests decide both."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What was said, not counting pings of our own."""

    sent: int
    received: int
    not_sent: int


class _Ending(Enum):
    CUT = auto()
    AGED = auto()
    FINISHED = auto()


@dataclass(slots=True)
class Session:
    """One conversation. `open_socket` connects with a fresh token and raises OpsError when it cannot."""

    open_socket: Callable[[], Awaitable[Socket]]
    lines: asyncio.Queue[str | None]
    emit: Callable[[Event], None]
    policy: SessionPolicy = field(default_factory=SessionPolicy)
    clock: Clock = field(default_factory=Clock)
    on_first_open: Callable[[], None] = lambda: None
    """Called once, when the first socket is open: the time to ask for lines."""
    _unsent: str | None = None
    _input_ended: bool = False
    _pings: int = 0
    _attempt: int = 0
    _opened_s: float = 0.0
    _spoke_s: float = 0.0
    _sent: int = 0
    _received: int = 0
    _not_sent: int = 0

    async def run(self) -> SessionReport:
        """Talk until the lines end (and `wait_s` has passed), `/quit`, or the server closes with 1000.

        Raises what `open_socket` raises, and Unavailable when the socket is cut and not to be replaced.
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
        self._opened_s = self._spoke_s = self.clock.monotonic_s()
        self._pings = 0
        self.emit(Opened(self.clock.now(), replacement))
        return connection

    async def _serve(self, connection: Socket) -> _Ending:
        """Use one socket until there is a reason not to."""
        tasks = [
            asyncio.create_task(work(connection))
            for work in (self._listen, self._speak, self._keep_alive, self._grow_old)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task.result() for task in tasks if task.done())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, connection: Socket) -> _Ending:
        with suppress(ConnectionClosed):
            while True:
                self._hear(as_text(await connection.recv()))
        return _Ending.CUT

    async def _speak(self, connection: Socket) -> _Ending:
        try:
            while not self._input_ended:
                if self._unsent is None:
                    self._unsent = await self.lines.get()
                if self._unsent is None:
                    self._input_ended = True
                elif self._unsent.strip() == "/quit":
                    return _Ending.FINISHED
                else:
                    await self._say(connection, self._unsent)
                    self._unsent = None
        except ConnectionClosed:
            return await _until_cancelled()
        await self.clock.sleep(self.policy.wait_s)
        return _Ending.FINISHED

    async def _say(self, connection: Socket, line: str) -> None:
        match line.strip():
            case "":
                return
            case "/help":
                self.emit(HelpAsked(self.clock.now()))
                return
            case "/ping":
                line = PING
            case command if _COMMAND.fullmatch(command):
                self._refuse(f"There is no {command.split()[0]}: /help says what there is.")
                return
        try:
            await send_text(connection, line)
        except UsageError as error:  # too big: API Gateway would cut the socket for it
            self._refuse(error.message)
            return
        self._sent += 1
        self._spoke_s = self.clock.monotonic_s()
        self.emit(Sent(self.clock.now(), line))

    def _refuse(self, why: str) -> None:
        self._not_sent += 1
        self.emit(NotSent(self.clock.now(), why))

    async def _keep_alive(self, connection: Socket) -> _Ending:
        try:
            while True:
                left_s = self._spoke_s + self.policy.keep_alive_s - self.clock.monotonic_s()
                if left_s > 0:
                    await self.clock.sleep(left_s)
                    continue
                await connection.send(PING)
                self._pings += 1
                self._spoke_s = self.clock.monotonic_s()
                self.emit(Sent(self.clock.now(), PING, keep_alive=True))
        except ConnectionClosed:
            return await _until_cancelled()

    async def _grow_old(self, _: Socket) -> _Ending:
        if not self.policy.reconnect:
            return await _until_cancelled()
        await self.clock.sleep(self.policy.replace_after_s * self.clock.uniform(0.9, 1.0))
        return _Ending.AGED

    def _hear(self, body: str) -> None:
        keep_alive = self._pings > 0 and _is_pong(body)
        self._pings -= keep_alive
        self._received += not keep_alive
        self.emit(Received(self.clock.now(), body, keep_alive))

    async def _next(self, connection: Socket, ending: _Ending) -> Socket | None:
        """The socket to go on with; None when the conversation is over."""
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
                hint="Leave --no-reconnect out to connect again by itself.",
            )
        return await self._reconnect()

    async def _replace(self, old: Socket) -> Socket:
        """Open the next socket before the old one is closed, and lose nothing that the old one still has."""
        try:
            new = await self._open(replacement=True)
        except (Unavailable, Throttled) as error:
            await old.close(NORMAL)
            return await self._reconnect(error.message)
        await old.close(NORMAL)
        await self._listen(old)
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
    """Leave it to `_listen` to say that the socket is closed: it may have messages left to read."""
    await asyncio.Event().wait()
    return _Ending.CUT


def _is_pong(body: str) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("type") == "pong"

"""Sockets that come and go. Each is of a user of its own, and counts every broadcast that it receives."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from whatschat_ops.sockets.adapter import Socket

LIMIT_S: Final = 60.0
NOTICE: Final = "notice"
Connect = Callable[[str], Awaitable[Socket]]


@dataclass
class Member:
    """One socket. `received`: how often it got the message of each broadcast. `left`: it was closed here."""

    user: str
    socket: Socket
    received: Counter[str] = field(default_factory=Counter)
    left: bool = False
    cut: int | None = None
    replies: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    reading: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether neither side closed it."""
        return not self.left and self.cut is None

    async def read(self) -> None:
        """Until it is closed."""
        try:
            while True:
                document = json.loads(await self.socket.recv())
                if document.get("type") == NOTICE:
                    self.received[document["id"]] += 1
                else:
                    self.replies.put_nowait(document)
        except ConnectionClosed:
            if not self.left:
                self.cut = self.socket.close_code or 1006

    async def close(self) -> None:
        """The user leaves."""
        self.left = True
        await self.socket.close(1000)
        assert self.reading is not None
        await self.reading

    async def ask(self) -> bool:
        """Send a ping. Whether a pong, and no error, is the answer."""
        try:
            await self.socket.send('{"type":"ping"}')
        except ConnectionClosed:
            return False
        async with asyncio.timeout(LIMIT_S):
            return (await self.replies.get()).get("type") == "pong"


@dataclass
class Crowd:
    """All sockets that were ever opened. `connect` opens one; the order is the order of their coming."""

    connect: Connect
    members: list[Member] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def open(self) -> list[Member]:
        """Those that are open."""
        return [member for member in self.members if member.is_open]

    async def come(self, number: int) -> None:
        """So many users more."""
        for _ in range(number):
            user = f"soak-{next(self._numbers)}"
            member = Member(user, await self.connect(user))
            member.reading = asyncio.create_task(member.read())
            self.members.append(member)

    async def leave(self, number: int) -> None:
        """The oldest go."""
        for member in self.open[:number]:
            await member.close()

    async def ask(self) -> int:
        """How many of the open sockets get a good answer."""
        return sum(await asyncio.gather(*(member.ask() for member in self.open)))

    async def is_cut(self) -> bool:
        """Wait until the other side has closed all sockets. Whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*(each.reading for each in self.open if each.reading is not None))
        return not self.open

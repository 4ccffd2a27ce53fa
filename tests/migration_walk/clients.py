"""The users' clients: each has one socket, on the path that the backend told it when it opened it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from websockets.exceptions import ConnectionClosed

from whatschat_ops.sockets.adapter import Socket

OLD, NEW = "old", "new"
LIMIT_S: Final = 120.0
AT_ONCE: Final = 25
CALL_PAUSE_S: Final = 0.25
"""A call is two operations of Chime SDK, which allows 10 a second."""
Open = Callable[[str], Awaitable[Socket]]


@dataclass
class Client:
    """One user. `cut`: close codes of sockets that the other side closed."""

    user: str
    opens: Mapping[str, Open]
    path: str = ""
    cut: list[int] = field(default_factory=list)
    _socket: Socket | None = None
    _replies: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    _reading: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether its socket is open."""
        return self._reading is not None and not self._reading.done()

    async def open(self, mode: str) -> None:
        """Open a socket on the path of the mode, and read it."""
        self.path = OLD if mode == "socketio" else NEW
        self._socket = await self.opens[self.path](self.user)
        self._reading = asyncio.create_task(self._read(self._socket))

    async def close(self) -> None:
        """The user leaves: this close is meant."""
        if self._socket is None or self._reading is None:
            return
        socket, reading = self._socket, self._reading
        self._socket = None
        await socket.close(1000)
        await reading

    async def ask(self) -> bool:
        """Send a message and wait for its answer. Whether the answer is the one of a path that works."""
        assert self._socket is not None
        message = (
            {"type": "ping"} if self.path == NEW else {"type": "message:send", "data": {"content": "hi"}}
        )
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(LIMIT_S):
            reply = await self._replies.get()
        return reply.get("type") in ("pong", "message:sent")

    async def send_candidate(self, other: Client) -> bool:
        """One ICE candidate of a native call that is running, over the old path. Whether the other side got it."""
        assert self._socket is not None
        document = {
            "type": "call:ice-candidate",
            "data": {"targetUserId": other.user, "candidate": self.user},
        }
        await self._socket.send(json.dumps(document))
        async with asyncio.timeout(LIMIT_S):
            heard = await other._replies.get()
        return bool(heard.get("type") == "call:ice-candidate")

    async def _read(self, socket: Socket) -> None:
        try:
            while True:
                self._replies.put_nowait(json.loads(await socket.recv()))
        except ConnectionClosed:
            if self._socket is socket:  # nobody here closed it
                self.cut.append(socket.close_code or 1006)


@dataclass
class Crowd:
    """All users, and the backend that they ask."""

    backend: str
    clients: Mapping[str, Client]
    http: aiohttp.ClientSession

    async def reopen(self, users: Iterable[str]) -> None:
        """These users leave and come back, each asking the backend which path to take."""

        async def one(user: str) -> None:
            client = self.clients[user]
            await client.close()
            await client.open((await self.mode(user))["websocket"])

        await _each(users, one)

    async def ask(self, users: Iterable[str], times: int = 1) -> Counter[tuple[str, bool]]:
        """Messages of these users: how many of each path were answered well (True) and badly."""
        found: Counter[tuple[str, bool]] = Counter()

        async def one(user: str) -> None:
            client = self.clients[user]
            for _ in range(times):
                found[client.path, await client.ask()] += 1

        await _each(users, one)
        return found

    async def call(self, users: Iterable[str]) -> Counter[str]:
        """A call of each of these users, slowly enough for the quota of Chime SDK: how many took each path."""
        found: Counter[str] = Counter()
        for user in users:
            async with self.http.post(f"{self.backend}/calls/{user}") as answer:
                found[(await answer.json())["path"]] += 1
            await asyncio.sleep(CALL_PAUSE_S)
        return found

    async def mode(self, user: str) -> dict[str, Any]:
        """What the backend tells the client of a user."""
        async with self.http.get(f"{self.backend}/mode/{user}") as answer:
            return dict(await answer.json())

    async def tell(self, what: str) -> None:
        """The backend does something: `publish` its metrics, or `restart`."""
        async with self.http.post(f"{self.backend}/{what}") as answer:
            answer.raise_for_status()

    async def paths(self) -> dict[str, str]:
        """The path of each open socket."""
        return {user: client.path for user, client in self.clients.items() if client.is_open}

    async def cuts(self) -> list[str]:
        """Sockets that the other side closed."""
        return [f"{user}: {code}" for user, client in self.clients.items() for code in client.cut]

    async def close(self) -> None:
        """All users leave."""
        await _each(self.clients, lambda user: self.clients[user].close())


async def _each(users: Iterable[str], one: Callable[[str], Awaitable[None]]) -> None:
    """For all users, some at once."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def within(user: str) -> None:
        async with slots:
            await one(user)

    async with asyncio.TaskGroup() as group:
        for user in users:
            group.create_task(within(user))

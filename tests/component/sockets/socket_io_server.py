"""A real Socket.IO server on a free port, with the gateways' events that need no database (apps/server, Nest)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web

NAMESPACES = ("/", "/chime")


@dataclass
class SocketIoServer:
    """Relays calls between users, answers `message:send` and `chime:create-meeting`. A token is `user:NAME`."""

    url: str = ""
    io: Any = field(
        default_factory=lambda: socketio.AsyncServer(
            async_mode="aiohttp", namespaces="*", monitor_clients=False
        )
    )
    auths: list[tuple[str, Any]] = field(default_factory=list)
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    """Namespace, event and data."""
    user_of: Callable[[str], str | None] = lambda token: token.removeprefix("user:") or None
    drop: Callable[[str], bool] = lambda _: False
    """Whether an event is not passed on."""
    refuse: str | None = None
    users: dict[str, str] = field(default_factory=dict)
    """Connection id -> user."""
    sids: dict[str, str] = field(default_factory=dict)
    """Namespace -> the connection id that was given last."""

    def listen(self) -> None:
        self.io.on("connect", self._connect, namespace="*")
        self.io.on("disconnect", self._disconnect, namespace="*")
        self.io.on("*", self._event, namespace="*")

    async def _connect(self, namespace: str, sid: str, _environ: Any, auth: Any) -> None:
        self.auths.append((namespace, auth))
        if self.refuse is not None:
            raise socketio.exceptions.ConnectionRefusedError(self.refuse)
        user = self.user_of(auth["token"])
        if user is None:
            raise socketio.exceptions.ConnectionRefusedError("unauthorized")
        self.users[sid] = user
        self.sids[namespace] = sid
        await self.io.enter_room(sid, user, namespace=namespace)

    async def _disconnect(self, namespace: str, sid: str, *_: Any) -> None:
        self.users.pop(sid, None)

    async def _event(self, event: str, namespace: str, sid: str, data: Any) -> None:
        self.heard.append((namespace, event, data))
        user = self.users[sid]
        if event == "message:send":
            await self.io.emit("message:sent", {"message": data}, to=sid)
            event, data = "message:received", {**data, "senderId": user}
            target: str | None = None
        elif event == "chime:create-meeting":
            await self.io.emit("chime:meeting-created", {"meeting": {}}, to=sid, namespace=namespace)
            return
        else:
            target = data.get("targetUserId") or data.get("initiatorId")
        if not self.drop(event):
            await self.io.emit(
                event,
                {**data, "userId": user},
                to=target,
                skip_sid=None if target else sid,
                namespace=namespace,
            )


@asynccontextmanager
async def socket_io_server(**options: Any) -> AsyncIterator[SocketIoServer]:
    """A running server; its sockets are closed at the end."""
    made = SocketIoServer(**options)
    made.listen()
    application = web.Application()
    made.io.attach(application)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()

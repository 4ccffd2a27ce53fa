"""The application's backend as it is before the migration: a real Socket.IO server, with the reference reader of the shares in it.

    python -m tests.migration_walk.old_server STACK PARAMETER

`GET /mode/USER` tells a client which path its next socket takes, `POST /calls/USER` begins a call on the path of the user's share,
`POST /restart` is a restart with the variables that turn both services on, `POST /wait` lets the reader's cache end, `POST /publish` puts the metrics of the old path that the gate compares with (docs/migrate.md). A token is `user:NAME`.
"""

# ruff: noqa: T201 - as a process it prints its address
from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web

from tests.migration_walk.reader import AFTER, BEFORE, CACHE_S, reader
from whatschat_ops.migration import old_path
from whatschat_ops.migration.cohort import Service

PING_TIMEOUT_S = 600
"""A machine that is busy must not look like a client that is gone."""
MAX_VALUES = 150
"""Of one metric in a request (CloudWatch API reference, PutMetricData)."""


@dataclass
class Counts:
    """What was done on the old path since the metrics were put last."""

    requests: int = 0
    errors: int = 0
    reconnects: int = 0
    gone: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def data(self, stack: str, service: Service) -> list[dict[str, Any]]:
        """The body of PutMetricData: zeros too, since a metric that is not put is missing."""
        pairs = old_path.dimensions(stack, service)
        dimensions = [{"Name": name, "Value": value} for name, value in pairs.items()]
        counts = {
            "Requests": self.requests,
            "Errors": self.errors,
            "Reconnects": self.reconnects,
            "Gone": self.gone,
        }
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Value": float(count), "Unit": "Count"}
            for name, count in counts.items()
        ]
        if self.latencies_ms:
            values = {"Values": self.latencies_ms[-MAX_VALUES:], "Unit": "Milliseconds"}
            data.append({"MetricName": "Latency", "Dimensions": dimensions, **values})
        return data


@dataclass
class OldServer:
    """`client` makes boto3 clients of the backend's own credentials."""

    stack: str
    parameter: str
    client: Callable[[str], Any]
    url: str = ""
    variables: dict[str, str] = field(default_factory=lambda: dict(BEFORE))
    reader: Any = None
    time_s: float = 0.0
    """The time by which the reader's cache ends."""
    io: Any = field(
        default_factory=lambda: socketio.AsyncServer(
            async_mode="aiohttp", namespaces="*", monitor_clients=False, ping_timeout=PING_TIMEOUT_S
        )
    )
    users: dict[str, str] = field(default_factory=dict)
    """Connection id in the main namespace -> user."""
    counts: dict[Service, Counts] = field(default_factory=lambda: {each: Counts() for each in Service})

    def application(self) -> web.Application:
        """What answers; the Socket.IO server is attached to it."""
        self.reader = reader(self.client("ssm"), self.parameter, self.variables, lambda: self.time_s)
        self.io.on("connect", self._connect, namespace="*")
        self.io.on("disconnect", self._disconnect, namespace="*")
        self.io.on("*", self._event, namespace="*")
        made = web.Application()
        made.router.add_get("/mode/{user}", self._mode)
        made.router.add_post("/calls/{user}", self._call)
        made.router.add_post("/restart", self._restart)
        made.router.add_post("/wait", self._wait)
        made.router.add_post("/publish", self._publish)
        self.io.attach(made)
        return made

    async def _connect(self, namespace: str, sid: str, _environ: Any, auth: Any) -> None:
        user = str(auth["token"]).removeprefix("user:")
        if not self.reader.accepts_old_socket(user):
            raise socketio.exceptions.ConnectionRefusedError("this user's sockets go to API Gateway")
        await self.io.enter_room(sid, user, namespace=namespace)
        if namespace == "/":
            self.counts[Service.WEBSOCKET].requests += 1
            self.users[sid] = user

    async def _disconnect(self, namespace: str, sid: str, *_: Any) -> None:
        self.users.pop(sid, None)

    async def _event(self, event: str, namespace: str, sid: str, data: Any) -> None:
        counts, started_s = self.counts[Service.WEBSOCKET], time.perf_counter()
        counts.requests += 1
        if event == "message:send":
            await self.io.emit("message:sent", {"message": data}, to=sid, namespace=namespace)
        else:
            await self.io.emit(
                event, {**data, "userId": self.users[sid]}, to=data["targetUserId"], namespace=namespace
            )
        counts.latencies_ms.append((time.perf_counter() - started_s) * 1000)

    async def _mode(self, request: web.Request) -> web.Response:
        user = request.match_info["user"]
        return web.json_response(self.reader.for_client(user))

    async def _restart(self, _request: web.Request) -> web.Response:
        self.variables.update(AFTER)
        self.time_s += CACHE_S
        return web.json_response({})

    async def _wait(self, _request: web.Request) -> web.Response:
        self.time_s += CACHE_S
        return web.json_response({})

    async def _call(self, request: web.Request) -> web.Response:
        user, counts = request.match_info["user"], self.counts[Service.CHIME]
        if self.reader.for_client(user)["webrtc"] == "native":
            counts.requests += 1
            return web.json_response({"path": "old"})
        await asyncio.to_thread(self._meet, user)
        return web.json_response({"path": "new"})

    def _meet(self, user: str) -> None:
        """Two calls of Chime SDK: as ChimeService of the application makes a call."""
        chime, name = self.client("chime-sdk-meetings"), uuid.uuid4().hex
        made = chime.create_meeting_with_attendees(
            ClientRequestToken=name, MediaRegion="us-east-1", ExternalMeetingId=name,
            Attendees=[{"ExternalUserId": f"user-{user}"}],
        )  # fmt: skip
        chime.delete_meeting(MeetingId=made["Meeting"]["MeetingId"])

    async def _publish(self, _request: web.Request) -> web.Response:
        taken, self.counts = self.counts, {each: Counts() for each in Service}
        data = [row for service, counts in taken.items() for row in counts.data(self.stack, service)]
        cloudwatch = self.client("cloudwatch")
        await asyncio.to_thread(
            lambda: cloudwatch.put_metric_data(Namespace=old_path.NAMESPACE, MetricData=data)
        )
        return web.json_response({service.value: counts.requests for service, counts in taken.items()})


@asynccontextmanager
async def running(server: OldServer) -> AsyncIterator[OldServer]:
    """The server, listening on a free port; its sockets are closed at the end."""
    runner = web.AppRunner(server.application(), shutdown_timeout=0, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _serve(stack: str, parameter: str) -> None:
    import boto3

    clients: dict[str, Any] = {}

    def client(name: str) -> Any:
        return clients.setdefault(name, clients.get(name) or boto3.client(name))

    async with running(OldServer(stack, parameter, client)) as server:
        print(json.dumps({"url": server.url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until the walk closes it


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))

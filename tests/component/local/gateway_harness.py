"""A gateway behind uvicorn's HTTP protocol on a real socket, with an in-memory control plane and executor."""

from __future__ import annotations

import asyncio
import functools
import json
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State

from tests.component.local.gateway_api import API_ID, EPOCH_S, REGION, STAGE
from tests.component.local.gateway_functions import Event, Handler, HandlerRaised
from whatschat_ops.local.gateway import Gateway, HttpProtocol, websocket_protocol
from whatschat_ops.local.interfaces import (
    Denial,
    HttpRequest,
    InvocationResult,
    LambdaFunction,
    WebSocketApi,
)


class FakeExecutor:
    """Runs coroutines instead of functions and records the events."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.events: list[tuple[str, Event]] = []
        self.waits_s: list[float] = []

    def of(self, name: str) -> list[Event]:
        """The events of a function."""
        return [event for called, event in self.events if called == name]

    async def invoke(
        self, function: LambdaFunction, payload: bytes, *, start_within_s: float = math.inf
    ) -> InvocationResult:
        self.waits_s.append(start_within_s)
        event = json.loads(payload)
        self.events.append((function.name, event))
        error: str | None = None
        try:
            result = await self.handlers[function.name](event)
        except HandlerRaised as raised:
            result, error = {"errorMessage": str(raised), "errorType": "Exception"}, "Unhandled"
        return InvocationResult(json.dumps(result).encode(), error, "c0ffee", 1.0, None, "")

    async def close(self) -> None:
        return None


class FakeControlPlane:
    """APIs, functions and permissions in dictionaries; logs and metrics in lists."""

    def __init__(self, api: WebSocketApi, executor: FakeExecutor) -> None:
        self.apis = {api.id: api}
        self.executor = executor
        self.forbidden_sources: set[str] = set()
        self.deleted: set[str] = set()
        self.denial: Denial | None = None
        self.authorized: list[tuple[str, str, str, HttpRequest]] = []
        self.logs: list[tuple[str, str, str]] = []
        self.metrics: list[tuple[str, float, str, dict[str, str]]] = []
        self.metric_times_s: list[float | None] = []

    async def websocket_api(self, api_id: str) -> WebSocketApi | None:
        return self.apis.get(api_id)

    async def function(self, function_arn: str) -> LambdaFunction | None:
        name = function_arn.rpartition(":")[2]
        if name in self.deleted:
            return None
        return LambdaFunction(
            function_arn,
            name,
            "$LATEST",
            "python3.12",
            "app.handler",
            "",
            b"",
            {},
            3,
            128,
            {},
            f"/aws/lambda/{name}",
            REGION,
        )

    async def may_invoke(self, function_arn: str, source_arn: str, role_arn: str | None = None) -> bool:
        return (role_arn or source_arn) not in self.forbidden_sources

    def policy_decision(self, document: object, action: str, resource_arn: str, source_ip: str) -> str | None:
        """The effect of the policy's first statement."""
        return document["Statement"][0]["Effect"] if isinstance(document, dict) else None

    def caller_identity(self, request: HttpRequest) -> Mapping[str, str]:
        return {"userArn": "arn:aws:iam::123456789012:user/alice"}

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        self.authorized.append((service, action, resource_arn, request))
        return self.denial

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        self.logs.extend((group, stream, message) for _, message in messages)

    def record_metric(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        time_s: float | None = None,
    ) -> None:
        assert namespace == "AWS/ApiGateway"
        self.metrics.append((name, value, unit, dict(dimensions)))
        self.metric_times_s.append(time_s)

    def metric(self, name: str, **dimensions: str) -> float:
        """The sum of a metric with exactly those dimensions."""
        return sum(value for found, value, _, by in self.metrics if found == name and by == dimensions)


@dataclass(slots=True)
class FakeClock:
    """A wall clock that the test moves."""

    now: float = EPOCH_S

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Harness:
    """A running gateway and its fakes."""

    gateway: Gateway
    control_plane: FakeControlPlane
    executor: FakeExecutor
    clock: FakeClock
    port: int
    _clients: list[ClientConnection] = field(default_factory=list)

    def url(self, stage: str = STAGE, query: str = "") -> str:
        """The URL for clients."""
        return f"ws://127.0.0.1:{self.port}/_aws/execute-api/{API_ID}/{stage}{query}"

    @property
    def management_url(self) -> str:
        """The endpoint for boto3."""
        return f"http://127.0.0.1:{self.port}/_aws/execute-api/{API_ID}/{STAGE}"

    async def client(self, query: str = "", **options: Any) -> ClientConnection:
        """A connected client; closed with the harness."""
        client = await connect(
            self.url(query=query), proxy=None, compression=None, ping_interval=None, **options
        )
        self._clients.append(client)
        return client

    def connection_id(self) -> str:
        """The id of the only open connection."""
        (connection,) = self.gateway.connections
        return connection.id

    async def manage(
        self, method: str, connection_id: str, body: bytes = b"", *, stage: str = STAGE, api_id: str = API_ID
    ) -> tuple[int, dict[str, str], bytes]:
        """An unsigned @connections request, without a socket in between."""
        request = HttpRequest(
            method, f"/{stage}/@connections/{quote(connection_id, safe='')}", "", (), body, "127.0.0.1"
        )
        answer = await self.gateway.handle_management(request, api_id, stage, connection_id)
        return answer.status, dict(answer.headers), answer.body

    async def settled(self) -> None:
        """What was sent has arrived, and every message and `$disconnect` has been handled: on loopback turns suffice."""
        for _ in range(50):
            await asyncio.sleep(0)
        await self.until(lambda: not self.gateway._tasks)

    async def until(self, holds: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    api: WebSocketApi, *, clock: FakeClock | None = None, at_once: int = 64, **handlers: Handler
) -> AsyncIterator[Harness]:
    """Serve the API; the handlers are functions by name."""
    executor, clock = FakeExecutor(), clock or FakeClock()
    executor.handlers.update(handlers)
    control_plane = FakeControlPlane(api, executor)
    gateway = Gateway(
        control_plane, executor, clock=clock, sweep_interval_s=0.01, invocations_at_once=at_once
    )
    config = uvicorn.Config(
        asgi_app(gateway), http=HttpProtocol, ws=websocket_protocol(gateway), lifespan="off", log_config=None
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HttpProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    harness = Harness(gateway, control_plane, executor, clock, server.sockets[0].getsockname()[1])
    try:
        yield harness
    finally:
        for client in harness._clients:
            if client.state is State.OPEN:
                await client.close()
        await gateway.close()
        server.close()
        for protocol in list(state.connections):
            protocol.shutdown()
        await harness.until(lambda: not state.connections)
        await server.wait_closed()


def asgi_app(gateway: Gateway) -> Callable[..., Coroutine[Any, Any, None]]:
    """As the server does with HTTP: pass @connections requests to the gateway."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            body += message["body"]
            more = message["more_body"]
        _, _, _, api_id, stage, _, connection_id = scope["path"].split("/")
        client = scope["client"]
        request = HttpRequest(
            scope["method"],
            scope["raw_path"].decode(),
            scope["query_string"].decode(),
            tuple(scope["headers"]),
            body,
            client[0] if client else "",
        )
        answer = await gateway.handle_management(request, api_id, stage, connection_id)
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        if answer.status == 204:
            headers.pop()
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False}
        )
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return app


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run

"""The data plane of API Gateway's WebSocket APIs.

Takes handshakes, messages and closed connections from the protocol and @connections requests from the server; gives
responses to clients, events to functions, access logs and metrics. It knows neither sockets (see `protocol`) nor
worker processes (see the executor).

Assumptions where AWS documents nothing: a message in either direction and a ping or pong of the client count as
activity; a client that disconnects during `$connect` gets its `$disconnect` (with 1006) if `$connect` accepted it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from whatschat_ops.local.gateway.connecting import Acceptance, connect, refusal
from whatschat_ops.local.gateway.connection import Connections, GatewayConnection, Wire
from whatschat_ops.local.gateway.data_plane import DataPlane
from whatschat_ops.local.gateway.handshake import Handshake
from whatschat_ops.local.gateway.integration import Integrations
from whatschat_ops.local.gateway.management import ManagementApi
from whatschat_ops.local.gateway.messaging import handle_disconnect, handle_message
from whatschat_ops.local.gateway.metrics import Metrics
from whatschat_ops.local.gateway.throttle import Throttles
from whatschat_ops.local.gateway.turns import Turns
from whatschat_ops.local.interfaces import ControlPlane, Executor, HttpRequest, HttpResponse
from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_IDLE_S

logger = logging.getLogger(__name__)

GOING_AWAY = (1001, "Going away")
"""AWS's close code and reason after ten idle minutes, and after two hours."""
INVOCATIONS_AT_ONCE = 64
"""Of each version of a function."""
BUSY_FROM_TASKS = 1000
"""Above it each connection has one message in progress (our value)."""
SWEEP_INTERVAL_S = 1.0
METRICS_INTERVAL_S = 5.0
CLOSE_GRACE_S = 5.0
"""How long a stopping gateway waits for handlers, including those of `$disconnect`."""


class Gateway:
    """Every WebSocket connection of every API. `clock` gives epoch seconds."""

    def __init__(
        self,
        control_plane: ControlPlane,
        executor: Executor,
        *,
        clock: Callable[[], float] = time.time,
        sweep_interval_s: float = SWEEP_INTERVAL_S,
        metrics_interval_s: float = METRICS_INTERVAL_S,
        invocations_at_once: int = INVOCATIONS_AT_ONCE,
    ) -> None:
        self.connections = Connections()
        self.turns = Turns(invocations_at_once)
        self._sweep_interval_s = sweep_interval_s
        self._metrics_interval_s = metrics_interval_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._is_closing = False
        self._plane = DataPlane(
            control_plane,
            Integrations(control_plane, executor, self._spawn, self.turns),
            Throttles(clock()),
            Metrics(control_plane, clock),
            clock,
        )
        self._management = ManagementApi(self._plane, self.connections)

    @property
    def is_busy(self) -> bool:
        """Whether so much is in progress that connections have to wait."""
        return len(self._tasks) >= BUSY_FROM_TASKS

    async def handle_management(
        self, request: HttpRequest, api_id: str, stage: str, connection_id: str
    ) -> HttpResponse:
        """Handle POST, GET or DELETE of `/{stage}/@connections/{connection_id}`.

        `request` must be as it was received, since its signature is checked.
        """
        self._start_sweeper()
        return await self._management.handle(request, api_id, stage, connection_id)

    async def connect(self, handshake: Handshake) -> Acceptance | HttpResponse:
        """Handle a handshake; `$connect` has returned when this does. An `HttpResponse` is a rejection."""
        if self._is_closing:
            return refusal(503)
        self._start_sweeper()
        return await connect(self._plane, handshake)

    def opened(self, connection: GatewayConnection, wire: Wire) -> None:
        """The client was sent its 101: from now on the connection can be posted to."""
        connection.wire = wire
        self.connections.add(connection)

    def message_received(self, connection: GatewayConnection, text: str) -> asyncio.Task[None]:
        """Handle a message, concurrently with earlier ones."""
        connection.last_active_at = self._plane.clock()
        return self._spawn(handle_message(self._plane, connection, text))

    def heard_from(self, connection: GatewayConnection) -> None:
        """A ping or pong was received."""
        connection.last_active_at = self._plane.clock()

    def closed(self, connection: GatewayConnection, code: int, reason: str) -> None:
        """The connection was closed by either side: remove it, and invoke `$disconnect` once."""
        if self.connections.remove(connection):
            connection.wire = None
            self._spawn(handle_disconnect(self._plane, connection, code, reason))

    def sweep(self) -> None:
        """Close connections that have been idle for ten minutes or open for two hours."""
        now = self._plane.clock()
        for connection in self.connections:
            is_idle = now - connection.last_active_at >= MAX_IDLE_S
            if is_idle or now - connection.connected_at >= MAX_CONNECTION_S:
                connection.close(*GOING_AWAY)

    def flush_metrics(self) -> None:
        """Write the metrics counted so far."""
        self._plane.metrics.flush()

    async def close(self) -> None:
        """Close every connection, wait a few seconds for handlers, and write the metrics.

        @connections keeps working, since `$disconnect` handlers may call it. New clients are rejected.
        """
        self._is_closing = True
        for connection in self.connections:
            connection.close(*GOING_AWAY)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        deadline = time.monotonic() + CLOSE_GRACE_S
        while self._tasks and (left_s := deadline - time.monotonic()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left_s)
        for task in self._tasks:
            task.cancel()
        self.flush_metrics()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A message or disconnect was not handled", exc_info=error)

    def _start_sweeper(self) -> None:
        if self._sweeper is None and not self._is_closing:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep_forever())

    async def _sweep_forever(self) -> None:
        """One task for all connections: a timer for each would cost memory and time with thousands of connections."""
        flushed_at = time.monotonic()
        while True:
            await asyncio.sleep(self._sweep_interval_s)
            self.sweep()
            if time.monotonic() - flushed_at >= self._metrics_interval_s:
                flushed_at = time.monotonic()
                self.flush_metrics()

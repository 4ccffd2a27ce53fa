"""An HTTP proxy on loopback between an AWS client and an AWS, which records every call and injects one fault.

The client's Host header is passed on as it is, because the signature covers it. The upstream connection is closed after
each request, so that an answer ends where the connection does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.calls import Call, ErrorAnswer, Request, http_error, identify, throttled

DELAY_S = 0.25
IDLE_TIMEOUT_S = 30.0


class Fault(StrEnum):
    """What happens to one call."""

    THROTTLE = "throttle"
    ERROR_500 = "error-500"
    ERROR_503 = "error-503"
    DROP_BEFORE = "drop-before"
    """The connection ends, the call has no effect."""
    DROP_AFTER = "drop-after"
    """The call has its effect, the connection ends without an answer."""
    DELAY = "delay"
    OUTAGE = "outage"
    """The call has its effect, its answer is lost, and every later call of this run is answered with 503."""
    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th call (from 1) of an operation in a run: what a fault is aimed at.

    Steps run side by side, so that the n-th call of all is another one each time; the n-th of an operation always exists.
    """

    call: Call
    n: int

    def __str__(self) -> str:
        return f"{self.call.service}.{self.call.operation}#{self.n}"


class Hold:
    """Keeps a call, before it has an effect, until it is let go: what runs beside it is then no race."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()


@dataclass(slots=True)
class Recording:
    """One run of a client: what it called, and what was done to it."""

    target: Point | None = None
    fault: Fault | Hold | None = None
    pid: int | None = None
    """The process that a kill ends."""
    points: list[Point] = field(default_factory=list)
    fired: bool = False
    down: bool = False
    counts: Counter[Call] = field(default_factory=Counter)

    def arrive(self, call: Call) -> bool:
        """Note a call. Whether it is the one that the fault is for."""
        self.counts[call] += 1
        point = Point(call, self.counts[call])
        self.points.append(point)
        if self.fired or point != self.target:
            return False
        self.fired = True
        return True


class _Cut(Exception):
    """The client's connection is to be closed without an answer."""


class Proxy:
    """Listens in a thread of its own. `recording` is the current run; replace it for the next one."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._loop = asyncio.new_event_loop()
        # A loop alone does not keep its tasks alive. Each with the run that it began in and the client's address.
        self._connections: dict[asyncio.Task[None] | None, tuple[Recording, tuple[str, int]]] = {}
        self.recording = Recording()
        self.errors: list[BaseException] = []
        """What went wrong in the proxy itself: a run with any of these proves nothing."""
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def until_idle(self) -> None:
        """Wait until no call of a run that has ended is on its way any more: those of a killed client still reach AWS."""
        with socket.create_connection(
            ("127.0.0.1", self.port)
        ) as last:  # those before it are accepted before it
            self._until(lambda: any(peer == last.getsockname() for _, peer in self._open()))
        self._until(lambda: all(recording is not self.recording for recording, _ in self._open()))

    def _open(self) -> list[tuple[Recording, tuple[str, int]]]:
        return list(self._connections.values())

    def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + IDLE_TIMEOUT_S
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError("calls do not end")
            time.sleep(0.005)

    def close(self) -> None:
        """End it."""
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=60)
        self._loop.close()

    async def _shut_down(self) -> None:
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections[task] = (self.recording, writer.get_extra_info("peername"))
        try:
            while request := await _read_request(reader):
                answer = await self._answer(request)
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower():
                    break
        except (_Cut, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone, or is meant to think that we are
        except (ValueError, OSError) as error:
            self.errors.append(error)
        finally:
            del self._connections[task]
            writer.transport.abort()

    async def _answer(self, request: Request) -> bytes:
        recording, call = self.recording, identify(request)
        hit = recording.arrive(call)
        if recording.down:
            return http_error(call.service, ErrorAnswer(503, "ServiceUnavailable", "injected"))
        if not hit or recording.fault is None:
            return await self._forward(request)
        if isinstance(recording.fault, Hold):
            recording.fault.reached.set()
            await asyncio.to_thread(recording.fault.released.wait)
            return await self._forward(request)
        return await self._strike(recording, recording.fault, request, call.service)

    async def _strike(self, recording: Recording, fault: Fault, request: Request, service: str) -> bytes:
        if fault is Fault.THROTTLE:
            return http_error(service, throttled(service))
        if fault is Fault.ERROR_500:
            return http_error(service, ErrorAnswer(500, "InternalFailure", "injected"))
        if fault is Fault.ERROR_503:
            return http_error(service, ErrorAnswer(503, "ServiceUnavailable", "injected"))
        if fault is Fault.DELAY:
            await asyncio.sleep(DELAY_S)
            return await self._forward(request)
        if fault is Fault.OUTAGE:
            recording.down = True
        if fault not in (Fault.DROP_BEFORE, Fault.KILL_BEFORE):
            await self._forward(request)
        if fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            while recording.pid is None:  # who started it has not said so yet
                await asyncio.sleep(0.005)
            os.kill(recording.pid, signal.SIGKILL)
        raise _Cut

    async def _forward(self, request: Request) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        try:
            lines = [f"{request.method} {request.target} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in request.headers.items() if name != "connection"]
            writer.write("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + request.body)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        if not answer:
            raise OSError(f"the AWS behind the proxy does not answer {request.method} {request.target}")
        return answer


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)

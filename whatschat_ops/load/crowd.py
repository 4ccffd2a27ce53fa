"""The sockets of a load test: opened at a rate, received from, closed with 1000 at the end.

Each socket has a number, 0 to N - 1, and belongs to a user. What it receives goes to `received`; opened, refused and cut
sockets are counted here. A socket that is refused or cut is not opened again: that is a result.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from whatschat_ops.errors import AwsError
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.schedule import user_of
from whatschat_ops.measure.histogram import Histogram
from whatschat_ops.sockets.adapter import Socket

CLOSED_AT_ONCE: Final = 64
"""Each close invokes the `$disconnect` function."""
CLOSE_S: Final = 10.0
"""After it all that are left are closed at once. The closing handshake of each ends after 3 s (`sockets.client`)."""

ABANDON_AFTER_S: Final = 3.0


@dataclass(slots=True)
class Crowd:
    """`open_socket` connects as the user of that number; it raises AwsError when it is refused."""

    plan: LoadPlan
    open_socket: Callable[[int], Awaitable[Socket]]
    received: Callable[[int, str | bytes], None]
    stop: asyncio.Event
    clock: Callable[[], float] = time.perf_counter
    sockets: dict[int, Socket] = field(default_factory=dict)
    of_user: dict[int, set[int]] = field(default_factory=dict)
    handshake: Histogram = field(default_factory=Histogram)
    attempted: int = 0
    opened: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    not_closed: int = 0
    """The other side did not answer the close in time."""
    first_refusal: AwsError | None = None
    fault: BaseException | None = None
    """A failure of the test itself, which ends it."""
    _closing: bool = False
    _opening: set[asyncio.Task[None]] = field(default_factory=set)
    _receiving: set[asyncio.Task[None]] = field(default_factory=set)

    async def ramp(self) -> None:
        """Open all sockets, each at its time, and wait until every handshake has ended. Ctrl-C ends it early."""
        started_s = self.clock()
        for number in range(self.plan.sockets):
            await wait_until(started_s + number / self.plan.connect_rate_per_s, self.clock, self.stop)
            if self.stop.is_set():
                break
            self.attempted += 1
            self.start(self._open(number), self._opening)
        await self._opened()

    def start(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        """Run a task that belongs to the test: if it fails, the test ends."""
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, tasks))

    async def close(self) -> None:
        """Close every open socket with 1000."""
        self._closing = True
        at_once, paced_until_s = (
            asyncio.Semaphore(CLOSED_AT_ONCE),
            asyncio.get_running_loop().time() + CLOSE_S,
        )

        async def close_one(socket: Socket) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(paced_until_s):
                    await at_once.acquire()
            try:
                await socket.close(1000)
            finally:
                at_once.release()

        await asyncio.gather(*(close_one(socket) for socket in list(self.sockets.values())))
        if self._receiving:
            await asyncio.wait(self._receiving, timeout=ABANDON_AFTER_S)
        for task in (*self._receiving, *self._opening):
            task.cancel()

    async def _opened(self) -> None:
        """Wait until no handshake is open; after Ctrl-C, only briefly."""
        while self._opening and not self.stop.is_set():
            await asyncio.wait(self._opening, timeout=0.2)
        if self._opening:
            await asyncio.wait(self._opening, timeout=ABANDON_AFTER_S)
            for task in self._opening:
                task.cancel()

    async def _open(self, number: int) -> None:
        user = user_of(number, self.plan)
        started_s = self.clock()
        try:
            socket = await self.open_socket(user)
        except AwsError as error:
            self.refused[error.aws_code or error.code] += 1
            self.first_refusal = self.first_refusal or error
            return
        self.handshake.record(self.clock() - started_s)
        self.opened += 1
        self.sockets[number] = socket
        self.of_user.setdefault(user, set()).add(number)
        self.start(self._receive(number, socket), self._receiving)

    async def _receive(self, number: int, socket: Socket) -> None:
        try:
            while True:
                self.received(number, await socket.recv())
        except ConnectionClosed:
            del self.sockets[number]
            self.of_user[user_of(number, self.plan)].discard(number)
            if not self._closing:
                self.cut[str(socket.close_code or 1006)] += 1
            elif (socket.close_code or 1006) == 1006:
                self.not_closed += 1

    def _ended(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fault = self.fault or error
            self.stop.set()


async def wait_until(due_s: float, clock: Callable[[], float], stop: asyncio.Event) -> None:
    """Sleep until a moment of the clock, or until `stop`. Returns at once when it has passed."""
    while (left_s := due_s - clock()) > 0 and not stop.is_set():
        await asyncio.sleep(min(left_s, 0.2))

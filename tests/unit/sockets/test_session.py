"""A long conversation: keep-alive, replacement before the two-hour cut, reconnects. Time is ours."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close

from whatschat_ops.errors import PermissionDenied, Throttled, Unavailable
from whatschat_ops.sockets.events import Closed, Event, HelpRequested, NotSent, Opened, Received, Reconnecting
from whatschat_ops.sockets.session import PING, Clock, Session, SessionPolicy, SessionReport

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


class FakeTime:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def clock(self) -> Clock:
        return Clock(
            now=lambda: EPOCH,
            monotonic_s=lambda: self.now_s,
            sleep=self.sleep,
            uniform=lambda low, high: high,
        )

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.now_s, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await settle()
        self.now_s = end_s


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


class FakeSocket:
    """A socket whose other side is the test."""

    def __init__(self) -> None:
        self.sent: list[str | list[str]] = []
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, message: str | list[str]) -> None:
        if self.close_code is not None:
            raise self._closed()
        self.sent.append(message)

    async def recv(self) -> str | bytes:
        message = await self._incoming.get()
        if message is None:
            self._incoming.put_nowait(None)
            raise self._closed()
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.cut(code, reason)

    def arrive(self, message: str) -> None:
        self._incoming.put_nowait(message)

    def cut(self, code: int, reason: str = "") -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            self._incoming.put_nowait(None)

    def _closed(self) -> ConnectionClosed:
        return ConnectionClosedError(Close(self.close_code or 1006, self.close_reason or ""), None)


class World:
    """A session under test, with everything around it."""

    def __init__(self, **policy: Any) -> None:
        self.time = FakeTime()
        self.sockets: list[FakeSocket] = []
        self.refusals: list[Exception] = []
        self.events: list[Event] = []
        self.lines: asyncio.Queue[str | None] = asyncio.Queue()
        self.session = Session(
            self._open, self.lines, self.events.append, SessionPolicy(**policy), self.time.clock()
        )

    async def _open(self) -> FakeSocket:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    def of_type(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def play(scene: Callable[[World], Awaitable[None]], **policy: Any) -> tuple[World, SessionReport]:
    """Run a session while `scene` plays the rest of the world; the lines end when the scene does."""

    async def run() -> tuple[World, SessionReport]:
        world = World(**policy)
        task = asyncio.create_task(world.session.run())
        try:
            await settle()
            await scene(world)
            world.lines.put_nowait(None)
            await world.time.advance(world.session.policy.wait_s)
            return world, await asyncio.wait_for(task, 5)
        finally:
            task.cancel()

    return asyncio.run(run())


def test_lines_are_sent_as_they_are_and_messages_shown() -> None:
    async def scene(world: World) -> None:
        for line in ("hello", '{"type": "x"}', "", "  "):
            world.lines.put_nowait(line)
        world.sockets[0].arrive("welcome")
        await settle()

    world, report = play(scene)

    assert world.sockets[0].sent == ["hello", '{"type": "x"}']
    assert [event.body for event in world.of_type(Received)] == ["welcome"]
    assert (report.sent, report.received, report.not_sent) == (2, 1, 0)
    assert world.sockets[0].close_code == 1000
    assert world.of_type(Closed)[0].code == 1000


def test_answers_are_awaited_after_the_last_line() -> None:
    async def scene(world: World) -> None:
        world.lines.put_nowait(None)
        await world.time.advance(1.9)
        world.sockets[0].arrive("late")
        await settle()
        assert world.sockets[0].close_code is None

    _, report = play(scene, wait_s=2.0)

    assert report.received == 1


def test_commands_are_not_sent_as_messages() -> None:
    async def scene(world: World) -> None:
        for line in ("/help", "/ping", "/quit", "never"):
            world.lines.put_nowait(line)
        await settle()

    world, _ = play(scene)

    assert world.sockets[0].sent == [PING]
    assert world.of_type(HelpRequested)
    assert world.sockets[0].close_code == 1000


def test_a_message_that_is_too_large_is_not_sent_and_the_socket_stays_open() -> None:
    async def scene(world: World) -> None:
        world.lines.put_nowait("x" * (128 * 1024 + 1))
        world.lines.put_nowait("small")
        await settle()

    world, report = play(scene)

    assert world.sockets[0].sent == ["small"]
    assert "131,073 bytes" in world.of_type(NotSent)[0].reason
    assert report.not_sent == 1


def test_a_message_above_32_kb_is_sent_in_frames() -> None:
    async def scene(world: World) -> None:
        world.lines.put_nowait("x" * 70_000)
        await settle()

    world, _ = play(scene)

    (message,) = world.sockets[0].sent
    assert [len(frame) for frame in message] == [32_768, 32_768, 4_464]


def test_an_idle_session_pings_before_the_idle_timeout() -> None:
    async def scene(world: World) -> None:
        await world.time.advance(539)
        assert world.sockets[0].sent == []
        await world.time.advance(1)
        assert world.sockets[0].sent == [PING]
        world.sockets[0].arrive('{"type":"pong"}')
        world.sockets[0].arrive('{"type":"pong"}')
        await settle()
        await world.time.advance(540)

    world, report = play(scene)

    assert world.sockets[0].sent == [PING, PING]
    assert [event.keep_alive for event in world.of_type(Received)] == [True, False]
    assert (report.sent, report.received) == (0, 1)


def test_sending_postpones_the_keep_alive() -> None:
    async def scene(world: World) -> None:
        await world.time.advance(300)
        world.lines.put_nowait("hello")
        await world.time.advance(539)
        assert world.sockets[0].sent == ["hello"]
        await world.time.advance(1)
        assert world.sockets[0].sent == ["hello", PING]

    play(scene)


def test_an_old_socket_is_replaced_and_nothing_is_lost() -> None:
    async def scene(world: World) -> None:
        await world.time.advance(110 * 60 - 1)
        assert len(world.sockets) == 1
        await world.time.advance(1)
        old, new = world.sockets
        assert (old.close_code, new.close_code) == (1000, None)
        world.lines.put_nowait("on the new one")
        await settle()
        assert new.sent == ["on the new one"]

    world, _ = play(scene)

    assert [event.replacement for event in world.of_type(Opened)] == [False, True]
    assert len(world.of_type(Closed)) == 1  # only the end is shown as one


def test_messages_left_on_the_old_socket_are_still_shown() -> None:
    async def scene(world: World) -> None:
        await world.time.advance(110 * 60 - 1)
        opened = world.session.open_socket

        async def open_late() -> Any:
            world.sockets[0].arrive("in between")
            return await opened()

        world.session.open_socket = open_late
        await world.time.advance(1)

    world, _ = play(scene)

    assert [event.body for event in world.of_type(Received) if not event.keep_alive] == ["in between"]


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1009, 1011, 4000])
def test_a_lost_connection_is_reopened(code: int) -> None:
    async def scene(world: World) -> None:
        world.sockets[0].cut(code, "bye")
        await world.time.advance(0.5)
        world.lines.put_nowait("again")
        await settle()

    world, _ = play(scene)

    assert world.sockets[1].sent == ["again"]
    assert world.of_type(Closed)[0].code == code
    assert world.of_type(Closed)[0].meaning.startswith(f'{code}, "bye" (')
    assert [event.delay_s for event in world.of_type(Reconnecting)] == [0.5]


def test_a_line_typed_while_disconnected_is_sent_on_the_next_connection() -> None:
    async def scene(world: World) -> None:
        world.sockets[0].cut(1006)
        world.lines.put_nowait("kept")
        await world.time.advance(0.5)

    world, report = play(scene)

    assert world.sockets[1].sent == ["kept"]
    assert report.sent == 1


def test_reconnects_back_off_and_give_up() -> None:
    async def scene(world: World) -> None:
        world.refusals = [Unavailable("down")] * 4
        world.sockets[0].cut(1006)
        await world.time.advance(1000)

    async def run() -> None:
        with pytest.raises(Unavailable, match="down"):
            await _play_failing(scene, attempts=4, longest_backoff_s=2.0)

    asyncio.run(run())


async def _play_failing(scene: Callable[[World], Awaitable[None]], **policy: Any) -> None:
    world = World(**policy)
    task = asyncio.create_task(world.session.run())
    await settle()
    await scene(world)
    try:
        await asyncio.wait_for(task, 5)
    finally:
        delays = [event.delay_s for event in world.of_type(Reconnecting)]
        assert delays == [0.5, 1.0, 2.0, 2.0][: len(delays)]


def test_a_rejected_token_is_not_retried() -> None:
    async def scene(world: World) -> None:
        world.refusals = [PermissionDenied("expired")]
        world.sockets[0].cut(1006)
        await world.time.advance(0.5)

    async def run() -> None:
        with pytest.raises(PermissionDenied, match="expired"):
            await _play_failing(scene)

    asyncio.run(run())


def test_a_connection_lost_repeatedly_keeps_backing_off() -> None:
    async def scene(world: World) -> None:
        for delay_s in (0.5, 1.0, 2.0):
            world.sockets[-1].cut(1006)
            await world.time.advance(delay_s)
        await world.time.advance(60)  # stable: start over
        world.sockets[-1].cut(1006)
        await world.time.advance(0.5)

    world, _ = play(scene)

    assert [event.delay_s for event in world.of_type(Reconnecting)] == [0.5, 1.0, 2.0, 0.5]


def test_a_rejected_replacement_falls_back_to_reconnecting() -> None:
    async def scene(world: World) -> None:
        world.refusals = [Throttled("too many")]
        await world.time.advance(110 * 60)
        await world.time.advance(1)
        assert len(world.sockets) == 2

    world, _ = play(scene)

    assert [event.why for event in world.of_type(Reconnecting)] == ["too many"]


def test_a_normal_closure_by_the_server_ends_the_session() -> None:
    async def scene(world: World) -> None:
        world.sockets[0].cut(1000)
        await settle()

    world, _ = play(scene)

    assert len(world.sockets) == 1


def test_a_lost_connection_is_an_error_without_reconnecting() -> None:
    async def scene(world: World) -> None:
        world.sockets[0].cut(1001, "Going away")
        await settle()

    async def run() -> None:
        with pytest.raises(Unavailable, match=r'1001, "Going away" \(going away: 10 minutes'):
            await _play_failing(scene, reconnect=False)

    asyncio.run(run())


def test_the_socket_is_not_replaced_without_reconnecting() -> None:
    async def scene(world: World) -> None:
        await world.time.advance(115 * 60)

    world, _ = play(scene, reconnect=False)

    assert len(world.sockets) == 1


def test_interrupting_closes_the_socket() -> None:
    async def run() -> FakeSocket:
        world = World()
        task = asyncio.create_task(world.session.run())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return world.sockets[0]

    assert asyncio.run(run()).close_code == 1000


def test_the_keep_alive_ping_is_answered_by_the_default_function() -> None:
    assert json.loads(PING) == {"type": "ping"}

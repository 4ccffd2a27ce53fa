"""A whole load test against sockets in memory that lose, repeat, refuse and cut."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from tests.unit.load.load_reports import PLAN
from whatschat_ops.choices import Traffic
from whatschat_ops.errors import Throttled, UsageError
from whatschat_ops.load import crowd
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import LoadReport, unmatched_answers
from whatschat_ops.load.runner import LoadTest, Progress

QUICK = replace(
    PLAN, sockets=12, users=6, connect_rate_per_s=1000, interval_s=0.1, duration_s=0.55, drain_s=0.2
)


@dataclass
class Server:
    """Answers pings and passes messages on, as often as `copies` says (by the number of the message)."""

    copies: Callable[[int], int] = lambda _: 1
    sockets: dict[int, list[FakeSocket]] = field(default_factory=dict)
    refuse_from: int = 10_000
    opened: int = 0
    closed_with: list[int] = field(default_factory=list)
    with_ids: bool = True

    async def open(self, user: int) -> FakeSocket:
        await asyncio.sleep(0)
        if self.opened >= self.refuse_from:
            raise Throttled("too many new connections", aws_code="429")
        self.opened += 1
        made = FakeSocket(self)
        self.sockets.setdefault(user, []).append(made)
        return made

    def take(self, sender: FakeSocket, document: dict[str, Any]) -> None:
        if not self.with_ids:  # as the application's own functions answer
            sender.hear(1, {"type": "pong" if document["type"] == "ping" else "message:sent"})
            return
        times = self.copies(document["id"])
        if document["type"] == "ping":
            sender.hear(times, {"type": "pong", "id": document["id"]})
            return
        sender.hear(1, {"type": "message:sent", "id": document["id"]})
        for receiver in self.sockets[int(document["recipients"][0])]:
            receiver.hear(times, {"type": "message:received", "id": document["id"], "from": "x"})


class FakeSocket:
    """One end of a connection."""

    def __init__(self, server: Server) -> None:
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._server = server
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()

    def hear(self, times: int, document: dict[str, Any]) -> None:
        for _ in range(times):
            self._inbox.put_nowait(json.dumps(document))

    def cut(self, code: int) -> None:
        self.close_code = code
        self._inbox.put_nowait(None)

    async def send(self, message: str | list[str]) -> None:
        if self.close_code is not None:
            raise ConnectionClosedOK(None, None)
        self._server.take(self, json.loads(message if isinstance(message, str) else "".join(message)))

    async def recv(self) -> str | bytes:
        message = await self._inbox.get()
        if message is None:
            raise ConnectionClosedOK(None, None)
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._server.closed_with.append(code)
        self.cut(code)


def run(
    server: Server, plan: LoadPlan = QUICK, after: Callable[[asyncio.Event], None] | None = None
) -> LoadReport:
    async def test() -> LoadReport:
        stop = asyncio.Event()
        if after is not None:
            asyncio.get_running_loop().call_later(0.2, after, stop)
        return await LoadTest(plan, server.open, str, stop=stop, settle_s=0).run()

    return asyncio.run(test())


def test_all_messages_arrive_and_every_socket_is_closed() -> None:
    server = Server()
    report = run(server)
    assert (report.sockets.opened, report.handshake.count, report.sockets.refused) == (12, 12, {})
    assert report.ping.sent + report.message.sent == 66 == report.tool.send_delay.count
    assert report.ping.arrived == report.ping.expected == report.ping.sent
    # A user has two sockets, and each of them must get the message.
    assert report.message.arrived == report.message.expected == 2 * report.message.sent
    assert report.receipts == report.message.sent
    assert (report.ping.lost, report.message.lost, report.message.duplicates, report.strange) == (0, 0, 0, 0)
    assert (report.errors, report.sockets.cut, report.interrupted) == ({}, {}, False)
    assert server.closed_with == [1000] * 12
    assert report.sockets.not_closed == 0


def test_loss_and_duplicates_are_counted_to_the_message() -> None:
    def copies(number: int) -> int:
        return 0 if number % 5 == 0 else 3 if number % 7 == 0 else 1

    report = run(Server(copies=copies))
    numbers = range(1, report.ping.sent + report.message.sent + 1)
    lost = report.ping.lost + report.message.lost // 2
    repeated = report.ping.duplicates + report.message.duplicates // 2
    assert lost == sum(copies(number) == 0 for number in numbers)
    assert repeated == sum(2 for number in numbers if copies(number) == 3)


def test_handlers_that_return_no_id_lose_nothing_that_is_known() -> None:
    report = run(Server(with_ids=False))
    assert report.ping.unmatched == report.ping.sent
    assert report.message.unmatched == report.message.sent == report.receipts
    # Each message was expected at two sockets, and answered once.
    assert (report.ping.lost, report.message.lost) == (0, 0)
    assert (report.ping.arrived, report.message.arrived, report.strange) == (0, 0, 0)
    assert unmatched_answers(report) == "66 answers could not be matched: the handlers return no id"


def test_refused_and_cut_sockets_are_counted_by_their_code() -> None:
    server = Server(refuse_from=8)

    def cut_two(_: asyncio.Event) -> None:
        server.sockets[0][0].cut(1001)
        server.sockets[1][0].cut(1006)

    report = run(server, after=cut_two)
    assert (report.sockets.attempted, report.sockets.opened) == (12, 8)
    assert report.sockets.refused == {"429": 4}
    assert report.sockets.first_refusal == "too many new connections"
    assert report.sockets.cut == {"1001": 1, "1006": 1}
    assert len(server.closed_with) == 6
    assert sum(point.cut for point in report.timeline) == 2


def test_closes_that_are_not_answered_do_not_wait_for_each_other_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting: list[FakeSocket] = []

    async def closed_by_timeout(socket: FakeSocket, _code: int = 1000, _reason: str = "") -> None:
        waiting.append(socket)
        while len(waiting) < 12:  # all of them, though few are closed at once
            await asyncio.sleep(0.01)
        socket.cut(1006)

    monkeypatch.setattr(crowd, "CLOSED_AT_ONCE", 2)
    monkeypatch.setattr(crowd, "CLOSE_S", 0.05)
    monkeypatch.setattr(FakeSocket, "close", closed_by_timeout)
    report = run(Server())
    assert (report.sockets.opened, report.sockets.not_closed, report.sockets.cut) == (12, 12, {})


def test_stopped_test_reports_its_results_so_far() -> None:
    server = Server()
    report = run(server, replace(QUICK, duration_s=60), after=lambda stop: stop.set())
    assert report.interrupted
    assert 0 < report.ping.sent < 600
    assert report.ping.lost == report.message.lost == 0
    assert server.closed_with == [1000] * 12


def test_nothing_is_sent_when_no_socket_could_be_opened() -> None:
    report = run(Server(refuse_from=0))
    assert (report.sockets.opened, report.sockets.refused, report.steady_s) == (0, {"429": 12}, 0)
    assert report.ping.sent == report.message.sent == 0


def test_failure_of_this_program_ends_the_test_and_is_raised() -> None:
    async def cannot(_: int) -> FakeSocket:
        raise UsageError("The token has characters that cannot be sent in a subprotocol.")

    async def test() -> LoadReport:
        return await LoadTest(QUICK, cannot, str, stop=asyncio.Event(), settle_s=0).run()

    with pytest.raises(UsageError, match="token"):
        asyncio.run(test())


def test_errors_are_counted_by_code_and_by_message() -> None:
    class Failing(Server):
        def take(self, sender: FakeSocket, document: dict[str, Any]) -> None:
            if document["id"] % 2:
                sender.hear(
                    1, {"type": "error", "code": "internal_error", "message": "x", "id": document["id"]}
                )
            else:
                sender.hear(1, {"message": "Internal server error", "connectionId": "a", "requestId": "b"})

    report = run(Failing(), replace(QUICK, traffic=Traffic.PING))
    assert report.errors == {"internal_error": 33, "Internal server error": 33}
    assert report.ping.lost == 66


def test_progress_is_reported_every_second() -> None:
    seen: list[Progress] = []

    async def test() -> LoadReport:
        return await LoadTest(
            replace(QUICK, duration_s=2.2),
            Server().open,
            str,
            stop=asyncio.Event(),
            progress=seen.append,
            settle_s=0,
        ).run()

    report = asyncio.run(test())
    assert len(seen) >= 2
    assert seen[-1].point.open_sockets == 12
    assert sum(point.sent for point in report.timeline) == report.ping.sent + report.message.sent


class WaitedTime(selectors.SelectSelector):
    """Time that passes only while nothing is left to do, or while `busy`."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


def test_lateness_of_the_test_itself_is_measured_and_not_taken_for_latency_of_the_server() -> None:
    """Turns are due every 0.25 s. The first send keeps this process busy for 0.6 s: the next two are late."""
    time, server = WaitedTime(), Server()
    take = server.take

    def keep_busy_once(sender: FakeSocket, document: dict[str, Any]) -> None:
        take(sender, document)
        if time.now_s < 0.6:
            time.now_s = 0.6

    server.take = keep_busy_once  # type: ignore[method-assign]

    def loop_of_waited_time() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(time)
        loop.time = lambda: time.now_s  # type: ignore[method-assign]
        return loop

    async def test() -> LoadReport:
        clock = asyncio.get_running_loop().time
        return await LoadTest(plan, server.open, str, stop=asyncio.Event(), settle_s=0, clock=clock).run()

    plan = replace(QUICK, sockets=4, users=4, interval_s=1.0, duration_s=2.0, traffic=Traffic.PING)
    plan = replace(plan, connect_rate_per_s=1e9)
    with asyncio.Runner(loop_factory=loop_of_waited_time) as runner:
        report = runner.run(test())
    late = report.tool.send_delay
    assert (report.ping.sent, late.count) == (8, 8)
    assert late.max_ms == pytest.approx(350, rel=0.02)
    assert late.mean_ms == pytest.approx((350 + 100) / 8, rel=0.02)
    assert late.p50_ms == pytest.approx(0, abs=1)
    # Only the first pong had to wait for this process: the time of the others begins when they are sent.
    assert report.ping.latency.mean_ms == pytest.approx(600 / 8, rel=0.02)

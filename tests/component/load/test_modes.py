"""A whole load test in the modes `socketio` (a real server) and `simulated`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.component.sockets.socket_io_server import SocketIoServer, socket_io_server
from tests.unit.load.load_reports import PLAN
from whatschat_ops.choices import SocketMode, TokenVia, Traffic
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import LoadReport
from whatschat_ops.load.runner import LoadTest
from whatschat_ops.load.sockets import opener
from whatschat_ops.redaction import Secret

QUICK = replace(
    PLAN,
    sockets=6,
    users=3,
    connect_rate_per_s=1000,
    interval_s=0.1,
    duration_s=0.35,
    drain_s=30.0,
    traffic=Traffic.MIXED,
)


async def load(plan: LoadPlan) -> LoadReport:
    connect = opener(plan, lambda name: Secret(f"user:{name}"), lambda user: f"u{user}", TokenVia.HEADER)
    test = LoadTest(plan, connect, lambda user: f"u{user}", stop=asyncio.Event(), settle_s=0)
    return await test.run()


def over_socket_io(plan: LoadPlan, **options: Any) -> tuple[LoadReport, SocketIoServer]:
    async def run() -> tuple[LoadReport, SocketIoServer]:
        async with socket_io_server(**options) as server:
            return await load(replace(plan, mode=SocketMode.SOCKETIO, url=server.url)), server

    return asyncio.run(run())


def test_messages_and_pings_arrive_over_socket_io_without_receipts() -> None:
    report, server = over_socket_io(QUICK)
    assert (report.sockets.opened, report.sockets.cut, report.sockets.not_closed) == (6, {}, 0)
    assert report.ping.sent + report.message.sent + report.tool.skipped == 21
    assert report.ping.arrived == report.ping.sent
    # A user has two sockets, and each of them gets the message.
    assert report.message.arrived == 2 * report.message.sent
    assert (report.receipts, report.errors, report.ping.duplicates, report.strange) == (0, {}, 0, 0)
    assert {event for _, event, _ in server.heard} == {"call:ice-candidate"}


def test_events_that_the_server_does_not_pass_on_are_lost() -> None:
    report, _ = over_socket_io(replace(QUICK, drain_s=0.1), drop=lambda _: True)
    assert report.ping.lost == report.ping.sent > 0
    assert report.message.lost == report.message.expected > 0


def test_refused_tokens_are_counted() -> None:
    report, _ = over_socket_io(QUICK, refuse="unauthorized")
    assert (report.sockets.opened, report.sockets.refused) == (0, {"permission_denied": 6})


def test_a_simulated_load_test_loses_nothing() -> None:
    report = asyncio.run(load(replace(QUICK, mode=SocketMode.SIMULATED, url="simulated:")))
    assert report.plan.mode is SocketMode.SIMULATED
    assert report.ping.arrived == report.ping.sent > 0
    assert report.message.arrived == 2 * report.message.sent > 0
    assert report.receipts == report.message.sent

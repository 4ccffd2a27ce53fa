"""`ws compare`: a real Socket.IO server beside the simulation, which speaks as the built-in functions do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.component.sockets.socket_io_server import socket_io_server
from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.ws.compare import parse_path
from whatschat_ops.errors import PermissionDenied, UsageError
from whatschat_ops.load.comparison import ComparedKind, Comparison, Path, Scenario, compare
from whatschat_ops.load.kinds import KINDS, chosen
from whatschat_ops.load.sockets import connector
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.adapter import Socket

COMMON = [
    "call:incoming",
    "call:offer",
    "call:webrtc-answer",
    "call:ice-candidate",
    "call:answer",
    "call:reject",
]


def path(mode: SocketMode, url: str = "simulated:") -> Path:
    return Path(mode, url, connector(mode, url, lambda user: Secret(f"user:{user}")))


def compared(
    kinds: list[str] | None = None, drop: Callable[[str], bool] = lambda _: False, **options: Any
) -> Comparison:
    """Socket.IO as a, the simulation as b: two messages of each kind."""
    wanted = chosen(kinds or [])
    turns = 2 * sum(kind.fields is not None for kind in wanted)
    scenario = Scenario(("x", "y", "z"), wanted, 400.0, turns / 400, 30.0, settle_s=0)

    async def run() -> Comparison:
        async with socket_io_server(drop=drop, **options) as server:
            a = path(SocketMode.SOCKETIO, server.url)
            return await compare(a, path(SocketMode.SIMULATED), scenario, asyncio.Event())

    return asyncio.run(run())


def by_name(found: Comparison) -> dict[str, ComparedKind]:
    return {kind.kind: kind for kind in found.kinds}


def test_what_both_paths_know_is_sent_over_both() -> None:
    found = compared(COMMON)
    for kind in found.kinds:
        assert kind.a and kind.b and not kind.why
        assert (kind.a.sent, kind.a.arrived, kind.a.lost) == (2, 2, 0)
        assert (kind.b.sent, kind.b.arrived, kind.b.lost) == (2, 2, 0)
        assert kind.a.latency.count == kind.b.latency.count == 2
    assert (found.a.mode, found.b.mode) == (SocketMode.SOCKETIO, SocketMode.SIMULATED)
    assert (found.a.cut, found.a.errors, found.a.not_sent, found.interrupted) == ({}, {}, 0, False)
    assert found.a.handshake.count == found.users == 3


def test_a_kind_without_a_counterpart_is_measured_where_it_exists_and_listed() -> None:
    found = by_name(compared(["call:offer", "ping", "typing", "message:send", "message:typing"]))
    for name in ("ping", "typing", "message:send"):
        kind = found[name]
        assert kind.a is None
        assert kind.b is not None and kind.b.arrived == 2
        assert kind.why == KINDS[name].why != ""
    assert (found["message:typing"].a, found["message:typing"].b) == (None, None)
    assert "only the application knows" in found["message:typing"].why


def test_loss_is_of_the_kind_and_the_path_that_lost() -> None:
    wanted = chosen(["call:offer", "call:reject"])
    scenario = Scenario(("x", "y"), wanted, 400.0, 4 / 400, 0.2, settle_s=0)

    async def run() -> Comparison:
        async with socket_io_server(drop=lambda event: event == "call:offer") as server:
            a = path(SocketMode.SOCKETIO, server.url)
            return await compare(a, path(SocketMode.SIMULATED), scenario, asyncio.Event())

    found = by_name(asyncio.run(run()))
    offer = found["call:offer"]
    assert offer.a and offer.b
    assert (offer.a.lost, offer.a.loss_percent, offer.b.lost) == (2, 100.0, 0)


def test_a_path_that_refuses_the_users_is_named_and_nothing_is_left_open() -> None:
    with pytest.raises(PermissionDenied, match="unauthorized"):
        compared(COMMON, refuse="unauthorized")


def test_a_stop_ends_it_with_the_figures_so_far() -> None:
    async def run() -> Comparison:
        stop = asyncio.Event()
        stop.set()
        scenario = Scenario(("x", "y"), chosen(["ping"]), 1.0, 300.0, 30.0, settle_s=0)
        a, b = path(SocketMode.SIMULATED), path(SocketMode.SIMULATED)
        return await compare(a, b, scenario, stop)

    found = asyncio.run(run())
    assert found.interrupted
    assert found.kinds[0].a is None


def test_a_stop_while_sockets_are_opened_opens_no_more() -> None:
    async def run() -> Comparison:
        stop = asyncio.Event()
        a, b = path(SocketMode.SIMULATED), path(SocketMode.SIMULATED)
        connect = a.connect

        async def stopping(user: str) -> Socket:
            stop.set()
            return await connect(user)

        a.connect = stopping
        scenario = Scenario(("x", "y"), chosen(["ping"]), 1.0, 300.0, 30.0, settle_s=0)
        return await compare(a, b, scenario, stop)

    found = asyncio.run(run())
    assert (found.a.handshake.count, found.b.handshake.count, found.interrupted) == (1, 0, True)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("socketio=ws://localhost:3001", (SocketMode.SOCKETIO, "ws://localhost:3001")),
        ("apigateway", (SocketMode.APIGATEWAY, None)),
        ("apigateway=wss://a/b?c=d", (SocketMode.APIGATEWAY, "wss://a/b?c=d")),
        ("simulated", (SocketMode.SIMULATED, None)),
    ],
)
def test_a_path_is_a_mode_with_or_without_a_url(spec: str, expected: tuple[SocketMode, str | None]) -> None:
    assert parse_path(spec) == expected


@pytest.mark.parametrize("spec", ["", "native", "ws://localhost", "socketio=", "simulated=ws://localhost"])
def test_anything_else_is_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        parse_path(spec)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="call:offer"):
        chosen(["call:nothing"])

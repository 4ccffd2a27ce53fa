"""A load that this machine cannot take: nothing fails because of it, and memory is bounded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.component.local.gateway_api import lambda_route, websocket_api
from tests.component.local.gateway_functions import Event, answering
from tests.component.local.gateway_harness import asynchronous, serving
from whatschat_ops.local.gateway import gateway
from whatschat_ops.local.gateway.protocol import MAX_WAITING_BYTES
from whatschat_ops.local.gateway.turns import Turns

ECHO_API = websocket_api(lambda_route("$default", "default", has_route_response=True))
SOCKETS, MESSAGES = 10, 200


async def received(client: ClientConnection, count: int) -> list[str]:
    """The next messages."""
    return [str(await asyncio.wait_for(client.recv(), 60)) for _ in range(count)]


@pytest.mark.difference(
    "API Gateway",
    aws="each invocation gets an execution environment, up to the concurrency of the account",
    here="8 of a version at once; the others wait without a time-out, and of their sockets 16 KiB of messages are read",
)
@asynchronous
async def test_burst_far_over_capacity_is_answered_in_full_and_read_in_bounded_pieces() -> None:
    release, running = asyncio.Event(), 0

    async def held(event: Event) -> Any:
        nonlocal running
        running += 1
        await release.wait()
        running -= 1
        return {"statusCode": 200, "body": event["body"]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "BUSY_FROM_TASKS", 50)
        async with serving(ECHO_API, at_once=3, default=held) as harness:
            clients = [await harness.client() for _ in range(SOCKETS)]
            for number in range(MESSAGES):
                for client in clients:
                    await client.send(str(number))
            await harness.until(lambda: harness.gateway.is_busy)
            for _ in range(50):  # whatever else has arrived is read within these turns of the loop
                await asyncio.sleep(0)
            assert running == 3
            assert len(harness.gateway._tasks) <= 50 + SOCKETS + 3  # an invocation is a task, too
            release.set()
            for client in clients:
                assert sorted(map(int, await received(client, MESSAGES))) == list(range(MESSAGES))
            assert len(harness.executor.of("default")) == SOCKETS * MESSAGES


@pytest.mark.aws(
    "API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html: $disconnect is executed after the "
    "connection is closed"
)
@asynchronous
async def test_client_that_closes_is_answered_while_its_messages_wait_and_loses_none() -> None:
    release = asyncio.Event()
    api = websocket_api(lambda_route("$default", "default"), lambda_route("$disconnect", "disconnect"))
    async with serving(api, at_once=1, default=answering(when=release), disconnect=answering()) as harness:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway, "BUSY_FROM_TASKS", 1)
            client = await harness.client()
            for number in range(100):
                await client.send(str(number))
            await client.close(1000)
            assert (
                client.close_code == 1000
            )  # it is 1006 when the server did not close within websockets' 10 s
            await harness.until(lambda: harness.executor.of("disconnect"))
            assert len(harness.executor.of("default")) == 1
        release.set()
        await harness.until(lambda: len(harness.executor.of("default")) == 100)


@asynchronous
async def test_messages_that_wait_are_read_up_to_a_number_of_bytes() -> None:
    release = asyncio.Event()
    async with serving(ECHO_API, at_once=1, default=answering(when=release)) as harness:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway, "BUSY_FROM_TASKS", 1)
            client = await harness.client()
            (server_side,) = harness.gateway.connections
            protocol: Any = server_side.wire
            for _ in range(10):
                await client.send("x" * 10_000)
            await harness.until(lambda: not protocol._transport.is_reading())
            assert protocol._waiting_bytes <= MAX_WAITING_BYTES + 2 * 65_536  # what one read of a socket has
        release.set()
        await harness.until(lambda: len(harness.executor.of("default")) == 10)
        assert protocol._transport.is_reading()


@asynchronous
async def test_waiting_for_a_turn_is_no_part_of_the_integrations_time() -> None:
    release = asyncio.Event()
    route = lambda_route("$default", "default", has_route_response=True)
    assert route.integration is not None
    api = websocket_api(replace(route, integration=replace(route.integration, timeout_ms=50)))
    async with serving(
        api, at_once=1, default=answering({"statusCode": 200, "body": "done"}, when=release)
    ) as harness:
        client = await harness.client()
        await client.send("1")
        await client.send("2")
        await harness.until(lambda: len(harness.gateway.turns._waiting) == 1)
        assert "Internal server error" in (await received(client, 1))[0]
        await asyncio.sleep(0.1)  # longer than the integration's time
        release.set()
        assert await received(client, 1) == ["done"]


@asynchronous
async def test_handshake_whose_client_has_gone_while_it_waited_invokes_nothing() -> None:
    release = asyncio.Event()
    api = websocket_api(lambda_route("$connect", "connect"), lambda_route("$disconnect", "disconnect"))
    async with serving(api, at_once=1, connect=answering(when=release), disconnect=answering()) as harness:
        first = asyncio.create_task(harness.client())
        await harness.until(lambda: harness.executor.of("connect"))
        waiting = harness.gateway.turns._waiting
        gone = asyncio.create_task(connect(harness.url(), proxy=None).__aenter__())
        await harness.until(lambda: waiting)
        gone.cancel()
        await harness.until(lambda: not waiting)
        release.set()
        await first
        await harness.client()
        assert len(harness.executor.of("connect")) == 2


@asynchronous
async def test_function_with_reserved_concurrency_is_not_held_back() -> None:
    async with serving(ECHO_API, default=answering()) as harness:
        function = await harness.control_plane.function("arn:aws:lambda:us-east-1:123456789012:function:f")
        assert function is not None
        turns_ = Turns(1)
        reserved = replace(function, reserved_concurrency=5)
        async with asyncio.timeout(60):
            for _ in range(5):
                await turns_.take(reserved)
        await turns_.take(function)
        turns_.give_back(reserved)  # it has taken no turn
        other = asyncio.create_task(turns_.take(function))
        await harness.until(lambda: turns_._waiting)
        turns_.give_back(function)
        await other

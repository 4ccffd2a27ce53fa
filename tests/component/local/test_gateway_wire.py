"""The WebSocket protocol: limits, close codes, pings, invalid frames, idle and two-hour limits, `$disconnect`,
shutdown.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from tests.component.local.gateway_api import API_ID, DOMAIN_NAME, EPOCH_S, STAGE, lambda_route, websocket_api
from tests.component.local.gateway_functions import Event, answering, failing
from tests.component.local.gateway_harness import (
    FakeClock,
    FakeControlPlane,
    FakeExecutor,
    Harness,
    asgi_app,
    asynchronous,
    serving,
)
from whatschat_ops.local.gateway import Gateway, HttpProtocol, websocket_protocol

API = websocket_api(lambda_route("$default", "default"), lambda_route("$disconnect", "disconnect"))
KIB = 1024


@contextlib.asynccontextmanager
async def echoing(**options: Any) -> AsyncIterator[Harness]:
    """An API whose functions return at once."""
    async with serving(API, default=answering(), disconnect=answering(), **options) as harness:
        yield harness


async def close_of(client: ClientConnection) -> tuple[int, str]:
    """The close code and reason that the server sent to the client."""
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(client.recv(), 60)
    received = closed.value.rcvd
    return (received.code, received.reason) if received else (1006, "")


async def disconnect_of(harness: Harness) -> tuple[int, str]:
    """The code and reason in the only `$disconnect` event."""
    await harness.until(lambda: harness.executor.of("disconnect"))
    await harness.settled()
    (event,) = harness.executor.of("disconnect")
    context = event["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def swept(harness: Harness) -> None:
    """The gateway has closed what is to be closed now."""
    harness.gateway.sweep()
    await harness.settled()


async def send_frames(client: ClientConnection, *frames: Frame, mask: bool = True) -> None:
    """Frames that no correct client sends."""
    client.transport.write(b"".join(frame.serialize(mask=mask) for frame in frames))
    await asyncio.sleep(0)


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_frame_of_32_kib_is_accepted() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await client.send("x" * 32 * KIB)
        await harness.until(lambda: harness.executor.of("default"))
        assert len(harness.executor.of("default")[0]["body"]) == 32 * KIB


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_frame_beyond_32_kib_closes_with_1009() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await client.send("x" * (32 * KIB + 1))
        assert (await close_of(client))[0] == 1009
        assert (await disconnect_of(harness))[0] == 1009
        assert harness.executor.of("default") == []


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_very_large_frame_still_delivers_the_1009() -> None:
    async with echoing() as harness:
        client = await harness.client()
        with contextlib.suppress(ConnectionClosed):
            await client.send("x" * 4 * KIB * KIB)
        assert (await close_of(client))[0] == 1009


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_message_of_128_kib_in_frames_is_accepted() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await client.send(["x" * 32 * KIB] * 4)
        await harness.until(lambda: harness.executor.of("default"))
        assert len(harness.executor.of("default")[0]["body"]) == 128 * KIB


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_message_beyond_128_kib_closes_with_1009() -> None:
    async with echoing() as harness:
        client = await harness.client()
        with contextlib.suppress(ConnectionClosed):
            await client.send(["x" * 32 * KIB] * 4 + ["x"])
        assert (await close_of(client))[0] == 1009
        assert harness.executor.of("default") == []


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-binary-media-types.html")
@asynchronous
async def test_binary_message_closes_with_1003() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await client.send(b"bytes")
        assert (await close_of(client))[0] == 1003
        assert (await disconnect_of(harness))[0] == 1003
        assert harness.executor.of("default") == []


@pytest.mark.aws("RFC 6455")
@asynchronous
async def test_text_that_is_not_utf8_closes_with_1007() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await send_frames(client, Frame(Opcode.TEXT, b"\xff\xfe"))
        assert (await close_of(client))[0] == 1007


@pytest.mark.aws("RFC 6455")
@asynchronous
async def test_utf8_character_split_between_frames_is_put_together() -> None:
    async with echoing() as harness:
        client = await harness.client()
        euro = "€".encode()
        await send_frames(client, Frame(Opcode.TEXT, euro[:1], fin=False), Frame(Opcode.CONT, euro[1:]))
        await harness.until(lambda: harness.executor.of("default"))
        assert harness.executor.of("default")[0]["body"] == "€"


@pytest.mark.aws("RFC 6455")
@pytest.mark.parametrize(
    ("frame", "mask"),
    [
        (Frame(Opcode.TEXT, b"unmasked"), False),
        (Frame(Opcode.CONT, b"nothing to continue"), True),
    ],
)
@asynchronous
async def test_broken_frame_closes_with_1002(frame: Frame, mask: bool) -> None:
    async with echoing() as harness:
        client = await harness.client()
        await send_frames(client, frame, mask=mask)
        assert (await close_of(client))[0] == 1002
        assert (await disconnect_of(harness))[0] == 1002


async def answer_to(harness: Harness, *pieces: bytes) -> bytes:
    """The status line of the answer to bytes that are sent one after the other; empty if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    line = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    return line.strip()


@pytest.mark.difference(
    "API Gateway",
    aws="documents no limit on the time for a request's head",
    here="408 after 10 seconds, as AWS's load balancers answer after theirs",
)
@asynchronous
async def test_head_that_does_not_end_is_answered_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatschat_ops.local.gateway.http_protocol.HEAD_TIMEOUT_S", 0.05)
    async with echoing() as harness:
        assert await answer_to(harness, b"GET / HTTP/1.1\r\nHost: localhost\r\n") == (
            b"HTTP/1.1 408 Request Timeout"
        )
        assert await answer_to(harness) == b"", "a connection on which nothing is sent is closed"


@pytest.mark.difference(
    "API Gateway",
    aws="limits the request line and headers to 10,240 bytes",
    here="431 for more than 64 KB or 256 headers",
)
@pytest.mark.parametrize(
    "pieces",
    [
        [b"X: " + b"x" * 70_000 + b"\r\n\r\n"],
        [b"X: " + b"x" * 40_000, b"x" * 40_000],  # it does not end
        [b"X: y\r\n" * 300 + b"\r\n"],
        [b"X: y\r\n" * 20_000],
    ],
    ids=["one header", "endless header", "many headers", "endless headers"],
)
@asynchronous
async def test_head_over_the_limits_is_answered_431(pieces: list[bytes]) -> None:
    async with echoing() as harness:
        answered = await answer_to(harness, b"GET / HTTP/1.1\r\nHost: localhost\r\n", *pieces)
        assert answered == b"HTTP/1.1 431 Request Header Fields Too Large"


@asynchronous
async def test_target_over_the_limit_is_answered_431_and_an_invalid_request_400() -> None:
    async with echoing() as harness:
        target = b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n"
        assert (await answer_to(harness, target)).startswith(b"HTTP/1.1 431 ")
        assert (await answer_to(harness, b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


CLOSE_BY_CLIENT = Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True)


@pytest.mark.parametrize(
    ("rejected", "code"),
    [
        (Frame(Opcode.BINARY, b"x"), 1003),
        (Frame(Opcode.TEXT, b"\xff"), 1007),
        (Frame(Opcode.CONT, b"x"), 1002),
        (Frame(Opcode.TEXT, b"x", fin=False), 1002),
    ],
)
@asynchronous
async def test_close_of_the_client_in_the_same_segment_does_not_replace_ours(
    rejected: Frame, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with echoing() as harness:
        client = await harness.client()
        client.transport.write(rejected.serialize(mask=True) + CLOSE_BY_CLIENT)
        assert (await close_of(client))[0] == code
        assert (await disconnect_of(harness))[0] == code
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.difference(
    "API Gateway",
    aws="documents no limit on frames without content",
    here="closes with 1008 after 128 of them in one message",
)
@asynchronous
async def test_endless_empty_fragments_close_with_1008() -> None:
    async with echoing() as harness:
        client = await harness.client()
        first = Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True)
        client.transport.write(first + Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 200)
        assert await close_of(client) == (1008, "Too many empty frames")
        assert (await disconnect_of(harness))[0] == 1008
        assert harness.executor.of("default") == []


@asynchronous
async def test_empty_fragments_of_different_messages_do_not_add_up() -> None:
    async with echoing() as harness:
        client = await harness.client()
        parts = [Frame(Opcode.TEXT, b"x", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 100]
        message = b"".join(part.serialize(mask=True) for part in (*parts, Frame(Opcode.CONT, b"y")))
        client.transport.write(message * 3)
        await harness.until(lambda: len(harness.executor.of("default")) == 3)
        assert [event["body"] for event in harness.executor.of("default")] == ["xy"] * 3


@asynchronous
async def test_ping_of_a_client_with_a_full_buffer_disconnects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echoing() as harness:
        client = await harness.client()
        await asyncio.wait_for(await client.ping(), 60)
        monkeypatch.setattr("whatschat_ops.local.gateway.connection.SEND_BUFFER_LIMIT_BYTES", -1)
        client.transport.write(Frame(Opcode.PING, b"").serialize(mask=True))
        assert (await disconnect_of(harness))[0] == 1006


@pytest.mark.aws("RFC 6455")
@asynchronous
async def test_ping_is_answered_even_inside_a_fragmented_message() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await asyncio.wait_for(await client.ping(b"abc"), 60)
        await send_frames(
            client,
            Frame(Opcode.TEXT, b"a", fin=False),
            Frame(Opcode.PING, b"between"),
            Frame(Opcode.CONT, b"b"),
        )
        await harness.until(lambda: harness.executor.of("default"))
        assert harness.executor.of("default")[0]["body"] == "ab"


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
@pytest.mark.parametrize(("code", "reason"), [(4001, "bye"), (1000, ""), (3000, "é" * 60)])
@asynchronous
async def test_close_code_and_reason_of_the_client_reach_disconnect(code: int, reason: str) -> None:
    async with echoing() as harness:
        client = await harness.client()
        await client.close(code, reason)
        assert await disconnect_of(harness) == (code, reason)
        assert client.close_code == code


@pytest.mark.aws("RFC 6455")
@asynchronous
async def test_close_without_code_reaches_disconnect_as_1005() -> None:
    async with echoing() as harness:
        client = await harness.client()
        await send_frames(client, Frame(Opcode.CLOSE, b""))
        assert await disconnect_of(harness) == (1005, "Client-side close frame status not set")


@asynchronous
async def test_lost_tcp_connection_reaches_disconnect_as_1006() -> None:
    async with echoing() as harness:
        client = await harness.client()
        client.transport.abort()
        assert (await disconnect_of(harness))[0] == 1006
        assert len(harness.gateway.connections) == 0


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
@asynchronous
async def test_disconnect_event_has_the_keys_of_aws() -> None:
    async with echoing() as harness:
        client = await harness.client(user_agent_header="Agent/1")
        connection_id = harness.connection_id()
        harness.clock.now += 5
        await client.close(4001, "bye")
        await disconnect_of(harness)
    (event,) = harness.executor.of("disconnect")
    host = DOMAIN_NAME
    context = event.pop("requestContext")
    assert event == {
        "headers": {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""},
        "multiValueHeaders": {"Host": [host], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""]},
        "isBase64Encoded": False,
    }
    assert context["requestId"] == context.pop("extendedRequestId")
    del context["requestId"]
    assert context == {
        "routeKey": "$disconnect",
        "disconnectStatusCode": 4001,
        "eventType": "DISCONNECT",
        "requestTime": "23/Nov/2026:07:00:05 +0000",
        "messageDirection": "IN",
        "disconnectReason": "bye",
        "stage": STAGE,
        "connectedAt": int(EPOCH_S * 1000),
        "requestTimeEpoch": int((EPOCH_S + 5) * 1000),
        "identity": {"userAgent": "Agent/1", "sourceIp": "127.0.0.1"},
        "domainName": host,
        "connectionId": connection_id,
        "apiId": API_ID,
    }


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html")
@asynchronous
async def test_no_disconnect_route_calls_nothing() -> None:
    async with serving(websocket_api(lambda_route("$default", "default")), default=answering()) as harness:
        client = await harness.client()
        await client.close()
        await harness.until(lambda: not len(harness.gateway.connections))
        await harness.settled()
        assert harness.executor.events == []


@asynchronous
async def test_failing_disconnect_handler_affects_no_other_connection() -> None:
    async with serving(API, default=answering(), disconnect=failing) as harness:
        await (await harness.client()).close()
        await disconnect_of(harness)
        await harness.client()


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_ten_idle_minutes_close_with_1001_going_away() -> None:
    clock = FakeClock()
    async with echoing(clock=clock) as harness:
        client = await harness.client()
        clock.now += 599
        await swept(harness)
        assert len(harness.gateway.connections) == 1
        clock.now += 1
        assert await close_of(client) == (1001, "Going away")
        assert await disconnect_of(harness) == (1001, "Going away")


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="whether a ping counts as activity",
    here="it restarts the ten idle minutes",
)
@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@pytest.mark.parametrize("activity", ["message", "ping", "post"])
@asynchronous
async def test_activity_restarts_the_idle_time(activity: str) -> None:
    clock = FakeClock()
    async with echoing(clock=clock) as harness:
        client = await harness.client()
        clock.now += 500
        if activity == "message":
            await client.send("x")
            await harness.until(lambda: harness.executor.of("default"))
        elif activity == "ping":
            await asyncio.wait_for(await client.ping(), 60)
        else:
            await harness.manage("POST", harness.connection_id(), b"x")
            await client.recv()
        clock.now += 500
        await swept(harness)
        assert len(harness.gateway.connections) == 1
        clock.now += 100
        assert (await close_of(client))[0] == 1001


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_two_hours_close_even_a_busy_connection() -> None:
    clock = FakeClock()
    async with echoing(clock=clock) as harness:
        client = await harness.client()
        for _ in range(14):
            clock.now += 500
            await asyncio.wait_for(await client.ping(), 60)
            await swept(harness)
        assert len(harness.gateway.connections) == 1
        clock.now = EPOCH_S + 7200
        assert await close_of(client) == (1001, "Going away")


@asynchronous
async def test_client_that_ignores_the_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatschat_ops.local.gateway.protocol.CLOSE_TIMEOUT_S", 0.1)
    async with echoing() as harness:
        reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        writer.write(
            f"GET /_aws/execute-api/{API_ID}/{STAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 Switching Protocols")
        await harness.manage("DELETE", harness.connection_id())
        with contextlib.suppress(ConnectionResetError):
            assert (await asyncio.wait_for(reader.read(), 60))[2:4] == (1000).to_bytes(2)
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()


@asynchronous
async def test_frames_sent_before_the_handshake_is_answered_are_handled_after_it() -> None:
    api = websocket_api(lambda_route("$connect", "connect"), lambda_route("$default", "default"))
    accepted = asyncio.Event()
    async with serving(api, connect=answering(when=accepted), default=answering()) as harness:
        _, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        writer.write(
            f"GET /_aws/execute-api/{API_ID}/{STAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        await harness.until(lambda: harness.executor.of("connect"))
        writer.write(Frame(Opcode.TEXT, b"early").serialize(mask=True))
        for _ in range(50):  # it has been read
            await asyncio.sleep(0)
        accepted.set()
        await harness.until(lambda: harness.executor.of("default"))
        assert [name for name, _ in harness.executor.events] == ["connect", "default"]
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("seed", range(20))
@asynchronous
async def test_random_bytes_end_the_connection_and_nothing_else(seed: int) -> None:
    async with echoing() as harness:
        other = await harness.client()
        client = await harness.client()
        client.transport.write(b"\x81\xfe" + bytes([seed]) + Random(seed).randbytes(4096))
        client.transport.write_eof()
        await harness.until(lambda: harness.executor.of("disconnect"))
        await harness.until(lambda: len(harness.gateway.connections) == 1)
        await asyncio.wait_for(await other.ping(), 60)


@asynchronous
async def test_uvicorns_shutdown_closes_clients_and_runs_disconnect() -> None:
    executor = FakeExecutor()
    noticed = asyncio.Event()
    executor.handlers["disconnect"] = answering(when=noticed)
    gateway = Gateway(FakeControlPlane(API, executor), executor)
    config = uvicorn.Config(
        asgi_app(gateway),
        port=0,
        http=HttpProtocol,
        ws=websocket_protocol(gateway),
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    serving_task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = await connect(f"ws://127.0.0.1:{port}/_aws/execute-api/{API_ID}/{STAGE}", proxy=None)
    server.should_exit = True
    assert await close_of(client) == (1001, "Going away")
    await asyncio.wait_for(serving_task, 60)
    asyncio.get_running_loop().call_later(0.05, noticed.set)
    await gateway.close()
    (event,) = executor.of("disconnect")
    assert json.loads(json.dumps(event))["requestContext"]["disconnectStatusCode"] == 1001


@asynchronous
async def test_closing_gateway_refuses_new_clients_but_answers_disconnect_handlers() -> None:
    statuses: list[int] = []

    async def posting(event: Event) -> Any:
        statuses.append((await harness.manage("POST", event["requestContext"]["connectionId"], b"x"))[0])
        with pytest.raises(InvalidStatus) as refused:
            await harness.client()
        statuses.append(refused.value.response.status_code)
        return {"statusCode": 200}

    async with serving(API, disconnect=posting) as harness:
        await harness.client()
        await harness.gateway.close()
    assert statuses == [410, 503]

"""Messages: route selection, responses, failures, concurrency, throttling, the MESSAGE event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.component.local.gateway_api import STAGE, lambda_route, place_and_time, source_arn, websocket_api
from tests.component.local.gateway_functions import Event, answering, failing, returning_none, throttled
from tests.component.local.gateway_harness import FakeClock, Harness, asynchronous, serving
from whatschat_ops.local.interfaces import Stage, Throttle

DEFAULT_API = websocket_api(lambda_route("$default", "default"))


async def reply(client: ClientConnection) -> Any:
    """The next message, as JSON."""
    return json.loads(await asyncio.wait_for(client.recv(), 60))


async def silence(harness: Harness, client: ClientConnection) -> None:
    """Nothing was sent to the client: the next message is our own marker."""
    await harness.manage("POST", harness.connection_id(), b"marker")
    assert await asyncio.wait_for(client.recv(), 60) == "marker"


async def handled_in_silence(harness: Harness) -> None:
    """A message reaches its function, and the client gets no response."""
    client = await harness.client()
    await client.send("x")
    await harness.until(lambda: harness.executor.events)
    await harness.settled()
    await silence(harness, client)


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-routes.html")
@pytest.mark.parametrize(
    ("message", "function"),
    [
        ('{"type": "ping"}', "ping"),
        ('{"type": "message:send"}', "send"),
        ('{"type": "unknown"}', "default"),
        ('{"type": null}', "default"),
        ('{"type": 5}', "default"),
        ('{"other": "ping"}', "default"),
        ("not json", "default"),
        ("", "default"),
        ('"ping"', "default"),
        ('{"type": "$connect"}', "default"),
        ('{"type": "$disconnect"}', "default"),
        ("[" * 100_000, "default"),
    ],
)
@asynchronous
async def test_message_reaches_the_route_of_its_type_else_default(message: str, function: str) -> None:
    api = websocket_api(
        lambda_route("$connect", "connect"),
        lambda_route("$disconnect", "disconnect"),
        lambda_route("$default", "default"),
        lambda_route("ping", "ping"),
        lambda_route("message:send", "send"),
    )
    handlers = dict.fromkeys(("connect", "disconnect", "default", "ping", "send"), answering())
    async with serving(api, clock=None, at_once=64, **handlers) as harness:
        client = await harness.client()
        await client.send([message[i : i + 30_000] for i in range(0, len(message), 30_000)] or message)
        await harness.until(lambda: len(harness.executor.events) == 2)
        assert harness.executor.events[1][0] == function
        assert harness.executor.events[1][1]["body"] == message


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
@asynchronous
async def test_message_event_has_the_keys_of_aws() -> None:
    async with serving(DEFAULT_API, default=answering()) as harness:
        client = await harness.client(user_agent_header=None)
        harness.clock.now += 60
        await client.send("héllo")
        await harness.until(lambda: harness.executor.events)
        connection_id = harness.connection_id()
    (event,) = harness.executor.of("default")
    context = event.pop("requestContext")
    assert event == {"body": "héllo", "isBase64Encoded": False}
    assert context["requestId"] == context.pop("extendedRequestId")
    assert len({context.pop("requestId"), context.pop("messageId"), connection_id}) == 3
    assert context == {
        **place_and_time(connection_id, after_s=60),
        "routeKey": "$default",
        "eventType": "MESSAGE",
        "requestTime": "23/Nov/2026:07:01:00 +0000",
        "identity": {"sourceIp": "127.0.0.1"},
    }


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-routes.html")
@asynchronous
async def test_no_default_route_answers_forbidden_on_the_socket() -> None:
    async with serving(websocket_api(lambda_route("ping", "ping")), ping=answering()) as harness:
        client = await harness.client()
        await client.send('{"type": "pong"}')
        error = await reply(client)
        assert (error["message"], error["connectionId"]) == ("Forbidden", harness.connection_id())
        assert set(error) == {"message", "connectionId", "requestId"}


@pytest.mark.aws("recorded: github.com/dherault/serverless-offline/pull/1301")
@asynchronous
async def test_body_without_route_response_is_dropped() -> None:
    result = {"statusCode": 200, "body": "reply"}
    async with serving(DEFAULT_API, default=answering(result)) as harness:
        await handled_in_silence(harness)


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-selection-expressions.html")
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"statusCode": 200, "body": "reply"}, "reply"),
        ({"statusCode": 500, "body": "bad"}, "bad"),
        ({"statusCode": 200, "body": "cmVwbHk=", "isBase64Encoded": True}, "reply"),
    ],
)
@asynchronous
async def test_body_with_route_response_reaches_the_client(result: Any, expected: str) -> None:
    api = websocket_api(lambda_route("$default", "default", has_route_response=True))
    async with serving(api, default=answering(result)) as harness:
        client = await harness.client()
        await client.send("x")
        assert await asyncio.wait_for(client.recv(), 60) == expected


@asynchronous
async def test_route_response_without_body_sends_nothing() -> None:
    api = websocket_api(lambda_route("$default", "default", has_route_response=True))
    async with serving(api, default=answering()) as harness:
        await handled_in_silence(harness)


@pytest.mark.parametrize(
    "handler", [failing, returning_none, throttled, answering("text"), answering({"body": "x"})]
)
@asynchronous
async def test_failing_handler_answers_internal_server_error(handler: Any) -> None:
    async with serving(DEFAULT_API, default=handler) as harness:
        client = await harness.client()
        await client.send("x")
        error = await reply(client)
        assert error["message"] == "Internal server error"
        assert error["connectionId"] == harness.connection_id()
        (event,) = harness.executor.of("default")
        assert error["requestId"] == event["requestContext"]["requestId"]


@asynchronous
async def test_function_must_start_within_the_integration_timeout() -> None:
    api = websocket_api(lambda_route("$default", "default", timeout_ms=7_000))
    async with serving(api, default=answering()) as harness:
        await (await harness.client()).send("{}")
        await harness.until(lambda: harness.executor.of("default"))
        assert harness.executor.waits_s == [7.0]


@asynchronous
async def test_integration_timeout_answers_internal_server_error() -> None:
    api, late = websocket_api(lambda_route("$default", "default", timeout_ms=50)), asyncio.Event()
    async with serving(api, default=answering(when=late)) as harness:
        client = await harness.client()
        await client.send("x")
        assert (await reply(client))["message"] == "Internal server error"
        late.set()


@asynchronous
async def test_missing_permission_or_function_answers_internal_server_error() -> None:
    async with serving(DEFAULT_API, default=answering()) as harness:
        client = await harness.client()
        harness.control_plane.forbidden_sources.add(source_arn("$default"))
        await client.send("x")
        assert (await reply(client))["message"] == "Internal server error"
        harness.control_plane.forbidden_sources.clear()
        harness.control_plane.deleted.add("default")
        await client.send("x")
        assert (await reply(client))["message"] == "Internal server error"
        assert harness.executor.events == []


@asynchronous
async def test_broken_executor_answers_internal_server_error(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(event: Event) -> Any:
        raise OSError("no worker")

    async with serving(DEFAULT_API, default=broken) as harness:
        client = await harness.client()
        await client.send("x")
        assert (await reply(client))["message"] == "Internal server error"
    assert "no worker" in caplog.text


@asynchronous
async def test_two_messages_of_one_socket_run_in_parallel() -> None:
    api = websocket_api(lambda_route("$default", "default", has_route_response=True))
    both = asyncio.Barrier(2)

    async def meeting(event: Event) -> Any:
        await both.wait()
        return {"statusCode": 200, "body": event["body"]}

    async with serving(api, default=meeting) as harness:
        client = await harness.client()
        await client.send("a")
        await client.send("b")
        assert {await asyncio.wait_for(client.recv(), 60) for _ in range(2)} == {"a", "b"}


@pytest.mark.difference(
    "API Gateway",
    aws="no limit on messages in flight is documented",
    here="64 of one connection; the next begin when one has ended",
)
@asynchronous
async def test_a_socket_has_at_most_64_messages_in_flight_and_loses_none() -> None:
    most, running = 0, 0
    release = asyncio.Event()

    async def counting(event: Event) -> Any:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return {"statusCode": 200}

    async with serving(DEFAULT_API, default=counting) as harness:
        client = await harness.client()
        for number in range(500):
            await client.send(str(number))
        await harness.until(lambda: running >= 64)
        for _ in range(50):  # whatever else has arrived is read within these turns of the loop
            await asyncio.sleep(0)
        release.set()
        await harness.until(lambda: len(harness.executor.events) == 500)
        assert most == 64
        assert {event["body"] for event in harness.executor.of("default")} == {str(n) for n in range(500)}


@pytest.mark.aws("API Gateway developer guide, websocket-api-protect.html")
@asynchronous
async def test_messages_over_the_routes_limit_are_answered_too_many_requests() -> None:
    clock = FakeClock()
    stage = Stage(STAGE, route_throttles={"$default": Throttle(1, 1)})
    api = websocket_api(lambda_route("$default", "default"), stage=stage)
    async with serving(api, clock=clock, default=answering()) as harness:
        client = await harness.client()
        await client.send("1")
        await harness.until(lambda: harness.executor.events)
        await client.send("2")
        error = await reply(client)
        assert (error["message"], error["connectionId"]) == ("Too Many Requests", harness.connection_id())
        clock.now += 1
        await client.send("3")
        await harness.until(lambda: len(harness.executor.events) == 2)


@asynchronous
async def test_message_to_an_api_that_was_deleted_is_forbidden() -> None:
    async with serving(DEFAULT_API, default=answering()) as harness:
        client = await harness.client()
        harness.control_plane.apis.clear()
        await client.send("x")
        assert (await reply(client))["message"] == "Forbidden"

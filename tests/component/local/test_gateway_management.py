"""@connections: POST, GET, DELETE and every error, through boto3."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection

from tests.component.local.gateway_api import ACCOUNT, API_ID, REGION, STAGE, lambda_route, websocket_api
from tests.component.local.gateway_functions import answering
from tests.component.local.gateway_harness import Harness, asynchronous, serving
from whatschat_ops.local.gateway.connection import is_well_formed_id, new_id
from whatschat_ops.local.gateway.management import as_text
from whatschat_ops.local.interfaces import Denial

API = websocket_api(lambda_route("$disconnect", "disconnect"))
KIB = 1024


def management_client(harness: Harness) -> Any:
    """boto3's client for the stage."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=harness.management_url,
        region_name=REGION,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def called(call: Callable[..., Any], **parameters: Any) -> Any:
    """Call boto3 in a thread, since the gateway runs in ours."""
    return await asyncio.to_thread(call, **parameters)


async def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
    """Code and status of a rejected call."""
    with pytest.raises(ClientError) as refused:
        await called(call, **parameters)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.aws("API Gateway developer guide, apigateway-how-to-call-websocket-api-connections.html")
@asynchronous
async def test_post_reaches_the_client() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client = await harness.client()
        api = management_client(harness)
        await called(api.post_to_connection, ConnectionId=harness.connection_id(), Data=b'{"a": "\xc3\xa9"}')
        assert await client.recv() == '{"a": "é"}'
        await called(api.post_to_connection, ConnectionId=harness.connection_id(), Data=b"x" * 128 * KIB)
        assert await client.recv() == "x" * 128 * KIB


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
@asynchronous
async def test_get_returns_the_times_and_the_client() -> None:
    async with serving(API, disconnect=answering()) as harness:
        await harness.client(user_agent_header="Agent/1")
        harness.clock.now += 60
        await harness.manage("POST", harness.connection_id(), b"x")
        harness.clock.now += 60
        answer = await called(management_client(harness).get_connection, ConnectionId=harness.connection_id())
    assert answer["ConnectedAt"] == datetime(2026, 11, 23, 7, 0, 0, 500_000, UTC)
    assert answer["LastActiveAt"] == datetime(2026, 11, 23, 7, 1, 0, 500_000, UTC)
    assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "Agent/1"}


@pytest.mark.aws("API Gateway developer guide, apigateway-how-to-call-websocket-api-connections.html")
@asynchronous
async def test_delete_closes_the_client_and_runs_disconnect_once() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client = await harness.client()
        api, connection_id = management_client(harness), harness.connection_id()
        answer = await called(api.delete_connection, ConnectionId=connection_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        await asyncio.wait_for(client.wait_closed(), 60)
        assert client.close_code == 1000
        await harness.until(lambda: harness.executor.of("disconnect"))
        assert await error_of(api.delete_connection, ConnectionId=connection_id) == ("GoneException", 410)
        (event,) = harness.executor.of("disconnect")
        context = event["requestContext"]
        assert (context["disconnectStatusCode"], context["disconnectReason"]) == (
            1000,
            "Connection Closed Normally",
        )


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
@asynchronous
async def test_gone_unknown_and_foreign_connections_are_410() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client = await harness.client()
        connection_id = harness.connection_id()
        assert (await harness.manage("POST", connection_id, b"x", stage="other"))[0] == 410
        api = management_client(harness)
        unknown = await error_of(api.post_to_connection, ConnectionId=new_id(), Data=b"x")
        await client.close()
        await harness.until(lambda: not len(harness.gateway.connections))
        for method in ("POST", "GET", "DELETE"):
            status, headers, body = await harness.manage(method, connection_id)
            assert (status, headers["x-amzn-ErrorType"], body) == (410, "GoneException", b"")
    assert unknown == ("GoneException", 410)


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
@asynchronous
async def test_no_such_api_stage_or_method_is_403() -> None:
    async with serving(API, disconnect=answering()) as harness:
        await harness.client()
        connection_id = harness.connection_id()
        for options in ({"stage": "nowhere"}, {"api_id": "zzzzzzzzzz"}):
            status, headers, _ = await harness.manage("POST", connection_id, b"x", **options)
            assert (status, headers["x-amzn-ErrorType"]) == (403, "ForbiddenException")
        assert (await harness.manage("PUT", connection_id))[0] == 403
        assert harness.control_plane.authorized == []


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="what a malformed connection id is",
    here="one that is not base64 or shorter than 8 bytes: 400",
)
@pytest.mark.parametrize("connection_id", ["nope", "a b", "é", "R0oXAdfD0kwCH6w", "====", "AAAA"])
@asynchronous
async def test_malformed_id_is_400(connection_id: str) -> None:
    async with serving(API, disconnect=answering()) as harness:
        api = management_client(harness)
        refused = await error_of(api.post_to_connection, ConnectionId=connection_id, Data=b"x")
        assert refused == ("BadRequestException", 400)


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
@asynchronous
async def test_more_than_128_kib_is_413() -> None:
    async with serving(API, disconnect=answering()) as harness:
        await harness.client()
        status, headers, _ = await harness.manage("POST", harness.connection_id(), b"x" * (128 * KIB + 1))
        assert (status, headers["x-amzn-ErrorType"]) == (413, "PayloadTooLargeException")


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-control-access-iam.html")
@asynchronous
async def test_denied_caller_sees_the_denial_before_anything_else() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client = await harness.client()
        harness.control_plane.denial = Denial("AccessDeniedException", "User is not authorized")
        api = management_client(harness)
        connection_id = harness.connection_id()
        for refused in (
            await error_of(api.post_to_connection, ConnectionId=connection_id, Data=b"x"),
            await error_of(api.get_connection, ConnectionId=new_id()),
            await error_of(api.delete_connection, ConnectionId="malformed"),
        ):
            assert refused == ("AccessDeniedException", 403)
        harness.control_plane.denial = None
        await harness.manage("POST", connection_id, b"only this")
        assert await client.recv() == "only this"
        service, action, arn, request = harness.control_plane.authorized[0]
    assert (service, action) == ("execute-api", "execute-api:ManageConnections")
    assert arn == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{STAGE}/POST/@connections/{connection_id}"
    assert "AWS4-HMAC-SHA256" in (request.header("authorization") or "")


@asynchronous
async def test_data_that_is_not_utf8_arrives_with_replacement_characters() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client = await harness.client()
        await harness.manage("POST", harness.connection_id(), b"a\xffb")
        assert await client.recv() == "a�b"


@pytest.mark.difference(
    "API Gateway",
    aws="429 when the client's buffer is full; its size is not documented",
    here="429 when the client has 1 MB unread",
)
@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
@asynchronous
async def test_client_that_does_not_read_makes_posts_429_until_it_reads() -> None:
    async with serving(API, disconnect=answering()) as harness:
        client: ClientConnection = await harness.client(max_queue=1)
        connection_id = harness.connection_id()
        client.transport.pause_reading()
        status, accepted = 200, 0
        while status == 200 and accepted < 1000:
            status, headers, _ = await harness.manage("POST", connection_id, b"x" * 128 * KIB)
            accepted += status == 200
        assert (status, headers["x-amzn-ErrorType"]) == (429, "LimitExceededException")
        client.transport.resume_reading()
        for _ in range(accepted):
            assert len(await asyncio.wait_for(client.recv(), 60)) == 128 * KIB
        assert (await harness.manage("POST", connection_id, b"x"))[0] == 200


@pytest.mark.aws("API Gateway developer guide, limits.html")
@asynchronous
async def test_posts_beyond_the_accounts_burst_are_429() -> None:
    async with serving(API, disconnect=answering()) as harness:
        connection_id = new_id()
        statuses = [(await harness.manage("POST", connection_id))[0] for _ in range(5001)]
        assert statuses == [410] * 5000 + [429]
        harness.clock.now += 0.001
        assert (await harness.manage("POST", connection_id))[0] == 410


@given(st.binary())
def test_posted_data_is_always_sent_as_utf8(data: bytes) -> None:
    assert as_text(data).decode() == data.decode("utf-8", "replace")


@given(st.binary(min_size=8, max_size=30))
def test_any_base64_of_eight_bytes_can_be_an_id(data: bytes) -> None:
    assert is_well_formed_id(base64.urlsafe_b64encode(data).decode())


def test_new_ids_look_like_those_of_aws() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(made) == 16 and made.endswith("=") and is_well_formed_id(made) for made in ids)


def test_error_bodies_are_json_with_a_message() -> None:
    async def refused() -> bytes:
        async with serving(API, disconnect=answering()) as harness:
            return (await harness.manage("GET", "nope"))[2]

    assert json.loads(asyncio.run(refused())) == {"message": "Invalid connectionId: nope"}

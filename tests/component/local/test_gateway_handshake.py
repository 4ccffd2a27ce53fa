"""Opening handshakes: addresses, results of `$connect`, authorization, throttling, the CONNECT event."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.component.local.gateway_api import (
    API_ID,
    DOMAIN_NAME,
    STAGE,
    lambda_route,
    place_and_time,
    source_arn,
    websocket_api,
)
from tests.component.local.gateway_functions import Event, answering, failing, returning_none, throttled
from tests.component.local.gateway_harness import FakeClock, Harness, asynchronous, serving
from whatschat_ops.local.interfaces import Denial, HttpRequest, Integration, Mock, Route, Stage, Throttle

CONNECT_API = websocket_api(lambda_route("$connect", "connect"))
SOURCE_ARN = source_arn("$connect")


async def refusal(harness: Harness, url: str | None = None, **options: Any) -> tuple[int, bytes, Any]:
    """The response to a rejected handshake."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url or harness.url(), proxy=None, **options)
    response = refused.value.response
    return response.status_code, bytes(response.body or b""), response.headers


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html")
@asynchronous
async def test_connect_returns_200_opens_the_connection() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        client = await harness.client()
        assert re.fullmatch(r"[\w-]{15}=", harness.connection_id())
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.parametrize("status", [200, 204, 299, "200"])
@asynchronous
async def test_connect_returns_any_2xx_opens_the_connection(status: Any) -> None:
    async with serving(CONNECT_API, connect=answering({"statusCode": status})) as harness:
        await harness.client()
        assert len(harness.gateway.connections) == 1


@pytest.mark.aws("recorded: github.com/dherault/serverless-offline/pull/1301")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"message": "Unauthorized"}'),
        (403, b'{"message": "Forbidden"}'),
        (404, b'{"message": "Not Found"}'),
        (500, b'{"message": "Internal server error"}'),
        (302, b'{"message": "Found"}'),
        (599, b'{"message": "Internal server error"}'),
    ],
)
@asynchronous
async def test_connect_returns_no_2xx_client_sees_that_status(status: int, body: bytes) -> None:
    async with serving(CONNECT_API, connect=answering({"statusCode": status, "body": "mine"})) as harness:
        seen, seen_body, headers = await refusal(harness)
        assert (seen, seen_body) == (status, body)
        assert headers["Content-Type"] == "application/json"
        assert headers["x-amzn-RequestId"]
        assert len(harness.gateway.connections) == 0


@pytest.mark.parametrize(
    "result",
    [
        "yes",
        7,
        [],
        {},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": "ok"},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
@asynchronous
async def test_connect_returns_something_malformed_answers_502(result: Any) -> None:
    async with serving(CONNECT_API, connect=answering(result)) as harness:
        status, body, _ = await refusal(harness)
        assert (status, body) == (502, b'{"message": "Internal server error"}')


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="a handshake whose function fails ends with a 5xx status",
    here="502",
)
@pytest.mark.parametrize("handler", [failing, returning_none])
@asynchronous
async def test_connect_raises_or_returns_none_answers_502(handler: Any) -> None:
    async with serving(CONNECT_API, connect=handler) as harness:
        assert (await refusal(harness))[0] == 502


@asynchronous
async def test_connect_takes_longer_than_the_integration_answers_502_and_runs_on() -> None:
    may_end, finished = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> Any:
        await may_end.wait()
        finished.set()

    api = websocket_api(lambda_route("$connect", "connect", timeout_ms=50))
    async with serving(api, connect=slow) as harness:
        assert (await refusal(harness))[0] == 502
        may_end.set()
        await asyncio.wait_for(finished.wait(), 60)


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="a handshake that cannot invoke its function ends with a 5xx status",
    here="500",
)
@asynchronous
async def test_connect_without_permission_function_or_capacity_answers_500() -> None:
    async with serving(CONNECT_API, connect=throttled) as harness:
        assert (await refusal(harness))[0] == 500
        harness.control_plane.deleted.add("connect")
        assert (await refusal(harness))[0] == 500
        harness.control_plane.forbidden_sources.add(SOURCE_ARN)
        assert (await refusal(harness))[0] == 500
        assert len(harness.executor.events) == 1


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html")
@asynchronous
async def test_no_connect_route_opens_without_calling_the_default_route() -> None:
    async with serving(websocket_api(lambda_route("$default", "default")), default=answering()) as harness:
        await harness.client()
        assert harness.executor.events == []


@asynchronous
async def test_mock_connect_route_opens() -> None:
    mock = Mock({"$default": '{"statusCode": 200}'})
    route = Route("$connect", Integration("i", "MOCK", None, 29_000, mock=mock))
    async with serving(websocket_api(route)) as harness:
        await harness.client()


@asynchronous
async def test_connect_integration_that_is_no_lambda_answers_500() -> None:
    route = Route("$connect", Integration("i", "HTTP_PROXY", None, 29_000))
    async with serving(websocket_api(route)) as harness:
        assert (await refusal(harness))[0] == 500


@pytest.mark.parametrize(
    "path",
    [
        f"/_aws/execute-api/{API_ID}/nowhere",
        f"/_aws/execute-api/zzzzzzzzzz/{STAGE}",
        f"/_aws/execute-api/{API_ID}/{STAGE}/more",
        f"/_aws/execute-api/{API_ID}",
        f"/{STAGE}",
        "/",
    ],
)
@asynchronous
async def test_url_of_no_stage_answers_403(path: str) -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        status, body, headers = await refusal(harness, f"ws://127.0.0.1:{harness.port}{path}")
        assert (status, body) == (403, b'{"message": "Forbidden"}')
        assert headers["x-amzn-ErrorType"] == "ForbiddenException"
        assert harness.executor.events == []


@asynchronous
async def test_host_of_an_api_reaches_its_stage() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        host = f"{API_ID}.execute-api.localhost"
        url = f"ws://{host}:{harness.port}/{STAGE}"
        async with connect(url, proxy=None, host="127.0.0.1", port=harness.port):
            (event,) = harness.executor.of("connect")
            assert event["requestContext"]["domainName"] == DOMAIN_NAME
        status, _, _ = await refusal(harness, f"{url}/extra", host="127.0.0.1", port=harness.port)
        assert status == 403


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="the quota is documented, not the status",
    here="a URL over 4,096 characters is rejected with 403",
)
@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_url_beyond_4096_characters_is_refused() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        path_length = len(f"/_aws/execute-api/{API_ID}/{STAGE}?t=")
        await harness.client("?t=" + "x" * (4096 - path_length))
        assert (await refusal(harness, harness.url(query="?t=" + "x" * (4097 - path_length))))[0] == 403
        assert (await refusal(harness, harness.url(query="?t=" + "x" * 20_000)))[0] == 403


@pytest.mark.aws("API Gateway developer guide, websocket-connect-route-subprotocol.html")
@asynchronous
async def test_subprotocol_is_echoed_only_if_the_function_returns_it() -> None:
    async def choosing(event: Event) -> Any:
        offered = event["headers"]["Sec-WebSocket-Protocol"]
        chosen = {"sec-websocket-protocol": "chat"} if "silent" not in offered else {}
        return {"statusCode": 200, "headers": {**chosen, "X-Other": "1"}}

    async with serving(CONNECT_API, connect=choosing) as harness:
        client = await harness.client(subprotocols=[Subprotocol("chat"), Subprotocol("v2")])
        assert client.subprotocol == "chat"
        assert client.response is not None
        assert "X-Other" not in client.response.headers
        silent = await harness.client(subprotocols=[Subprotocol("silent")])
        assert silent.subprotocol is None


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
@asynchronous
async def test_connect_event_has_the_keys_and_header_case_of_aws() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        await harness.client(
            "?token=a%20b&token=c&empty=",
            additional_headers={"Authorization": "Bearer x", "X-CamelCase": "1"},
            user_agent_header="Agent/1",
        )
        (event,) = harness.executor.of("connect")
        connection_id = harness.connection_id()
    host = f"127.0.0.1:{harness.port}"
    assert list(event) == [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "requestContext",
        "isBase64Encoded",
    ]
    assert event["queryStringParameters"] == {"token": "c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"token": ["a b", "c"], "empty": [""]}
    headers = event["headers"]
    assert set(headers) == {
        "Host",
        "Authorization",
        "X-CamelCase",
        "User-Agent",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    }
    assert (headers["Host"], headers["Authorization"]) == (host, "Bearer x")
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Port"]) == ("127.0.0.1", str(harness.port))
    assert re.fullmatch(r"Root=1-6b03e470-[0-9a-f]{24}", headers["X-Amzn-Trace-Id"])
    assert event["multiValueHeaders"] == {name: [value] for name, value in headers.items()}
    context = event["requestContext"]
    assert context["extendedRequestId"] == context["requestId"]
    assert len(base64.urlsafe_b64decode(context.pop("requestId"))) == 11
    del context["extendedRequestId"]
    assert context == {
        **place_and_time(connection_id),
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "requestTime": "23/Nov/2026:07:00:00 +0000",
        "identity": {"userAgent": "Agent/1", "sourceIp": "127.0.0.1"},
    }
    assert event["isBase64Encoded"] is False


@asynchronous
async def test_handshake_without_query_or_user_agent_leaves_their_keys_out() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        await harness.client(user_agent_header=None)
        (event,) = harness.executor.of("connect")
    assert "queryStringParameters" not in event
    assert "multiValueQueryStringParameters" not in event
    assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}


@asynchronous
async def test_forwarded_headers_of_the_client_do_not_replace_the_gateways() -> None:
    async with serving(CONNECT_API, connect=answering()) as harness:
        await harness.client(
            additional_headers={"x-forwarded-for": "10.0.0.1", "X-Forwarded-Proto": "gopher"}
        )
        (event,) = harness.executor.of("connect")
    assert event["headers"]["X-Forwarded-For"] == "10.0.0.1, 127.0.0.1"
    assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-control-access-iam.html")
@asynchronous
async def test_iam_route_asks_for_invoke_on_the_route_and_refuses_with_403() -> None:
    api = websocket_api(lambda_route("$connect", "connect", authorization_type="AWS_IAM"))
    async with serving(api, connect=answering()) as harness:
        harness.control_plane.denial = Denial("AccessDeniedException", "not you")
        status, body, _ = await refusal(harness, harness.url(query="?X-Amz-Signature=1"))
        assert (status, body) == (403, b'{"message": "not you"}')
        assert harness.executor.events == []
        harness.control_plane.denial = None
        await harness.client()
    service, action, arn, request = harness.control_plane.authorized[0]
    assert (service, action, arn) == ("execute-api", "execute-api:Invoke", SOURCE_ARN)
    assert (request.method, request.query_string) == ("GET", "X-Amz-Signature=1")
    assert request.raw_path == f"/_aws/execute-api/{API_ID}/{STAGE}"
    assert request.header("host") == f"127.0.0.1:{harness.port}"


@pytest.mark.aws("API Gateway developer guide, websocket-api-protect.html")
@asynchronous
async def test_handshakes_over_the_stages_burst_answer_429() -> None:
    clock = FakeClock()
    api = websocket_api(lambda_route("$connect", "connect"), stage=Stage(STAGE, throttle=Throttle(1, 2)))
    async with serving(api, clock=clock, connect=answering()) as harness:
        await harness.client()
        await harness.client()
        status, body, _ = await refusal(harness)
        assert (status, body) == (429, b'{"message": "Too Many Requests"}')
        clock.now += 1
        await harness.client()


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@asynchronous
async def test_500_new_connections_at_once_are_the_accounts_limit() -> None:
    async with serving(websocket_api()) as harness:
        plane = harness.gateway._plane
        assert all(plane.throttles.admit_connection(harness.clock.now) for _ in range(500))
        assert (await refusal(harness))[0] == 429


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html")
@asynchronous
async def test_connection_cannot_be_posted_to_before_connect_has_returned() -> None:
    statuses: list[int] = []

    async def posting(event: Event) -> Any:
        connection_id = event["requestContext"]["connectionId"]
        statuses.append((await running[0].manage("POST", connection_id, b"hi"))[0])
        return {"statusCode": 200}

    running: list[Harness] = []
    async with serving(CONNECT_API, connect=posting) as harness:
        running.append(harness)
        await harness.client()
        statuses.append((await harness.manage("POST", harness.connection_id(), b"hi"))[0])
    assert statuses == [410, 200]


@asynchronous
async def test_broken_control_plane_answers_500(caplog: pytest.LogCaptureFixture) -> None:
    api = websocket_api(lambda_route("$connect", "connect", authorization_type="AWS_IAM"))
    async with serving(api, connect=answering()) as harness:

        def broken(request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
            raise RuntimeError("no IAM")

        harness.control_plane.authorize = broken  # type: ignore[method-assign]
        assert (await refusal(harness))[0] == 500
    assert "no IAM" in caplog.text


@pytest.mark.parametrize("missing", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
@asynchronous
async def test_broken_handshake_answers_400(missing: str) -> None:
    headers = {
        "Host": "localhost",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    del headers[missing]
    async with serving(CONNECT_API, connect=answering()) as harness:
        reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        lines = [f"GET /_aws/execute-api/{API_ID}/{STAGE} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert harness.executor.events == []


@asynchronous
async def test_client_that_disconnects_during_connect_gets_its_disconnect_with_1006() -> None:
    api = websocket_api(lambda_route("$connect", "connect"), lambda_route("$disconnect", "disconnect"))
    accepted = asyncio.Event()
    async with serving(api, connect=answering(when=accepted), disconnect=answering()) as harness:
        opening = asyncio.ensure_future(connect(harness.url(), proxy=None))
        await harness.until(lambda: harness.executor.of("connect"))
        opening.cancel()
        await asyncio.wait({opening})
        for _ in range(50):  # the end of the connection has arrived
            await asyncio.sleep(0)
        accepted.set()
        await harness.until(lambda: harness.executor.of("disconnect"))
        (event,) = harness.executor.of("disconnect")
        assert event["requestContext"]["disconnectStatusCode"] == 1006
        assert len(harness.gateway.connections) == 0

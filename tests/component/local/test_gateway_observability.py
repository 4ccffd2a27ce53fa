"""Access logs and the metrics of AWS/ApiGateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.component.local.gateway_api import API_ID, STAGE, lambda_route, websocket_api
from tests.component.local.gateway_functions import Event, answering, failing
from tests.component.local.gateway_harness import (
    FakeControlPlane,
    FakeExecutor,
    Harness,
    asynchronous,
    serving,
)
from whatschat_ops.local.gateway.access_log import render
from whatschat_ops.local.gateway.metrics import MAX_LATENCY_SAMPLES, Metrics
from whatschat_ops.local.interfaces import Stage, Throttle

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/apigateway/websocket"
NAMES = (
    "requestId", "extendedRequestId", "apiId", "stage", "routeKey", "eventType", "connectionId", "connectedAt",
    "messageId", "domainName", "requestTime", "requestTimeEpoch", "status", "identity.sourceIp",
    "identity.userAgent", "error.message", "error.messageString", "error.responseType", "integrationLatency",
    "integration.status", "integration.integrationStatus", "integration.latency", "integration.requestId",
    "integration.error", "authorizer.principalId", "httpMethod", "identity",
)  # fmt: skip
LOG_FORMAT = "|".join(f"{name}=$context.{name}" for name in NAMES)
LOGGING_STAGE = Stage(
    STAGE,
    throttle=Throttle(1000, 1000),
    access_log_group_arn=f"{GROUP}:*",
    access_log_format=LOG_FORMAT,
)
ROUTES = (
    lambda_route("$connect", "connect"),
    lambda_route("$default", "default"),
    lambda_route("$disconnect", "disconnect"),
)


def lines(harness: Harness) -> list[dict[str, str]]:
    """The access log, each line as a mapping of its variables."""
    assert {group for group, _, _ in harness.control_plane.logs} <= {GROUP}
    return [dict(part.split("=", 1) for part in line.split("|")) for _, _, line in harness.control_plane.logs]


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
@asynchronous
async def test_connect_message_and_disconnect_are_logged() -> None:
    api = websocket_api(*ROUTES, stage=LOGGING_STAGE)
    async with serving(api, connect=answering(), default=failing, disconnect=answering()) as harness:
        client = await harness.client(user_agent_header="Agent/1")
        connection_id = harness.connection_id()
        await client.send("x")
        error = json.loads(await client.recv())
        await client.close()
        await harness.until(lambda: len(harness.control_plane.logs) == 3)
        connected, message, disconnected = lines(harness)
    assert [line["eventType"] for line in lines(harness)] == ["CONNECT", "MESSAGE", "DISCONNECT"]
    assert {line["connectionId"] for line in lines(harness)} == {connection_id}
    assert len({stream for _, stream, _ in harness.control_plane.logs}) == 1
    assert (connected["status"], connected["integration.status"]) == ("200", "200")
    assert (connected["messageId"], connected["authorizer.principalId"]) == ("-", "-")
    assert (connected["httpMethod"], connected["identity"]) == ("-", "-")
    assert (connected["identity.sourceIp"], connected["identity.userAgent"]) == ("127.0.0.1", "Agent/1")
    assert (connected["error.message"], connected["integration.error"]) == ("-", "-")
    assert (message["routeKey"], message["status"]) == ("$default", "500")
    assert message["requestId"] == message["extendedRequestId"] == error["requestId"]
    assert message["messageId"] != "-"
    assert message["error.message"] == "Internal server error"
    assert message["error.messageString"] == '"Internal server error"'
    assert message["error.responseType"] == "INTEGRATION_FAILURE"
    assert (message["integration.status"], message["integration.integrationStatus"]) == ("-", "200")
    assert message["integration.requestId"] == "c0ffee"
    assert message["integration.error"] == "Lambda execution failed"
    assert int(message["integrationLatency"]) == int(message["integration.latency"])
    assert (disconnected["routeKey"], disconnected["requestTime"]) == (
        "$disconnect",
        "23/Nov/2026:07:00:00 +0000",
    )


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
@asynchronous
async def test_refused_handshake_is_logged_with_the_status_the_client_saw() -> None:
    api = websocket_api(*ROUTES, stage=LOGGING_STAGE)
    async with serving(api, connect=answering({"statusCode": 401})) as harness:
        with pytest.raises(InvalidStatus):
            await connect(harness.url(), proxy=None)
        (line,) = lines(harness)
    assert (line["eventType"], line["status"], line["integration.status"]) == ("CONNECT", "401", "401")


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
@asynchronous
async def test_stage_without_access_log_writes_none() -> None:
    async with serving(websocket_api(*ROUTES), connect=answering(), disconnect=answering()) as harness:
        await (await harness.client()).close()
        await harness.until(lambda: harness.executor.of("disconnect"))
    assert harness.control_plane.logs == []


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
def test_format_is_rendered_with_text_around_its_variables() -> None:
    variables = {"requestId": "R=", "integration": {"status": 200}, "status": 200, "empty": ""}
    text = (
        '{"id":"$context.requestId", "s":$context.integration.status, "x":"$context.empty" $context.no.way}'
    )
    assert render(text, variables) == '{"id":"R=", "s":200, "x":"-" -}'


def metrics_by_name(harness: Harness, **dimensions: str) -> dict[str, float]:
    """The sums of the counts with those dimensions."""
    names = {name for name, *_ in harness.control_plane.metrics if name != "IntegrationLatency"}
    found = {name: harness.control_plane.metric(name, **dimensions) for name in names}
    return {name: value for name, value in found.items() if value}


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
@asynchronous
async def test_metrics_count_connections_messages_and_every_kind_of_error() -> None:
    async def handler(event: Event) -> Any:
        return {"statusCode": 500 if event["body"] == "bad" else 200, "body": "reply"}

    stage = Stage(STAGE, detailed_metrics=True, route_throttles={"limited": Throttle(0, 0)})
    api = websocket_api(
        lambda_route("$connect", "connect"),
        lambda_route("$default", "default", has_route_response=True),
        lambda_route("limited", "default"),
        lambda_route("gone", "gone"),
        stage=stage,
    )
    async with serving(api, connect=answering(), default=handler) as harness:
        harness.control_plane.deleted.add("gone")
        client = await harness.client()
        for message in ("good", "bad", '{"type": "limited"}', '{"type": "gone"}'):
            await client.send(message)
            await asyncio.wait_for(client.recv(), 60)
        await harness.manage("POST", harness.connection_id(), b"x")
        harness.gateway.flush_metrics()
    expected = {
        "ConnectCount": 1,
        "MessageCount": 9,
        "IntegrationError": 1,
        "ClientError": 1,
        "ExecutionError": 1,
    }
    assert metrics_by_name(harness, ApiId=API_ID) == expected
    assert metrics_by_name(harness, ApiId=API_ID, Stage=STAGE) == expected
    by_route = {"ApiId": API_ID, "Stage": STAGE}
    assert metrics_by_name(harness, **by_route, Route="$connect") == {"ConnectCount": 1}
    assert metrics_by_name(harness, **by_route, Route="$default") == {
        "MessageCount": 4,
        "IntegrationError": 1,
    }
    assert metrics_by_name(harness, **by_route, Route="limited") == {"MessageCount": 2, "ClientError": 1}
    latencies = [entry for entry in harness.control_plane.metrics if entry[0] == "IntegrationLatency"]
    assert {unit for _, _, unit, _ in latencies} == {"Milliseconds"}
    assert sum(by == {"ApiId": API_ID} for *_, by in latencies) == 4


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
@asynchronous
async def test_route_dimension_is_only_written_with_detailed_metrics() -> None:
    async with serving(websocket_api(*ROUTES), connect=answering(), disconnect=answering()) as harness:
        await harness.client()
        harness.gateway.flush_metrics()
    assert harness.control_plane.metrics
    assert not any("Route" in by for *_, by in harness.control_plane.metrics)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html"
)
@pytest.mark.parametrize(("of_stage", "of_route"), [(True, False), (False, True)])
def test_setting_of_a_route_replaces_that_of_the_stage(of_stage: bool, of_route: bool) -> None:
    control_plane = FakeControlPlane(websocket_api(), FakeExecutor())
    metrics = Metrics(control_plane)
    stage = Stage(STAGE, detailed_metrics=of_stage, route_metrics={"ping": of_route})
    for key in ("ping", "$default"):
        metrics.count("MessageCount", API_ID, stage, key)
    metrics.flush()
    routes = {by.get("Route") for *_, by in control_plane.metrics} - {None}
    assert routes == {"ping" if of_route else "$default"}


def test_flush_writes_once_and_a_bounded_number_of_latencies() -> None:
    control_plane = FakeControlPlane(websocket_api(), FakeExecutor())
    metrics, stage = Metrics(control_plane), Stage(STAGE)
    for latency_ms in range(1000):
        metrics.latency(float(latency_ms), API_ID, stage, "$default")
        metrics.count("MessageCount", API_ID, stage, "$default")
    metrics.flush()
    assert control_plane.metric("MessageCount", ApiId=API_ID) == 1000
    latencies = [value for name, value, _, by in control_plane.metrics if name == "IntegrationLatency"]
    assert len(latencies) == 2 * MAX_LATENCY_SAMPLES
    assert max(latencies) > 500 > min(latencies)
    control_plane.metrics.clear()
    metrics.flush()
    assert control_plane.metrics == []


@pytest.mark.aws(
    "API Gateway developer guide, apigateway-websocket-api-logging.html: metrics are sent every minute"
)
def test_metrics_are_those_of_the_minute_of_their_requests_whenever_they_are_flushed() -> None:
    now_s = [120.0]
    control_plane = FakeControlPlane(websocket_api(), FakeExecutor())
    metrics = Metrics(control_plane, lambda: now_s[0])
    for second in (120.0, 179.9, 180.0):
        now_s[0] = second
        metrics.count("MessageCount", API_ID, Stage(STAGE))
    now_s[0] = 600.0
    metrics.flush()
    found = zip(control_plane.metrics, control_plane.metric_times_s, strict=True)
    assert [(value, at_s) for (_, value, _, by), at_s in found if by == {"ApiId": API_ID}] == [
        (2, 120),
        (1, 180),
    ]

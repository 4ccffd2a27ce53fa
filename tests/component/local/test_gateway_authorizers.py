"""REQUEST (Lambda) authorizers of `$connect`, the caller of an IAM connection, and stage variables in events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.component.local.gateway_api import (
    ACCOUNT,
    API_ID,
    REGION,
    STAGE,
    function_arn,
    lambda_route,
    websocket_api,
)
from tests.component.local.gateway_functions import Event, HandlerRaised, answering
from tests.component.local.gateway_harness import Harness, asynchronous, serving
from whatschat_ops.local.interfaces import Authorizer, Stage, WebSocketApi

pytestmark = pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html"
)

AUTHORIZER = Authorizer("auth1", function_arn("authorizer"), 29_000, ("route.request.querystring.token",))
OUTPUT = {
    "principalId": "alice",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}],
    },
}


def api_with(authorizer: Authorizer = AUTHORIZER, stage: Stage | None = None) -> WebSocketApi:
    """An API with that authorizer; `$connect`, `$disconnect` and `$default` run the function `all`."""
    connect_route = replace(
        lambda_route("$connect", "all", authorization_type="CUSTOM"), authorizer=authorizer
    )
    return websocket_api(
        connect_route, lambda_route("$disconnect", "all"), lambda_route("$default", "all"), stage=stage
    )


def serving_with(output: Any, **options: Any) -> Any:
    return serving(api_with(**options), authorizer=answering(output), all=answering())


async def handshake(harness: Harness, query: str = "?token=t", **options: Any) -> tuple[int, bytes]:
    """Status and body of a handshake; 101 if it is accepted."""
    try:
        async with connect(harness.url(query=query), proxy=None, **options):
            return 101, b""
    except InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body or b"")


def context_of(event: Event) -> dict[str, Any]:
    context: dict[str, Any] = event["requestContext"]
    return context


@asynchronous
async def test_authorizer_gets_the_request_with_the_arn_of_the_route() -> None:
    stage = Stage(STAGE, variables={"name": "one"})
    async with serving_with(OUTPUT, stage=stage) as harness:
        assert await handshake(harness, additional_headers={"Auth": "secret"}) == (101, b"")
        event = harness.executor.events[0][1]
        assert (event["type"], event["methodArn"]) == (
            "REQUEST",
            f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{STAGE}/$connect",
        )
        assert event["headers"]["Auth"] == "secret"
        assert event["multiValueHeaders"]["Auth"] == ["secret"]
        assert event["queryStringParameters"] == {"token": "t"}
        assert event["stageVariables"] == {"name": "one"}
        context = context_of(event)
        assert (context["routeKey"], context["eventType"], context["stage"]) == (
            "$connect",
            "CONNECT",
            STAGE,
        )
        assert "authorizer" not in context


@pytest.mark.aws(
    "recorded: DataDog/datadog-lambda-python, tests/event_samples/authorizer-request-api-gateway-websocket-*.json"
)
@asynchronous
async def test_context_and_principal_are_in_later_events_as_text() -> None:
    output = {**OUTPUT, "context": {"name": "alice", "number": 1, "flag": True}}
    async with serving_with(output) as harness:
        client = await harness.client("?token=t")
        await client.send("hello")
        await harness.settled()
        await client.close()
        await harness.settled()
        connected, message, disconnected = (context_of(event) for event in harness.executor.of("all"))
        expected = {"name": "alice", "number": "1", "flag": "true", "principalId": "alice"}
        assert message["authorizer"] == disconnected["authorizer"] == expected
        assert isinstance(connected["authorizer"].pop("integrationLatency"), int)
        assert connected["authorizer"] == expected


@asynchronous
async def test_missing_identity_source_is_401_and_nothing_is_invoked() -> None:
    async with serving_with(OUTPUT) as harness:
        for query in ("", "?token=", "?other=t"):
            assert await handshake(harness, query) == (401, b'{"message": "Unauthorized"}')
        assert harness.executor.events == []


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("route.request.header.X-Token", 101),
        ("route.request.header.x-token", 101),
        ("route.request.header.X-Other", 401),
        ("stageVariables.name", 101),
        ("stageVariables.other", 401),
        ("context.identity.sourceIp", 101),
        ("context.stage", 101),
        ("context.nothing.there", 401),
    ],
)
@asynchronous
async def test_identity_sources_are_headers_queries_variables_and_context(source: str, status: int) -> None:
    authorizer = replace(AUTHORIZER, identity_sources=(source,))
    stage = Stage(STAGE, variables={"name": "one"})
    async with serving_with(OUTPUT, authorizer=authorizer, stage=stage) as harness:
        assert (await handshake(harness, additional_headers={"X-Token": "t"}))[0] == status


@asynchronous
async def test_authorizer_without_identity_sources_is_always_invoked() -> None:
    async with serving_with(OUTPUT, authorizer=replace(AUTHORIZER, identity_sources=())) as harness:
        assert (await handshake(harness, ""))[0] == 101
        assert len(harness.executor.of("authorizer")) == 1


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html"
)
@pytest.mark.parametrize(
    ("effect", "reason"),
    [("Deny", "with an explicit deny"), ("ImplicitDeny", "because no identity-based policy allows")],
)
@asynchronous
async def test_policy_that_does_not_allow_is_403_and_connect_is_not_invoked(effect: str, reason: str) -> None:
    output = {**OUTPUT, "policyDocument": {"Statement": [{"Effect": effect}]}}
    async with serving_with(output) as harness:
        status, body = await handshake(harness)
        assert status == 403
        assert reason in json.loads(body)["message"]
        assert harness.executor.of("all") == []


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html"
)
@pytest.mark.parametrize(
    "output",
    [
        None,
        "text",
        [],
        {},
        {"principalId": "alice"},
        {**OUTPUT, "policyDocument": "text"},
        {"policyDocument": OUTPUT["policyDocument"]},
        {**OUTPUT, "context": {"nested": {}}},
        {**OUTPUT, "context": {"list": []}},
        {**OUTPUT, "context": "text"},
        {**OUTPUT, "context": {"big": "x" * 8192}},
    ],
)
@asynchronous
async def test_malformed_answer_is_500(output: Any) -> None:
    async def returning(event: Event) -> Any:
        return output

    async with serving(api_with(), authorizer=returning, all=answering()) as harness:
        assert await handshake(harness) == (500, b'{"message": "Internal server error"}')
        assert harness.executor.of("all") == []


@pytest.mark.parametrize(("error", "status"), [("Unauthorized", 401), ("boom!", 500)])
@asynchronous
async def test_error_of_the_authorizer_is_500_and_unauthorized_401(error: str, status: int) -> None:
    async def failing(event: Event) -> Any:
        raise HandlerRaised(error)

    async with serving(api_with(), authorizer=failing, all=answering()) as harness:
        assert (await handshake(harness))[0] == status
        assert harness.executor.of("all") == []


@asynchronous
async def test_authorizer_that_may_not_be_invoked_or_does_not_exist_is_500() -> None:
    async with serving_with(OUTPUT) as harness:
        arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/authorizers/auth1"
        harness.control_plane.forbidden_sources.add(arn)
        assert (await handshake(harness))[0] == 500
        harness.control_plane.forbidden_sources.clear()
        harness.control_plane.deleted.add("authorizer")
        assert (await handshake(harness))[0] == 500
        assert harness.executor.events == []


@asynchronous
async def test_authorizer_with_a_role_is_invoked_with_it() -> None:
    async with serving_with(OUTPUT, authorizer=replace(AUTHORIZER, credentials_arn="role")) as harness:
        harness.control_plane.forbidden_sources.add("role")
        assert (await handshake(harness))[0] == 500


@asynchronous
async def test_custom_route_without_an_authorizer_is_500() -> None:
    api = websocket_api(lambda_route("$connect", "connect", authorization_type="CUSTOM"))
    async with serving(api, connect=answering()) as harness:
        assert (await handshake(harness))[0] == 500
        assert harness.executor.events == []


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"
)
@asynchronous
async def test_events_of_an_iam_connection_have_its_caller() -> None:
    api = websocket_api(
        lambda_route("$connect", "all", authorization_type="AWS_IAM"), lambda_route("$default", "all")
    )
    async with serving(api, all=answering()) as harness:
        client = await harness.client()
        await client.send("hello")
        await harness.settled()
        for event in harness.executor.of("all"):
            identity = context_of(event)["identity"]
            assert identity["userArn"] == "arn:aws:iam::123456789012:user/alice"
            assert identity["sourceIp"] == "127.0.0.1"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"
)
@asynchronous
async def test_every_event_has_the_variables_of_its_stage() -> None:
    routes = [lambda_route(key, "all") for key in ("$connect", "$default", "$disconnect")]
    api = websocket_api(*routes, stage=Stage(STAGE, variables={"name": "one"}))
    async with serving(api, all=answering()) as harness:
        client = await harness.client()
        await client.send("hello")
        await harness.settled()
        await client.close()
        await harness.settled()
        events = harness.executor.of("all")
        assert [event["stageVariables"] for event in events] == [{"name": "one"}] * 3

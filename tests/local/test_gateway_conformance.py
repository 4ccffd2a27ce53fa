"""The WebSocket gateway against AWS's behaviour, one test per known difference of other emulators.

The whole stack is used: the API is created with plain AWS calls, functions run from zips with the credentials of
their roles, IAM is enforced, clients are the `websockets` library and boto3. Only the ten idle minutes and the two
hours use a separate gateway, whose clock can be moved.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.component.local import gateway_harness
from tests.component.local.gateway_api import EPOCH_S, websocket_api
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.names import own
from whatschat_ops.local.gateway.connection import new_id

pytestmark = pytest.mark.local

NAME = own("gateway-conformance")
LOG_GROUP = f"/aws/apigateway/{NAME}"
STAGE = "production"
KIB = 1024
LOG_FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "eventType": "$context.eventType",
        "routeKey": "$context.routeKey",
        "connectionId": "$context.connectionId",
        "status": "$context.status",
        "integrationStatus": "$context.integration.status",
        "error": "$context.error.message",
        "unknown": "$context.httpMethod",
    }
)
BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
"""Writing logs."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
HANDLER = """
    import json, os, time
    import boto3

    def handler(event, context):
        print("EVENT " + json.dumps(event))
        request = event["requestContext"]
        if request["eventType"] == "CONNECT":
            return act((event.get("queryStringParameters") or {}).get("do", "ok"), event)
        if request["eventType"] == "MESSAGE":
            try:
                todo = json.loads(event["body"])["do"]
            except (ValueError, TypeError, KeyError):
                todo = "ok"
            return act(todo, event)
        return {"statusCode": 200}

    def act(todo, event):
        request = event["requestContext"]
        if todo == "raise":
            raise Exception("boom!")
        if todo == "exit":
            os._exit(1)
        if todo.startswith("meet "):  # until two are here
            place = todo.removeprefix("meet ")
            open(os.path.join(place, request["requestId"]), "x").close()
            while len(os.listdir(place)) < 2:
                time.sleep(0.01)
        if todo == "post":
            path = f"/_aws/execute-api/{request['apiId']}/{request['stage']}"
            local = os.environ.get("AWS_ENDPOINT_URL")  # AWS's own functions have none
            endpoint = local + path if local else f"https://{request['domainName']}/{request['stage']}"
            api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
            api.post_to_connection(ConnectionId=request["connectionId"], Data=json.dumps(event).encode())
        if todo.startswith("return "):
            return json.loads(todo.removeprefix("return "))
        return {"statusCode": 200, "body": "body of " + request["routeKey"]}
"""


@dataclass(frozen=True)
class DeployedApi:
    """A WebSocket API with routes to functions, on the embedded AWS."""

    aws: EmbeddedAws
    api_id: str
    role: str

    def url(self, stage: str = STAGE, **query: str) -> str:
        """The WebSocket URL of a stage."""
        joined = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        base = self.aws.stage_url(self.api_id, stage).replace("http", "ws", 1)
        return base + (f"?{joined}" if joined else "")

    @contextlib.contextmanager
    def client(
        self, stage: str = STAGE, *, query: dict[str, str] | None = None, **options: Any
    ) -> Iterator[ClientConnection]:
        """A connected client."""
        url = self.url(stage, **(query or {}))
        with connect(url, proxy=None, compression=None, ping_interval=None, **options) as client:
            yield client

    def refusal(self, url: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON body of a rejected handshake."""
        with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
            raise AssertionError("the handshake was accepted")
        response = refused.value.response
        return response.status_code, json.loads(response.body or b"{}")

    def management(self, stage: str = STAGE) -> Any:
        """The operator's @connections client."""
        return self.aws.client("apigatewaymanagementapi", self.aws.stage_url(self.api_id, stage))

    def events(self, event_type: str, connection_id: str) -> list[dict[str, Any]]:
        """What the function printed of its events."""
        found = log_messages(self.aws, f"/aws/lambda/{NAME}", connection_id)
        events = [json.loads(line.partition("EVENT ")[2]) for line in found if "EVENT {" in line]
        return [event for event in events if event["requestContext"]["eventType"] == event_type]


def log_messages(aws: EmbeddedAws, group: str, pattern: str) -> list[str]:
    """The messages of a log group that contain the pattern."""
    logs = aws.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        messages = [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [message for message in messages if pattern in message]


def create_function(
    aws: EmbeddedAws, name: str, role_arn: str, api_id: str, *, permitted: bool = True
) -> str:
    """A function that API Gateway may invoke; the URI of its integration."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", textwrap.dedent(HANDLER))
    created = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="app.handler",
        Role=role_arn,
        Code={"ZipFile": code.getvalue()},
        Timeout=10,
    )
    arn = created["FunctionArn"]
    if permitted:
        aws.client("lambda").add_permission(
            FunctionName=name,
            StatementId="gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{aws.region}:{aws.account_id}:{api_id}/*",
        )
    return f"arn:aws:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def create_role(aws: EmbeddedAws, name: str, *statements: dict[str, Any]) -> str:
    """A role for functions with that policy. Returns its ARN."""
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    aws.client("iam").attach_role_policy(RoleName=name, PolicyArn=BASIC_EXECUTION)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        aws.client("iam").put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document)
    return str(role["Role"]["Arn"])


def add_route(aws: EmbeddedAws, api_id: str, key: str, uri: str, **options: Any) -> str:
    """A route to a function. Returns its id."""
    gateway = aws.client("apigatewayv2")
    integration = gateway.create_integration(ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=uri)
    target = f"integrations/{integration['IntegrationId']}"
    return str(gateway.create_route(ApiId=api_id, RouteKey=key, Target=target, **options)["RouteId"])


def create_api(aws: EmbeddedAws, name: str, expression: str = "$request.body.type") -> str:
    """An API without routes, with two stages that log. Returns its id."""
    gateway = aws.client("apigatewayv2")
    api = gateway.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression=expression)
    api_id = str(api["ApiId"])
    logs = aws.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]:
        logs.create_log_group(logGroupName=LOG_GROUP)  # API Gateway creates none itself
    for stage in (STAGE, "other"):
        gateway.create_stage(
            ApiId=api_id,
            StageName=stage,
            AutoDeploy=True,
            AccessLogSettings={
                "DestinationArn": f"arn:aws:logs:{aws.region}:{aws.account_id}:log-group:{LOG_GROUP}",
                "Format": LOG_FORMAT,
            },
        )
    return api_id


@pytest.fixture(scope="module")
def deployed(embedded_aws: EmbeddedAws) -> DeployedApi:
    """The API of these tests."""
    aws = embedded_aws
    api_id = create_api(aws, NAME)
    manage = {
        "Effect": "Allow",
        "Action": "execute-api:ManageConnections",
        "Resource": f"arn:aws:execute-api:*:*:{api_id}/{STAGE}/POST/@connections/*",
    }
    role_arn = create_role(aws, NAME, manage)
    uri = create_function(aws, NAME, role_arn, api_id)
    for key in ("$connect", "$disconnect", "$default", "message:send"):
        add_route(aws, api_id, key, uri)
    two_way = add_route(aws, api_id, "two-way", uri, RouteResponseSelectionExpression="$default")
    aws.client("apigatewayv2").create_route_response(
        ApiId=api_id, RouteId=two_way, RouteResponseKey="$default"
    )
    for key in ("capped", "deleted", "unpermitted"):
        name = f"{NAME}-{key}"
        add_route(
            aws, api_id, key, create_function(aws, name, role_arn, api_id, permitted=key != "unpermitted")
        )
    aws.client("lambda").put_function_concurrency(
        FunctionName=f"{NAME}-capped", ReservedConcurrentExecutions=0
    )
    aws.client("lambda").delete_function(FunctionName=f"{NAME}-deleted")
    aws.settle()
    return DeployedApi(aws, api_id, NAME)


def event_of(client: ClientConnection) -> dict[str, Any]:
    """The MESSAGE event of this client, posted to it by the function."""
    client.send('{"do": "post"}')
    event: dict[str, Any] = json.loads(client.recv(timeout=60))
    return event


def id_of(client: ClientConnection) -> str:
    """The connection's id."""
    return str(event_of(client)["requestContext"]["connectionId"])


def close_code(client: ClientConnection) -> int:
    """The close code and reason that the server sent."""
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=60)
    return closed.value.rcvd.code if closed.value.rcvd else 1006


def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
    """Code and HTTP status of a rejected call."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def access_log(deployed: DeployedApi, connection_id: str, route: str) -> list[dict[str, str]]:
    """The lines of a connection and a route."""
    lines = map(json.loads, log_messages(deployed.aws, LOG_GROUP, connection_id))
    return [line for line in lines if line["routeKey"] == route]


# Handshakes


@pytest.mark.aws("recorded: github.com/dherault/serverless-offline/pull/1301")
@pytest.mark.parametrize(
    ("do", "status"),
    [
        ('return {"statusCode": 401}', 401),
        ('return {"statusCode": 403}', 403),
        ('return {"statusCode": 500}', 500),
        ('return {"statusCode": 302}', 302),
        ("raise", 502),
        ("exit", 502),
        ('return "text"', 502),
        ("return null", 502),
    ],
)
def test_connect_refuses_client_sees_its_status(deployed: DeployedApi, do: str, status: int) -> None:
    seen, body = deployed.refusal(deployed.url(do=do))
    assert seen == status
    assert set(body) == {"message"}


def test_unknown_stage_or_api_is_refused_with_403(deployed: DeployedApi) -> None:
    assert deployed.refusal(deployed.url("nowhere")) == (403, {"message": "Forbidden"})
    unknown_api = deployed.url().replace(deployed.api_id, "zzzzzzzzzz")
    assert deployed.refusal(unknown_api) == (403, {"message": "Forbidden"})


@pytest.mark.aws("API Gateway developer guide, websocket-connect-route-subprotocol.html")
def test_subprotocol_of_the_function_is_echoed(deployed: DeployedApi) -> None:
    result = {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "chat.v1"}}
    chosen = {"do": f"return {json.dumps(result)}"}
    with deployed.client(query=chosen, subprotocols=[Subprotocol("chat.v1")]) as client:
        assert client.subprotocol == "chat.v1"
    with deployed.client(subprotocols=[Subprotocol("chat.v1")]) as client:
        assert client.subprotocol is None


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-route-keys-connect-disconnect.html")
def test_missing_connect_and_disconnect_routes_are_not_invoked(deployed: DeployedApi) -> None:
    aws, name = deployed.aws, f"{NAME}-default-only"
    api_id = create_api(aws, name)
    add_route(aws, api_id, "$default", create_function(aws, name, create_role(aws, name), api_id))
    api = DeployedApi(aws, api_id, name)
    aws.settle()
    for number in (1, 2):  # a wrong event of the first comes before the message of the second
        with api.client() as client:
            client.send("x")
            eventually(lambda: len(log_messages(aws, f"/aws/lambda/{name}", '"MESSAGE"')) == number)  # noqa: B023
    events = log_messages(aws, f"/aws/lambda/{name}", "EVENT")
    assert [json.loads(line.partition("EVENT ")[2])["requestContext"]["eventType"] for line in events] == [
        "MESSAGE",
        "MESSAGE",
    ]


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-control-access-iam.html")
def test_iam_route_accepts_only_signed_and_allowed_handshakes(deployed: DeployedApi) -> None:
    aws, name = deployed.aws, f"{NAME}-iam"
    api_id = create_api(aws, name)
    uri = create_function(aws, name, create_role(aws, name), api_id)
    add_route(aws, api_id, "$connect", uri, AuthorizationType="AWS_IAM")
    api = DeployedApi(aws, api_id, name)
    aws.settle()
    stranger = access_key(aws, f"{name}-stranger")
    status, body = api.refusal(api.url())
    assert (status, set(body)) == (403, {"message"})
    status, body = api.refusal(presigned(api, stranger))
    assert status == 403
    assert "is not authorized to perform: execute-api:Invoke" in body["message"]
    operator = aws.credentials
    with connect(presigned(api, operator), proxy=None, compression=None):
        pass
    request = AWSRequest("GET", api.url().replace("ws", "http", 1))
    SigV4Auth(operator, "execute-api", aws.region).add_auth(request)
    with connect(api.url(), proxy=None, compression=None, additional_headers=dict(request.headers)):
        pass


def presigned(api: DeployedApi, credentials: Credentials) -> str:
    """A WebSocket URL with its signature in the query, as browsers need it."""
    request = AWSRequest("GET", api.url().replace("ws", "http", 1))
    SigV4QueryAuth(credentials, "execute-api", api.aws.region, expires=60).add_auth(request)
    return str(request.url).replace("http", "ws", 1)


def access_key(aws: EmbeddedAws, user: str, *statements: dict[str, Any]) -> Credentials:
    """The key of a new user with that policy."""
    iam = aws.client("iam")
    iam.create_user(UserName=user)
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


# Messages


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-routes.html")
@pytest.mark.parametrize(
    ("message", "route"),
    [
        ('{"type": "message:send", "do": "post"}', "message:send"),
        ('{"type": "unknown", "do": "post"}', "$default"),
        ('{"type": null, "do": "post"}', "$default"),
        ('{"type": 5, "do": "post"}', "$default"),
        ('{"do": "post"}', "$default"),
    ],
)
def test_message_reaches_the_route_that_its_type_selects(
    deployed: DeployedApi, message: str, route: str
) -> None:
    with deployed.client() as client:
        client.send(message)
        event = json.loads(client.recv(timeout=60))
    assert event["requestContext"]["routeKey"] == route
    assert event["body"] == message


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-routes.html")
def test_message_that_is_not_json_reaches_the_default_route(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        client.send("not json")
        events = eventually(
            lambda: [e for e in deployed.events("MESSAGE", connection_id) if e["body"] == "not json"]
        )
    assert events[0]["requestContext"]["routeKey"] == "$default"


@pytest.mark.aws("recorded: github.com/dherault/serverless-offline/pull/1301")
def test_returned_body_is_sent_only_with_a_route_response(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        client.send('{"type": "two-way"}')
        assert client.recv(timeout=60) == "body of two-way"
        connection_id = id_of(client)
        client.send('{"type": "message:send"}')
        eventually(lambda: access_log(deployed, connection_id, "message:send"))  # it has been handled
        deployed.management().post_to_connection(ConnectionId=connection_id, Data=b"the next message")
        assert client.recv(timeout=60) == "the next message"


@pytest.mark.parametrize(
    "message",
    [
        '{"do": "raise"}',
        '{"do": "exit"}',
        '{"do": "return null"}',
        '{"type": "capped"}',
        '{"type": "deleted"}',
        '{"type": "unpermitted"}',
    ],
)
def test_failure_is_answered_internal_server_error(deployed: DeployedApi, message: str) -> None:
    """A handler that fails or dies, reserved concurrency 0, a deleted function, a function without permission."""
    with deployed.client() as client:
        connection_id = id_of(client)
        client.send(message)
        error = json.loads(client.recv(timeout=60))
    assert (error["message"], error["connectionId"]) == ("Internal server error", connection_id)
    assert set(error) == {"message", "connectionId", "requestId"}


def test_two_handlers_of_one_socket_run_in_parallel(deployed: DeployedApi, tmp_path: Path) -> None:
    with deployed.client() as client:
        for _ in range(2):
            client.send(json.dumps({"type": "two-way", "do": f"meet {tmp_path}"}))
        for _ in range(2):
            assert client.recv(timeout=60) == "body of two-way"


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
def test_frames_beyond_32_and_messages_beyond_128_kib_close_with_1009(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        client.send(["x" * 32 * KIB] * 4)
        client.send('{"do": "post"}')
        assert client.recv(timeout=60)
    for too_big in ("x" * 33 * KIB, "x" * KIB * KIB, ["x" * 32 * KIB] * 4 + ["x"]):
        with deployed.client() as client:
            with contextlib.suppress(ConnectionClosed):
                client.send(too_big)
            assert close_code(client) == 1009


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-binary-media-types.html")
def test_binary_frame_closes_with_1003(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        client.send(b"bytes")
        assert close_code(client) == 1003


# Lifetime and closing


@pytest.mark.aws("API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html")
@pytest.mark.parametrize("step_s", [600, 500])
@gateway_harness.asynchronous
async def test_ten_idle_minutes_and_two_hours_close_with_1001(step_s: int) -> None:
    """Steps of 600 s are idle; with steps of 500 s and a ping in each, only the two hours end the connection."""
    clock = gateway_harness.FakeClock()
    async with gateway_harness.serving(websocket_api(), clock=clock) as harness:
        client = await harness.client()
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(20):
                clock.now += step_s
                harness.gateway.sweep()
                await (await client.ping())
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")
        assert clock.now - EPOCH_S == (600 if step_s == 600 else 7500)


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
@pytest.mark.parametrize(("code", "reason"), [(4001, "bye"), (1000, "")])
def test_disconnect_event_has_the_close_code_of_the_client(
    deployed: DeployedApi, code: int, reason: str
) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        client.close(code, reason)
    (event,) = eventually(lambda: deployed.events("DISCONNECT", connection_id))
    context = event["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (code, reason)


def test_disconnect_event_has_1006_when_the_connection_is_lost(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        client.socket.shutdown(socket.SHUT_RDWR)
    (event,) = eventually(lambda: deployed.events("DISCONNECT", connection_id))
    assert event["requestContext"]["disconnectStatusCode"] == 1006


# Events


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-mapping-template-reference.html")
def test_events_have_the_keys_of_aws(deployed: DeployedApi) -> None:
    before = datetime.now(UTC)
    headers = {"Authorization": "Bearer t", "X-CamelCase": "1"}
    with deployed.client(query={"do": "ok", "token": "a b"}, additional_headers=headers) as client:
        message = event_of(client)
        connection_id = message["requestContext"]["connectionId"]
        client.close(1000)
        after = datetime.now(UTC)
    (connected,) = eventually(lambda: deployed.events("CONNECT", connection_id))
    (disconnected,) = eventually(lambda: deployed.events("DISCONNECT", connection_id))
    common = {
        "routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection", "stage", "connectedAt",
        "requestTimeEpoch", "identity", "requestId", "domainName", "connectionId", "apiId",
    }  # fmt: skip
    assert set(connected) == {
        "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters",
        "requestContext", "isBase64Encoded",
    }  # fmt: skip
    assert set(message) == {"requestContext", "body", "isBase64Encoded"}
    assert set(disconnected) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert set(connected["requestContext"]) == common
    assert set(message["requestContext"]) == common | {"messageId"}
    assert set(disconnected["requestContext"]) == common | {"disconnectStatusCode", "disconnectReason"}
    assert connected["headers"]["Authorization"] == "Bearer t"
    assert connected["headers"]["X-CamelCase"] == "1"
    assert connected["queryStringParameters"] == {"do": "ok", "token": "a b"}
    host = f"{connected['requestContext']['apiId']}.execute-api.{deployed.aws.region}.amazonaws.com"
    for event in (connected, message, disconnected):
        context = event["requestContext"]
        assert (context["domainName"], context["messageDirection"]) == (host, "IN")
        assert context["connectedAt"] == connected["requestContext"]["connectedAt"]
        assert len(context["connectionId"]) == 16
        assert context["connectionId"].endswith("=")
    connected_at = datetime.fromtimestamp(connected["requestContext"]["connectedAt"] / 1000, UTC)
    assert before - timedelta(seconds=1) < connected_at <= after


# @connections


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
def test_get_connection_returns_three_fields(deployed: DeployedApi) -> None:
    with deployed.client(user_agent_header="Agent/1") as client:
        answer = deployed.management().get_connection(ConnectionId=id_of(client))
    assert answer["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "Agent/1"}
    assert answer["ConnectedAt"] <= answer["LastActiveAt"] <= datetime.now(UTC)


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
def test_post_to_a_gone_or_unknown_connection_is_410_and_to_no_id_400(deployed: DeployedApi) -> None:
    api = deployed.management()
    with deployed.client() as client:
        connection_id = id_of(client)
    eventually(lambda: deployed.events("DISCONNECT", connection_id))
    for gone in (connection_id, new_id()):
        assert error_of(api.post_to_connection, ConnectionId=gone, Data=b"x") == ("GoneException", 410)
    malformed = error_of(api.post_to_connection, ConnectionId="malformed!", Data=b"x")
    assert malformed == ("BadRequestException", 400)


def test_post_through_another_stage_is_not_delivered(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        other = deployed.management("other")
        assert error_of(other.post_to_connection, ConnectionId=connection_id, Data=b"x")[1] == 410
        nowhere = deployed.management("nowhere")
        assert error_of(nowhere.post_to_connection, ConnectionId=connection_id, Data=b"x")[1] == 403
        deployed.management().post_to_connection(ConnectionId=connection_id, Data=b"only this")
        assert client.recv(timeout=60) == "only this"


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
def test_post_of_more_than_128_kib_is_413(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        post = deployed.management().post_to_connection
        refused = error_of(post, ConnectionId=connection_id, Data=b"x" * 129 * KIB)
        assert refused == ("PayloadTooLargeException", 413)
        post(ConnectionId=connection_id, Data=b"x" * 128 * KIB)
        assert client.recv(timeout=60) == "x" * 128 * KIB


def test_posted_bytes_that_are_not_text_are_replaced(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        deployed.management().post_to_connection(ConnectionId=id_of(client), Data=b"a\xff")
        assert client.recv(timeout=60) == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.aws("API Gateway developer guide, apigateway-how-to-call-websocket-api-connections.html")
def test_delete_connection_closes_the_client_and_runs_disconnect(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        deployed.management().delete_connection(ConnectionId=connection_id)
        assert close_code(client) == 1000
    (event,) = eventually(lambda: deployed.events("DISCONNECT", connection_id))
    assert event["requestContext"]["disconnectReason"] == "Connection Closed Normally"


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-control-access-iam.html")
def test_post_needs_manage_connections_on_the_right_stage(deployed: DeployedApi) -> None:
    aws = deployed.aws

    def post_as(user: str, *statements: dict[str, Any]) -> Callable[..., Any]:
        key = access_key(aws, f"{NAME}-{user}", *statements)
        endpoint = aws.stage_url(deployed.api_id, STAGE)
        api = aws.client_as(str(key.access_key), str(key.secret_key), "apigatewaymanagementapi", endpoint)
        post: Callable[..., Any] = api.post_to_connection
        return post

    def allow(stage: str) -> dict[str, Any]:
        resource = f"arn:aws:execute-api:*:*:{deployed.api_id}/{stage}/POST/@connections/*"
        return {"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": resource}

    with deployed.client() as client:
        connection_id = id_of(client)
        for post in (post_as("nothing"), post_as("elsewhere", allow("other"))):
            refused = error_of(post, ConnectionId=connection_id, Data=b"x")
            assert refused == ("AccessDeniedException", 403)
        post_as("allowed", allow(STAGE))(ConnectionId=connection_id, Data=b"hello")
        assert client.recv(timeout=60) == "hello"


@pytest.mark.aws("service model apigatewaymanagementapi, its exceptions and GetConnection")
def test_post_with_a_wrong_secret_is_403(deployed: DeployedApi) -> None:
    endpoint = deployed.aws.stage_url(deployed.api_id, STAGE)
    forged = deployed.aws.client_as(deployed.aws.access_key_id, "wrong", "apigatewaymanagementapi", endpoint)
    assert error_of(forged.post_to_connection, ConnectionId=new_id(), Data=b"x")[1] == 403


# Logs and metrics


@pytest.mark.aws("Lambda developer guide, monitoring-cloudwatchlogs.html")
def test_websocket_invocations_write_logs_and_lambda_metrics(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        client.send('{"do": "raise"}')
        client.recv(timeout=60)
    assert eventually(lambda: deployed.events("CONNECT", connection_id))
    group = f"/aws/lambda/{NAME}"
    assert eventually(lambda: log_messages(deployed.aws, group, "START RequestId"))
    assert eventually(lambda: log_messages(deployed.aws, group, "boom!"))
    assert eventually(lambda: statistic(deployed, "AWS/Lambda", "Errors", {"FunctionName": NAME})) >= 1
    assert eventually(lambda: statistic(deployed, "AWS/Lambda", "Invocations", {"FunctionName": NAME}) >= 3)
    assert statistic(deployed, "AWS/Lambda", "Invocations", {}) >= 3


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
def test_access_log_has_a_line_for_connect_message_and_disconnect(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        connection_id = id_of(client)
        client.send('{"do": "raise"}')
        request_id = json.loads(client.recv(timeout=60))["requestId"]
        client.close(1000)

    def lines() -> list[dict[str, str]]:
        found = log_messages(deployed.aws, LOG_GROUP, connection_id)
        return [json.loads(line) for line in found] if len(found) == 4 else []

    connected, posted, failed, disconnected = eventually(lines)
    assert [connected[key] for key in ("eventType", "status", "integrationStatus")] == [
        "CONNECT",
        "200",
        "200",
    ]
    assert (posted["routeKey"], posted["status"], posted["error"]) == ("$default", "200", "-")
    assert (failed["requestId"], failed["status"]) == (request_id, "500")
    assert (failed["error"], failed["integrationStatus"]) == ("Internal server error", "-")
    assert (disconnected["eventType"], disconnected["unknown"]) == ("DISCONNECT", "-")


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-logging.html")
def test_api_gateway_metrics_are_recorded(deployed: DeployedApi) -> None:
    with deployed.client() as client:
        id_of(client)
    by_api = {"ApiId": deployed.api_id}
    by_stage = {**by_api, "Stage": STAGE}
    for dimensions in (by_api, by_stage):
        for name in ("ConnectCount", "MessageCount", "IntegrationLatency"):
            assert eventually(partial(statistic, deployed, "AWS/ApiGateway", name, dimensions))


def statistic(deployed: DeployedApi, namespace: str, name: str, dimensions: dict[str, str]) -> float:
    """The sum of a metric over the last hour."""
    now = datetime.now(UTC)
    answer = deployed.aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in answer["Datapoints"]))

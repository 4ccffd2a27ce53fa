"""The three handlers as Lambda calls them, over HTTP, on moto's DynamoDB and SSM.

A small server turns the handlers' signed JSON requests into botocore calls, so that AWS's own service models check
every request, and answers @connections itself.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import boto3
import jwt
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.connections_table import create_table
from whatschat_ops.handlers import connect, default, disconnect
from whatschat_ops.handlers.aws_api import AwsApi, AwsCallFailed
from whatschat_ops.handlers.connections_table import ConnectionsTable, StoredConnection
from whatschat_ops.stack.lambdas.sample_event import sample_event

SECRET = "the-secret-of-the-tests-is-32-bytes-long"
TABLE = "staging-websocket-connections"


class Aws(ThreadingHTTPServer):
    """moto behind HTTP, and the sockets of clients: connection id -> messages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sockets: dict[str, list[dict[str, Any]]] = {}
        self.clients = {name: boto3.client(name, region_name="eu-central-1") for name in ("dynamodb", "ssm")}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def call(self, target: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        service, _, operation = target.partition(".")
        client = self.clients["ssm" if service == "AmazonSSM" else "dynamodb"]
        try:
            answer = client._make_api_call(operation, request)
        except ClientError as error:
            return 400, {"__type": f"com.amazonaws#{error.response['Error']['Code']}"}
        answer.pop("ResponseMetadata")
        return 200, {
            key: value
            for key, value in answer.items()
            if key in ("Item", "Items", "Attributes", "LastEvaluatedKey")
        } | ({"Parameter": {"Value": answer["Parameter"]["Value"]}} if "Parameter" in answer else {})

    def rows(self) -> dict[str, dict[str, Any]]:
        items = self.clients["dynamodb"].scan(TableName=TABLE)["Items"]
        return {item["connectionId"]["S"]: item for item in items}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Aws

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256")
        if self.path.startswith("/production/@connections/"):
            status, answer = self._post_to_connection(unquote(self.path.rpartition("/")[2]), body)
        else:
            status, answer = self.server.call(self.headers["x-amz-target"], json.loads(body))
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _post_to_connection(self, connection_id: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if connection_id not in self.server.sockets:
            return 410, {"message": "Gone"}
        self.server.sockets[connection_id].append(json.loads(body))
        return 200, {}

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class LambdaContext:
    aws_request_id = "request"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:whatschat-default:live"

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    environ = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "CONNECTIONS_TABLE": TABLE,
        "JWT_SECRET_PARAMETER": "/whatschat/jwt-secret",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        server = Aws()
        make_table(server.clients["dynamodb"])
        server.clients["ssm"].put_parameter(Name="/whatschat/jwt-secret", Type="SecureString", Value=SECRET)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("API_GATEWAY_ENDPOINT", f"{server.url}/production")
        apis = track_apis(monkeypatch)
        yield server
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in (one for api in apis for idle in api._idle.values() for one in idle):
            connection.close()


def track_apis(monkeypatch: pytest.MonkeyPatch) -> list[AwsApi]:
    """Forget what the modules keep between invocations; remember the clients, to close their sockets."""
    apis: list[AwsApi] = []
    for cached in (connect._connect, disconnect._table, default._api, default._table, default._management):
        cached.cache_clear()
    original = AwsApi.__init__

    def remember(self: AwsApi, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        apis.append(self)

    monkeypatch.setattr(AwsApi, "__init__", remember)
    return apis


def make_table(dynamodb: Any) -> None:
    create_table(dynamodb, TABLE)


def token(user_id: str, secret: str = SECRET) -> str:
    return jwt.encode({"userId": user_id, "exp": time.time() + 60}, secret, "HS256")


def open_socket(aws: Aws, connection_id: str, user_id: str) -> dict[str, Any]:
    event = {
        "requestContext": {"connectionId": connection_id, "connectedAt": int(time.time() * 1000)},
        "queryStringParameters": {"token": token(user_id)},
    }
    answer = connect.handler(event, LambdaContext())
    aws.sockets[connection_id] = []
    return answer


def send(connection_id: str, **message: Any) -> None:
    event = {
        "requestContext": {"connectionId": connection_id, "messageId": "m0"},
        "body": json.dumps(message),
    }
    assert default.handler(event, LambdaContext()) == {"statusCode": 200}


def table() -> ConnectionsTable:
    return default._table()


def test_connect_message_and_disconnect(aws: Aws) -> None:
    assert open_socket(aws, "a=", "alice") == {"statusCode": 200}
    assert open_socket(aws, "b=", "bob") == {"statusCode": 200}
    send("a=", type="message:send", recipients=["bob"], text="hi")
    assert [(m["type"], m["from"], m["text"]) for m in aws.sockets["b="]] == [
        ("message:received", "alice", "hi")
    ]
    assert [(m["type"], m["delivered"]) for m in aws.sockets["a="]] == [("message:sent", 1)]
    answer = disconnect.handler({"requestContext": {"connectionId": "b="}}, LambdaContext())
    assert answer == {"statusCode": 200}
    assert list(aws.rows()) == ["a="]


def test_row_has_the_types_that_ttl_and_index_need(aws: Aws) -> None:
    before_s = int(time.time())
    open_socket(aws, "a=", "alice")
    after_s = int(time.time())
    row = aws.rows()["a="]
    assert {name: next(iter(value)) for name, value in row.items()} == {
        "connectionId": "S",
        "userId": "S",
        "connectedAt": "S",
        "ttl": "N",
    }
    assert before_s <= int(row["ttl"]["N"]) - 24 * 3600 <= after_s


def test_sample_events_are_answered_and_change_nothing(aws: Aws) -> None:
    open_socket(aws, "a=", "alice")
    answers = [
        function.handler(sample_event(name, datetime.now(UTC)), LambdaContext())
        for name, function in (("connect", connect), ("default", default), ("disconnect", disconnect))
    ]
    assert answers == [{"statusCode": 401}, {"statusCode": 200}, {"statusCode": 200}]
    assert (list(aws.rows()), aws.sockets) == (["a="], {"a=": []})


def test_bad_token_leaves_no_row(aws: Aws) -> None:
    event = {
        "requestContext": {"connectionId": "a="},
        "headers": {"Authorization": f"Bearer {token('alice', 'another-secret-that-is-32-bytes-long')}"},
    }
    assert connect.handler(event, LambdaContext()) == {"statusCode": 401}
    assert aws.rows() == {}


def test_missing_table_is_500_without_the_token_in_the_log(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.clients["dynamodb"].delete_table(TableName=TABLE)
    assert open_socket(aws, "a=", "alice") == {"statusCode": 500}
    logged = capsys.readouterr().out
    assert "PutItem: ResourceNotFoundException" in logged
    assert "eyJ" not in logged


def test_missing_secret_is_500(aws: Aws) -> None:
    aws.clients["ssm"].delete_parameter(Name="/whatschat/jwt-secret")
    assert open_socket(aws, "a=", "alice") == {"statusCode": 500}


@pytest.mark.parametrize("hours", ["soon", "-1", "0", "nan"])
def test_impossible_ttl_is_500(aws: Aws, monkeypatch: pytest.MonkeyPatch, hours: str) -> None:
    monkeypatch.setenv("CONNECTION_TTL_HOURS", hours)
    assert open_socket(aws, "a=", "alice") == {"statusCode": 500}
    assert aws.rows() == {}


def test_gone_peer_loses_its_row(aws: Aws) -> None:
    open_socket(aws, "a=", "alice")
    open_socket(aws, "b=", "bob")
    del aws.sockets["b="]
    send("a=", type="message:send", recipients=["bob"])
    assert list(aws.rows()) == ["a="]
    assert aws.sockets["a="][0]["offline"] == 1


def test_rewritten_row_of_a_gone_connection_survives(aws: Aws) -> None:
    open_socket(aws, "b=", "bob")
    (seen,) = table().connections_of("bob", time.time())
    table().put("b=", "bob", connected_at_ms=1, expires_s=int(time.time()) + 60)
    assert table().delete_gone(seen) is False
    assert list(aws.rows()) == ["b="]
    (seen_again,) = table().connections_of("bob", time.time())
    assert table().delete_gone(seen_again) is True
    assert aws.rows() == {}


def test_row_without_the_time_of_its_handshake_can_be_deleted(aws: Aws) -> None:
    aws.clients["dynamodb"].put_item(
        TableName=TABLE, Item={"connectionId": {"S": "b="}, "userId": {"S": "bob"}}
    )
    assert table().connections_of("bob", time.time()) == [StoredConnection("b=", None)]
    assert table().delete_gone(StoredConnection("b=", None)) is True


def test_expired_rows_are_not_there(aws: Aws) -> None:
    table().put("a=", "alice", connected_at_ms=0, expires_s=1000)
    assert table().user_of("a=", 999.0) == "alice"
    assert table().user_of("a=", 1000.0) is None
    assert [c.connection_id for c in table().connections_of("alice", 999.0)] == ["a="]
    assert table().connections_of("alice", 1000.0) == []


def test_connections_on_several_pages_are_all_found(aws: Aws) -> None:
    # A page ends at 1 MB: rows of 300 KB make four pages.
    for number in range(10):
        item = {
            "connectionId": {"S": f"c{number}"},
            "userId": {"S": "bob"},
            "padding": {"S": "x" * 300_000},
        }
        aws.clients["dynamodb"].put_item(TableName=TABLE, Item=item)
    found = {connection.connection_id for connection in table().connections_of("bob", 0.0)}
    assert found == {f"c{number}" for number in range(10)}


def test_failure_has_the_code_of_dynamodb(aws: Aws) -> None:
    aws.clients["dynamodb"].delete_table(TableName=TABLE)
    with pytest.raises(AwsCallFailed, match="Query: ResourceNotFoundException"):
        table().connections_of("bob", 0.0)


def test_default_without_configuration_is_logged_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track_apis(monkeypatch)
    event = {"requestContext": {"connectionId": "a="}, "body": '{"type":"ping"}'}
    assert default.handler(event, LambdaContext()) == {"statusCode": 200}
    assert "AWS_REGION is not set" in capsys.readouterr().out

"""Other clients, unmodified, against a provisioned stack: wscat, the AWS CLI, the JavaScript SDK v3, boto3.

(All other tests here use `websockets`; the Chime half is in test_chime.py.)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

GONE_ID = "R0oXAdfD0kwCH6w="
NO_MEETING = "00000000-0000-0000-0000-000000000000"
JAVASCRIPT = """
import { ApiGatewayManagementApiClient, GetConnectionCommand, PostToConnectionCommand, DeleteConnectionCommand }
  from "@aws-sdk/client-apigatewaymanagementapi";
import { DynamoDBClient, QueryCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
const [endpoint, user, gone] = process.argv.slice(2);
const table = new DynamoDBClient({});
const found = await table.send(new QueryCommand({ TableName: "websocket-connections", IndexName: "userId-index",
  KeyConditionExpression: "userId = :u", ExpressionAttributeValues: { ":u": { S: user } } }));
const ConnectionId = found.Items[0].connectionId.S;
const sockets = new ApiGatewayManagementApiClient({ endpoint });
await sockets.send(new PostToConnectionCommand({ ConnectionId, Data: "from JavaScript" }));
const connection = await sockets.send(new GetConnectionCommand({ ConnectionId }));
const refused = async (promise) => { try { await promise; return null; } catch (error) { return error.name; } };
const errors = {
  gone: await refused(sockets.send(new PostToConnectionCommand({ ConnectionId: gone, Data: "x" }))),
  condition: await refused(table.send(new PutItemCommand({ TableName: "websocket-connections",
    Item: { connectionId: { S: ConnectionId } }, ConditionExpression: "attribute_not_exists(connectionId)" }))),
};
await sockets.send(new DeleteConnectionCommand({ ConnectionId }));
console.log(JSON.stringify({ rows: found.Count, sourceIp: connection.Identity.SourceIp,
  connectedAt: connection.ConnectedAt instanceof Date, errors }));
"""


@dataclass(frozen=True)
class Provisioned:
    """A provisioned stack."""

    aws: EmbeddedAws
    url: str
    callback_url: str

    def token(self, user: str) -> str:
        return whatschat_ops(self.aws, "token", "mint", "--user", user).strip()

    def connection_id(self, user: str) -> str:
        [row] = json.loads(whatschat_ops(self.aws, "ws", "connections", "list", "--user", user, "--json"))
        return str(row["connection_id"])


@contextmanager
def open_standard_input() -> Iterator[int]:
    """A standard input without data and without end: wscat exits at its end."""
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


def run(
    arguments: list[str],
    environment: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Any:
    done = subprocess.run(
        arguments,
        env=dict(environment),
        cwd=cwd,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def whatschat_ops(aws: EmbeddedAws, *arguments: str) -> str:
    return str(run([sys.executable, "-m", "whatschat_ops", *arguments], aws.environment()).stdout)


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Provisioned]:
    whatschat_ops(embedded_aws, "provision", "--yes", "--quiet")
    found = json.loads(whatschat_ops(embedded_aws, "ws", "endpoint", "--json"))
    yield Provisioned(embedded_aws, found["websocket_url"], found["callback_url"])
    whatschat_ops(embedded_aws, "destroy", "--yes", "--quiet")


@pytest.fixture
def dora(stack: Provisioned) -> Iterator[ClientConnection]:
    """A connected user."""
    with connect(
        stack.url, additional_headers={"Authorization": f"Bearer {stack.token('dora')}"}
    ) as connection:
        yield connection


@pytest.mark.parametrize("way", ["query", "header"])
def test_wscat_connects_and_gets_a_pong(stack: Provisioned, node_clients: Path, way: str) -> None:
    token = stack.token("wally")
    target = (
        ["-c", f"{stack.url}?token={token}"]
        if way == "query"
        else ["-c", stack.url, "-H", f"Authorization: Bearer {token}"]
    )
    wscat = node_clients / "node_modules" / ".bin" / "wscat"

    with open_standard_input() as stdin:
        done = run(
            [str(wscat), *target, "-x", '{"type":"ping"}', "-w", "2"], stack.aws.environment(), stdin=stdin
        )

    assert json.loads(done.stdout)["type"] == "pong"


def test_javascript_sdk_finds_posts_and_disconnects(
    stack: Provisioned, node_clients: Path, dora: ClientConnection
) -> None:
    script = node_clients / "sockets.mjs"
    script.write_text(JAVASCRIPT, encoding="utf-8")

    done = run(
        ["node", str(script), stack.callback_url, "dora", GONE_ID], stack.aws.aws_environment(), node_clients
    )

    said = json.loads(done.stdout)
    assert (said["rows"], said["sourceIp"], said["connectedAt"]) == (1, "127.0.0.1", True)
    assert said["errors"] == {"gone": "GoneException", "condition": "ConditionalCheckFailedException"}
    assert dora.recv(timeout=60) == "from JavaScript"


def test_aws_cli_reads_the_table_and_posts(
    stack: Provisioned, dora: ClientConnection, tmp_path: Path
) -> None:
    if shutil.which("aws") is None:
        pytest.skip("the AWS CLI is not installed")
    environment = {**stack.aws.aws_environment(), "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
    connection_id = stack.connection_id("dora")
    message = tmp_path / "message"
    message.write_text("from the AWS CLI", encoding="utf-8")

    key = json.dumps({"connectionId": {"S": connection_id}})
    item = run(
        ["aws", "dynamodb", "get-item", "--table-name", "websocket-connections", "--key", key], environment
    )
    posting = ["--endpoint-url", stack.callback_url, f"--connection-id={connection_id}"]
    run(
        ["aws", "apigatewaymanagementapi", "post-to-connection", *posting, "--data", f"fileb://{message}"],
        environment,
    )
    got = run(["aws", "apigatewaymanagementapi", "get-connection", *posting], environment)

    assert json.loads(item.stdout)["Item"]["userId"] == {"S": "dora"}
    assert json.loads(got.stdout)["Identity"]["SourceIp"] == "127.0.0.1"
    assert dora.recv(timeout=60) == "from the AWS CLI"


def test_boto3_posts_gets_and_deletes(stack: Provisioned, dora: ClientConnection) -> None:
    client = stack.aws.client("apigatewaymanagementapi", endpoint_url=stack.callback_url)
    connection_id = stack.connection_id("dora")

    client.post_to_connection(ConnectionId=connection_id, Data=b"from boto3")
    got = client.get_connection(ConnectionId=connection_id)
    with pytest.raises(client.exceptions.GoneException):
        client.post_to_connection(ConnectionId=GONE_ID, Data=b"x")
    with pytest.raises(client.exceptions.PayloadTooLargeException):
        client.post_to_connection(ConnectionId=connection_id, Data=b"x" * 131_073)

    assert got["Identity"]["SourceIp"] == "127.0.0.1" and got["ConnectedAt"] <= got["LastActiveAt"]
    assert dora.recv(timeout=60) == "from boto3"


def test_wrong_secret_is_refused_by_every_service_of_the_stack(stack: Provisioned) -> None:
    def as_thief(service: str, endpoint_url: str | None = None) -> Any:
        return stack.aws.client_as(stack.aws.access_key_id, "not-the-secret", service, endpoint_url)

    attempts: dict[str, Callable[[], Any]] = {
        "dynamodb": lambda: as_thief("dynamodb").list_tables(),
        "lambda": lambda: as_thief("lambda").list_functions(),
        "chime-sdk-meetings": lambda: as_thief("chime-sdk-meetings").get_meeting(MeetingId=NO_MEETING),
        "@connections": lambda: as_thief("apigatewaymanagementapi", stack.callback_url).get_connection(
            ConnectionId=GONE_ID
        ),
    }
    for service, attempt in attempts.items():
        with pytest.raises(ClientError) as caught:
            attempt()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403), service
        code = caught.value.response["Error"]["Code"]
        assert "ignature" in code or "Forbidden" in code, service

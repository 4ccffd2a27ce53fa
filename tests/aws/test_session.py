"""The seam: clients that fail with our errors, on moto and against ports where no server listens."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import botocore.handlers
import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError
from botocore.utils import EVENT_ALIASES
from moto import mock_aws

from whatschat_ops import __version__
from whatschat_ops.aws import Aws, AwsTarget, connect
from whatschat_ops.aws.loading import LeanSession, direct_loader
from whatschat_ops.errors import AwsError, Conflict, CredentialsError, NotFound, Rejected, Unavailable
from whatschat_ops.redaction import Secret

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": Secret("wJalrXUtnFEMI")}
TABLE = {
    "TableName": "t",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield connect(
            AwsTarget(region="eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("x"))
        )


def test_absent_resource_is_not_found_with_operation_and_code(aws: Aws) -> None:
    with pytest.raises(NotFound) as caught:
        aws.client("dynamodb").describe_table(TableName="absent")

    assert (caught.value.operation, caught.value.aws_code) == ("DescribeTable", "ResourceNotFoundException")


class Proxy(BaseHTTPRequestHandler):
    """Answers every request itself, and keeps what was asked of it."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        self.asked.append((self.path, self.headers["User-Agent"]))
        self.send_response(200)
        self.send_header("Content-Length", "17")
        self.end_headers()
        self.wfile.write(b'{"TableNames":[]}')

    def log_message(self, format: str, *args: object) -> None:
        """No access log."""


def test_proxy_of_the_environment_is_used_and_told_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    target = AwsTarget("eu-west-1", endpoint_url="http://dynamodb.example.invalid", **KEYS)  # type: ignore[arg-type]
    try:
        assert connect(target).client("dynamodb").list_tables()["TableNames"] == []
    finally:
        server.shutdown()
        server.server_close()
    ((path, agent),) = Proxy.asked
    assert path == "http://dynamodb.example.invalid/"
    assert agent.endswith(f" whatschat-ops/{__version__}") and agent.startswith("Botocore/")


SERVICES = (
    "apigateway", "apigatewaymanagementapi", "apigatewayv2", "chime-sdk-meetings", "dynamodb", "iam", "lambda", "logs",
    "resourcegroupstaggingapi", "s3", "ssm", "stepfunctions", "sts",
)  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_client_has_botocores_handlers_in_their_order(service: str) -> None:
    ours, botocores = (
        session.create_client(service, "eu-west-1", aws_access_key_id="A", aws_secret_access_key="s")
        for session in (LeanSession({}, None), botocore.session.Session())
    )
    names = {spec[0] for spec in botocore.handlers.BUILTIN_HANDLERS if not spec[0].startswith("docs.")}
    names |= {f"before-call.{ours.meta.service_model.service_id.hyphenize()}.Anything", "choose-signer.x.Y"}
    mine = {name for name in names if EVENT_ALIASES.get(service, service) in (*name.split("."), "")}
    for event in mine | {name for name in names if "." not in name}:
        assert handlers(ours, event) == handlers(botocores, event), event


def handlers(client: Any, event: str) -> list[str]:
    """The names of what is called at an event: methods of two clients are not equal."""
    emitter = client.meta.events
    found = emitter._emitter._handlers.prefix_search(emitter._alias_event_name(event))
    return [getattr(handler, "__qualname__", type(handler).__name__) for handler in found]


def test_creating_twice_is_a_conflict(aws: Aws) -> None:
    aws.client("dynamodb").create_table(**TABLE)

    with pytest.raises(Conflict):
        aws.client("dynamodb").create_table(**TABLE)


def test_failed_condition_is_a_conflict(aws: Aws) -> None:
    client = aws.client("dynamodb")
    client.create_table(**TABLE)
    client.put_item(TableName="t", Item={"id": {"S": "1"}})

    with pytest.raises(Conflict):
        client.put_item(
            TableName="t", Item={"id": {"S": "1"}}, ConditionExpression="attribute_not_exists(id)"
        )


def test_paginators_fail_with_our_errors_too(aws: Aws) -> None:
    with pytest.raises(NotFound):
        list(aws.client("dynamodb").get_paginator("scan").paginate(TableName="absent"))


def test_iam_codes_are_translated(aws: Aws) -> None:
    with pytest.raises(NotFound) as caught:
        aws.client("iam").get_role(RoleName="absent")

    assert caught.value.aws_code == "NoSuchEntity"


def test_clients_are_made_once_per_service_and_region(aws: Aws) -> None:
    assert aws.client("dynamodb") is aws.client("dynamodb")
    assert aws.client("dynamodb") is not aws.client("dynamodb", region="us-east-1")
    assert aws.client("dynamodb").meta.region_name == "eu-west-1"


def test_account_id_is_the_callers(aws: Aws) -> None:
    assert aws.account_id == "123456789012"


def test_endpoint_where_nobody_listens_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    target = AwsTarget(region="us-east-1", endpoint_url=f"http://127.0.0.1:{port}", **KEYS)  # type: ignore[arg-type]

    with pytest.raises(Unavailable) as caught:
        connect(target).client("sts", region="us-east-1").get_caller_identity()

    assert f"127.0.0.1:{port}" in caught.value.message


def test_no_credentials_at_all_says_what_to_do() -> None:
    with pytest.raises(CredentialsError) as caught:
        connect(AwsTarget(region="us-east-1")).client("sts").get_caller_identity()

    assert caught.value.hint is not None and "--profile" in str(caught.value.hint)


def test_unknown_profile_is_a_credentials_error() -> None:
    with pytest.raises(CredentialsError, match="nobody"):
        connect(AwsTarget(region="us-east-1", profile="nobody")).client("sts")


def test_malformed_endpoint_url_is_rejected() -> None:
    target = AwsTarget(region="us-east-1", endpoint_url="nonsense", **KEYS)  # type: ignore[arg-type]

    with pytest.raises(Rejected, match="nonsense"):
        connect(target).client("sts")


def test_exported_profile_does_not_matter_to_a_target_with_keys(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    assert aws.account_id == "123456789012"


def test_service_models_are_looked_for_where_and_in_the_order_that_botocore_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    session = botocore.session.Session()
    usual = botocore.loaders.create_loader(str(tmp_path)).search_paths
    assert direct_loader(session).search_paths == usual
    assert usual[0] == str(tmp_path)


def answering(aws: Aws, answer: AWSResponse | Exception) -> Any:
    """A client of DynamoDB whose requests get this answer, or fail so, without a network."""

    def answer_instead(**_: Any) -> AWSResponse:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = aws.client("dynamodb")
    client.meta.events.register_first("before-send.dynamodb", answer_instead)
    return client


def of_nowhere() -> Aws:
    return Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


@pytest.mark.parametrize("status", [301, 307])
def test_redirect_is_an_error_and_no_empty_answer(status: int) -> None:
    class Body(io.BytesIO):
        """As urllib3's."""

        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b""

    client = answering(of_nowhere(), AWSResponse("https://dynamodb", status, {}, Body()))
    with pytest.raises(AwsError):
        client.list_tables()


def test_failure_without_an_answer_names_the_operation() -> None:
    client = answering(of_nowhere(), EndpointConnectionError(endpoint_url="https://dynamodb"))
    with pytest.raises(Unavailable) as caught:
        client.list_tables()
    assert caught.value.operation == "ListTables"
    assert caught.value.message.startswith("ListTables: ")


def test_client_has_no_method_for_what_the_service_does_not_do(aws: Aws) -> None:
    client = aws.client("ssm")
    assert callable(client.get_parameter)
    with pytest.raises(AttributeError, match="get_perimeter"):
        client.get_perimeter  # noqa: B018


def test_another_client_of_the_process_keeps_its_methods(aws: Aws) -> None:
    aws.client("ssm")
    other = botocore.session.Session().create_client("ssm", region_name="us-east-1")
    assert "get_parameter" in vars(type(other))


def test_boto3_of_the_process_works_without_the_pages_that_were_left_out() -> None:
    program = """
from whatschat_ops.aws import loading
import boto3
client = boto3.Session("a", "b", region_name="us-east-1").client("ssm")
from botocore.docs.docstring import ClientMethodDocstring
assert ClientMethodDocstring.__module__ == "botocore.docs.docstring"
assert callable(client.get_parameter)
"""
    subprocess.run([sys.executable, "-c", program], check=True)

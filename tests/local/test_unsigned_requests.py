"""What is not signed does not run, list or create anything; what only needs TLS works on loopback."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local


def request(
    aws: EmbeddedAws, method: str, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of an unsigned request."""
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=60)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


@pytest.fixture(scope="module")
def websocket_endpoint(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """The endpoint of a stage whose `$default` would fail loudly if it ran: its function does not exist."""
    gateway = embedded_aws.client("apigatewayv2")
    api = gateway.create_api(
        Name="unsigned", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    integration = gateway.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri="arn:aws:lambda:us-east-1:000000000000:function:absent",
    )
    target = f"integrations/{integration['IntegrationId']}"
    gateway.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=target)
    gateway.create_stage(ApiId=api["ApiId"], StageName="production", AutoDeploy=True)
    yield f"{api['ApiEndpoint']}/production"
    gateway.delete_api(ApiId=api["ApiId"])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("below", ["", "/", "/any/path", "?token=x"])
def test_http_request_to_a_websocket_api_invokes_nothing(
    embedded_aws: EmbeddedAws, websocket_endpoint: str, method: str, below: str
) -> None:
    status, headers, body = request(embedded_aws, method, urlsplit(websocket_endpoint).path + below)
    assert (status, json.loads(body)) == (426, {"message": "Upgrade Required"})
    assert headers["upgrade"] == "websocket"


def test_page_of_another_host_reaches_neither_services_nor_sockets(
    embedded_aws: EmbeddedAws, websocket_endpoint: str
) -> None:
    foreign = {"Host": "rebound.example"}
    for path in ("/_whatschat/health", "/", urlsplit(websocket_endpoint).path):
        assert request(embedded_aws, "GET", path, foreign)[0] == 403
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    path = urlsplit(websocket_endpoint).path
    assert request(embedded_aws, "GET", path, {**handshake, **foreign})[0] == 403
    assert (
        request(embedded_aws, "GET", path, handshake)[0] == 101
    )  # it has no $connect, so every handshake succeeds


def test_health_cannot_be_read_by_scripts_of_a_web_page(embedded_aws: EmbeddedAws) -> None:
    status, headers, _ = request(
        embedded_aws, "GET", "/_whatschat/health", {"Origin": "https://page.example"}
    )
    assert status == 200
    assert "access-control-allow-origin" not in headers


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
def test_unsigned_requests_list_and_create_nothing(embedded_aws: EmbeddedAws) -> None:
    for method, path in (("GET", "/"), ("PUT", "/unsigned-bucket"), ("GET", "/clusters")):
        assert request(embedded_aws, method, path)[0] == 403
    assert request(embedded_aws, "GET", "/latest/meta-data/iam/security-credentials/")[0] == 404
    buckets = embedded_aws.client("s3").list_buckets()["Buckets"]
    assert "unsigned-bucket" not in {bucket["Name"] for bucket in buckets}


@pytest.mark.aws("Lambda API reference, FunctionCodeLocation")
def test_code_of_a_function_needs_its_signed_link(embedded_aws: EmbeddedAws, small_function: str) -> None:
    link = urlsplit(
        embedded_aws.client("lambda").get_function(FunctionName=small_function)["Code"]["Location"]
    )
    assert request(embedded_aws, "GET", f"{link.path}?{link.query}")[0] == 200
    for query in ("", f"?{link.query[:-2]}xx", f"?{link.query.replace('Expires=600', 'Expires=6000')}x"):
        assert request(embedded_aws, "GET", f"{link.path}{query}")[0] == 403


@pytest.fixture
def small_function(embedded_aws: EmbeddedAws, zipped_handler: bytes) -> Iterator[str]:
    """The name of a function."""
    role = embedded_aws.client("iam").create_role(
        RoleName="unsigned-code", AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    functions = embedded_aws.client("lambda")
    functions.create_function(
        FunctionName="unsigned-code",
        Runtime="python3.13",
        Role=role,
        Handler="main.handle",
        Code={"ZipFile": zipped_handler},
    )
    yield "unsigned-code"
    functions.delete_function(FunctionName="unsigned-code")
    embedded_aws.client("iam").delete_role(RoleName="unsigned-code")


@pytest.fixture
def zipped_handler() -> bytes:
    """A zip with one handler."""
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("main.py", "def handle(event, context):\n    return event\n")
    return content.getvalue()


TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@pytest.mark.aws("IAM user guide, reference_policies_condition-keys.html, aws:SecureTransport")
def test_bucket_that_requires_tls_can_be_used_and_deleted(embedded_aws: EmbeddedAws) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket="tls-only")
    only_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(
        Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [only_tls]})
    )
    s3.put_object(Bucket="tls-only", Key="a", Body=b"x")
    assert s3.get_object(Bucket="tls-only", Key="a")["Body"].read() == b"x"
    only_tls["Condition"] = {
        "Bool": {"aws:SecureTransport": "true"}
    }  # the condition is evaluated, not skipped
    s3.put_bucket_policy(
        Bucket="tls-only",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [{**only_tls, "Action": "s3:GetObject"}]}),
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket="tls-only", Key="a")
    s3.delete_object(Bucket="tls-only", Key="a")
    s3.delete_bucket(Bucket="tls-only")

"""What is not signed does not run, list or create anything; what only needs TLS works on loopback."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.unsigned_operations import NAMED, unsigned_requests
from whatschat_ops.local import admission
from whatschat_ops.local.control import modules
from whatschat_ops.local.control.caller import service_of

pytestmark = pytest.mark.local


def request(
    aws: EmbeddedAws, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of an unsigned request."""
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=60)
    try:
        connection.request(method, path, body or None, headers=dict(headers or {}))
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


@pytest.fixture(scope="module")
def private_bucket(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """A bucket without a policy, with the object `key`."""
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=NAMED["Bucket"])
    s3.put_object(Bucket=NAMED["Bucket"], Key=NAMED["Key"], Body=b"private")
    yield NAMED["Bucket"]
    s3.delete_object(Bucket=NAMED["Bucket"], Key=NAMED["Key"])
    s3.delete_bucket(Bucket=NAMED["Bucket"])


@pytest.mark.aws(
    "botocore's service models: `authtype` of the operations; SNS developer guide: links to (un)subscribe"
)
def test_operation_of_any_service_is_served_unsigned_only_where_aws_does(
    embedded_aws: EmbeddedAws, private_bucket: str
) -> None:
    loaded = modules.load()
    registry = loaded.app.SERVICE_REGISTRY
    served = frozenset(registry).union(*(service.get("aliases", ()) for service in registry.values()))
    passed, rejected = [], set()
    for each in unsigned_requests(served):
        received = each.received()
        if admission.rejection(received, service_of(loaded, received)) is None:
            passed.append(each)
        else:
            rejected.add((each.service, each.operation))
            assert not (each.is_served_unsigned and each.service in UNSIGNED_SERVICES), each
    assert len(rejected) > 6000
    leaked = [
        f"{each.service} {each.operation}"
        for each in passed
        if request(embedded_aws, each.method, f"{each.path}?{each.query}", each.headers, each.body)[0] < 400
        and not each.is_served_unsigned
    ]
    assert leaked == ["sns Unsubscribe"]


UNSIGNED_SERVICES: Final = ("cognito-identity", "cognito-idp", "sts")
SUBRESOURCES: Final = (
    "",
    "acl",
    "delete",
    "policy",
    "uploads",
    "versioning",
    "x-id=any",
    "Action=GetObject",
    "list-type=2",
)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"
)
def test_private_bucket_is_closed_to_unsigned_requests_of_every_kind(
    embedded_aws: EmbeddedAws, private_bucket: str
) -> None:
    for method, path, query, authorization in itertools.product(
        ("GET", "HEAD", "PUT", "POST", "DELETE"),
        (f"/{private_bucket}", f"/{private_bucket}/key", f"//{private_bucket}/key"),
        SUBRESOURCES,
        ({}, {"Authorization": "Bearer token"}, {"X-Amz-Target": "AmazonSQS.ListQueues"}),
    ):
        status = request(embedded_aws, method, f"{path}?{query}", authorization)[0]
        assert status >= 400, (method, path, query, authorization)
    assert embedded_aws.client("s3").get_object(Bucket=private_bucket, Key="key")["Body"].read() == b"private"


@pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html")
@pytest.mark.parametrize(
    ("query", "authorization"),
    [
        ("X-Amz-Credential=KEY/20260101/us-east-1/monitoring/aws4_request&X-Amz-Signature=0", ""),
        ("X-Amz-Credential=test/20260101/us-east-1/monitoring/aws4_request&X-Amz-Signature=0", ""),
        ("AWSAccessKeyId=KEY&Signature=0", ""),
        ("", "AWS KEY:0"),
        ("", "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/imds/aws4_request, Signature=0"),
        ("", "AWS4-ECDSA-P256-SHA256 Credential=KEY/20260101/monitoring/aws4_request, Signature=0"),
    ],
)
def test_pretended_signature_opens_nothing(
    embedded_aws: EmbeddedAws, private_bucket: str, query: str, authorization: str
) -> None:
    key = embedded_aws.access_key_id
    for method, path, host in (
        ("POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", "localhost"),
        ("POST", "/getAccountInformation", "account.us-east-1.amazonaws.com"),
        ("GET", "/clusters", "localhost"),
        ("GET", "/v2/apis", "localhost"),
        ("GET", f"/{private_bucket}/key", "localhost"),
        ("GET", "/", "localhost"),
        ("GET", "/v2/credentials/any", "localhost"),
    ):
        headers = {"Host": host, "Authorization": authorization.replace("KEY", key)}
        status = request(embedded_aws, method, f"{path}?{query.replace('KEY', key)}", headers)[0]
        assert status >= 400, path


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html, ShareObjectPreSignedURL.html"
)
def test_policy_and_presigned_link_open_an_object_and_nothing_else(
    embedded_aws: EmbeddedAws, private_bucket: str
) -> None:
    s3 = embedded_aws.client("s3")
    link = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": private_bucket, "Key": "key"}))
    assert request(embedded_aws, "GET", f"{link.path}?{link.query}")[::2] == (200, "private")
    s3.put_public_access_block(
        Bucket=private_bucket,
        PublicAccessBlockConfiguration={"BlockPublicPolicy": False, "RestrictPublicBuckets": False},
    )
    resource = f"arn:aws:s3:::{private_bucket}/key"
    opened = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [opened]})
    s3.put_bucket_policy(Bucket=private_bucket, Policy=policy)
    assert request(embedded_aws, "GET", f"/{private_bucket}/key")[::2] == (200, "private")
    for method, path in (("PUT", f"/{private_bucket}/key"), ("GET", f"/{private_bucket}"), ("GET", "/")):
        assert request(embedded_aws, method, path)[0] == 403
    s3.delete_bucket_policy(Bucket=private_bucket)
    assert request(embedded_aws, "GET", f"/{private_bucket}/key")[0] == 403


@pytest.mark.difference(
    "SQS", aws="a policy can open a queue to requests without a signature", here="they are refused with 403"
)
def test_queue_is_closed_to_unsigned_requests_whatever_its_policy(embedded_aws: EmbeddedAws) -> None:
    sqs = embedded_aws.client("sqs")
    url = sqs.create_queue(QueueName="unsigned-open")["QueueUrl"]
    arn = f"arn:aws:sqs:{embedded_aws.region}:{embedded_aws.account_id}:unsigned-open"
    opened = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [opened]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
    body = json.dumps({"QueueUrl": url, "MessageBody": "x"}).encode()
    assert request(embedded_aws, "POST", "/", headers, body)[0] == 403
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.difference(
    "ECR", aws="`docker push` and `docker pull` of images", here="there is no registry: 404"
)
@pytest.mark.parametrize("authorization", ["", "Bearer token", "Basic QVdTOng=", "AWS4-HMAC-SHA256 nothing"])
@pytest.mark.parametrize(
    "path", ["/v2/credentials/any", "/latest/meta-data/", "/v4/abcdefgh/task", "/v2/any/manifests/latest"]
)
def test_metadata_and_registries_are_not_at_this_address(
    embedded_aws: EmbeddedAws, path: str, authorization: str
) -> None:
    assert request(embedded_aws, "GET", path, {"Authorization": authorization})[0] == 404


UNSIGNED: Final = [
    ("GET", "/", 403),  # S3 ListBuckets
    ("PUT", "/a-new-bucket", 403),  # S3 CreateBucket
    ("GET", "/a-bucket/key", 404),  # its policy may allow it: NoSuchBucket
    ("POST", "/", 405),  # S3: the method is not allowed against this resource
    ("GET", "/clusters", 403),  # ECS
    ("GET", "/v2/apis", 403),  # API Gateway
    ("GET", "/2015-03-31/functions/", 403),  # Lambda
    ("POST", "/2015-03-31/functions/absent/invocations", 403),
    ("GET", "/latest/meta-data/iam/security-credentials/", 404),  # instance metadata
    ("GET", "/_ministack/lambda-code/absent", 403),  # a code link without its signature
    ("POST", "/_ministack/reset", 404),
    ("GET", "/_whatschat/health", 200),
    ("GET", "WEBSOCKET", 426),
    ("POST", "WEBSOCKET/%40connections/R0oXAdfD0kwCH6w%3D", 403),
]
"""Method, path and status of unsigned requests; WEBSOCKET is the path of a stage."""
HOSTS: Final = {
    "127.0.0.1": True,
    "127.0.0.1:4566": True,
    "localhost": True,
    "a.b.localhost:4566": True,
    "s3.us-east-1.amazonaws.com": True,
    "rebound.example": False,
    "127.0.0.1.rebound.example": False,
    "amazonaws.com.rebound.example": False,
    "192.168.0.1": False,
    "[::1]": False,
}
"""Name -> whether it is this machine or AWS."""


@pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html")
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("method", "path", "status"), UNSIGNED)
def test_matrix_of_unsigned_requests_and_hosts(
    embedded_aws: EmbeddedAws, websocket_endpoint: str, method: str, path: str, status: int, host: str
) -> None:
    path = path.replace("WEBSOCKET", urlsplit(websocket_endpoint).path)
    found = request(embedded_aws, method, path, {"Host": host, "Content-Length": "0"})[0]
    assert found == (status if HOSTS[host] else 403)


def answer_to(aws: EmbeddedAws, sent: str) -> bytes:
    """The status line of the answer to these bytes, which may be less than a request."""
    with socket.create_connection(("127.0.0.1", aws.port), timeout=60) as connection:
        connection.sendall(sent.encode())
        answered = b""
        while b"\r\n" not in answered and (received := connection.recv(4096)):
            answered += received
        return answered.partition(b"\r\n")[0]


SIGNED: Final = "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request"


@pytest.mark.aws("https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html")
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", "Content-Length: 1000000000", 403),
        ("/", "Content-Length: 1000000000\r\nX-Amz-Target: AmazonSQS.SendMessage", 403),
        ("/bucket/key", "Content-Length: 1000000000", 403),
        ("/", f"Content-Length: 1000000000\r\n{SIGNED.format(key='AKIAUNKNOWN')}", 403),
        ("/", "Transfer-Encoding: chunked", 411),
        ("/_aws/execute-api/a1/s/%40connections/x", "Content-Length: 1000000000", 403),
        ("/_aws/execute-api/a1/s/path", "Content-Length: 1000000000", 413),
        ("/_aws/lambda-url/x/", "Content-Length: 1000000000", 413),
    ],
)
def test_large_body_without_a_known_key_is_refused_before_it_is_sent(
    embedded_aws: EmbeddedAws, path: str, headers: str, status: int
) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n"
    assert answer_to(embedded_aws, head).startswith(b"HTTP/1.1 %d " % status)


def test_health_cannot_be_read_by_scripts_of_a_web_page(embedded_aws: EmbeddedAws) -> None:
    status, headers, _ = request(
        embedded_aws, "GET", "/_whatschat/health", {"Origin": "https://page.example"}
    )
    assert status == 200
    assert "access-control-allow-origin" not in headers


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
def test_unsigned_requests_list_and_create_nothing(embedded_aws: EmbeddedAws) -> None:
    target = {"X-Amz-Target": "any"}
    for method, path, headers in (
        ("GET", "/", {}),
        ("GET", "/", target),
        ("GET", "/?Action=any", {"Host": "s3.amazonaws.com"}),
        ("PUT", "/unsigned-bucket", {}),
        ("PUT", "/unsigned-bucket", target),
        ("PUT", "/unsigned-bucket?x-id=CreateBucket", {}),
        ("PUT", "//unsigned-bucket", {}),
        ("PUT", "/", {"Host": "unsigned-bucket.s3.amazonaws.com"}),
        ("GET", "/clusters", {}),
        ("GET", "/%63lusters", {}),
        ("POST", "/clusters", target),
        ("POST", "/v20180820/tags/arn:aws:s3:::any", {}),
        ("POST", "/2021-01-01/domain", {}),
    ):
        assert request(embedded_aws, method, path, headers)[0] == 403
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


@pytest.mark.aws("Lambda API reference, LayerVersionContentOutput")
def test_content_of_a_layer_needs_its_signed_link(embedded_aws: EmbeddedAws, zipped_handler: bytes) -> None:
    client = embedded_aws.client("lambda")
    made = client.publish_layer_version(LayerName="unsigned-layer", Content={"ZipFile": zipped_handler})
    shown = client.get_layer_version(LayerName="unsigned-layer", VersionNumber=made["Version"])
    by_arn = client.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
    for each in (made, shown, by_arn):
        link = urlsplit(each["Content"]["Location"])
        assert request(embedded_aws, "GET", f"{link.path}?{link.query}")[0] == 200
        assert request(embedded_aws, "GET", link.path)[0] == 403


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html")
def test_large_form_is_read_only_with_a_known_key_before_its_file(
    embedded_aws: EmbeddedAws, private_bucket: str
) -> None:
    s3, size_bytes = embedded_aws.client("s3"), 2 * admission.MAX_UNSIGNED_BODY_BYTES
    fields = s3.generate_presigned_post(private_bucket, "form")["fields"]
    status, _, _ = request(embedded_aws, "POST", f"/{private_bucket}", FORM, form(fields, size_bytes))
    assert (status, s3.head_object(Bucket=private_bucket, Key="form")["ContentLength"]) == (204, size_bytes)
    s3.delete_object(Bucket=private_bucket, Key="form")
    unknown = {"key": "form", "x-amz-credential": "AKIAUNKNOWN/20260101/us-east-1/s3/aws4_request"}
    for each in ({"key": "form"}, unknown):
        head = form(each, admission.MAX_FORM_HEAD_BYTES)
        sent = (
            f"POST /{private_bucket} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
        )
        sent += f"Content-Length: 1000000000\r\n\r\n{head.decode()}"
        assert answer_to(embedded_aws, sent).startswith(b"HTTP/1.1 403 ")


FORM: Final = {"Content-Type": "multipart/form-data; boundary=b"}


def form(fields: Mapping[str, str], size_bytes: int) -> bytes:
    """A form with a file of that size at its end."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields
    ]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    return "".join([*parts, file, "x" * size_bytes, "\r\n--b--\r\n"]).encode()


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


@pytest.mark.aws(
    "https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html"
)
def test_credentials_of_an_identity_pool_need_a_guest_pool_and_a_role(embedded_aws: EmbeddedAws) -> None:
    cognito = embedded_aws.client("cognito-identity")
    iam = embedded_aws.client("iam")
    pool = cognito.create_identity_pool(IdentityPoolName="guests", AllowUnauthenticatedIdentities=True)
    pool_id = pool["IdentityPoolId"]
    identity = cognito.get_id(IdentityPoolId=pool_id)["IdentityId"]
    with pytest.raises(cognito.exceptions.InvalidIdentityPoolConfigurationException):
        cognito.get_credentials_for_identity(IdentityId=identity)
    principal = {"Federated": "cognito-identity.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="guests", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    cognito.set_identity_pool_roles(IdentityPoolId=pool_id, Roles={"unauthenticated": role})
    found = cognito.get_credentials_for_identity(IdentityId=identity)["Credentials"]
    guest = embedded_aws.client_as(
        found["AccessKeyId"], found["SecretKey"], "sts", session_token=found["SessionToken"]
    )
    assert ":assumed-role/guests/" in guest.get_caller_identity()["Arn"]
    with pytest.raises(cognito.exceptions.ResourceNotFoundException):
        cognito.get_credentials_for_identity(IdentityId=f"us-east-1:{'0' * 8}-0000-0000-0000-{'0' * 12}")
    cognito.update_identity_pool(
        IdentityPoolId=pool_id, IdentityPoolName="guests", AllowUnauthenticatedIdentities=False
    )
    with pytest.raises(cognito.exceptions.NotAuthorizedException, match="Unauthenticated access"):
        cognito.get_id(IdentityPoolId=pool_id)
    cognito.delete_identity_pool(IdentityPoolId=pool_id)
    iam.delete_role(RoleName="guests")

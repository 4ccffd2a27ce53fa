"""Which requests no service sees: the matrix of signature x path, and of host names."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from whatschat_ops.local.admission import (
    MAX_FORM_HEAD_BYTES,
    MAX_OBJECT_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_SIGNED_BODY_BYTES,
    MAX_UNSIGNED_BODY_BYTES,
    access_key,
    form_rejection,
    head_rejection,
    is_form_for_bucket,
    is_known_host,
    rejection,
)
from whatschat_ops.local.control import code_links, modules
from whatschat_ops.local.control.caller import service_of
from whatschat_ops.local.interfaces import HttpRequest

HERE = {"host": "127.0.0.1:4566"}
SIGNED = {**HERE, "authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request"}
FORM = "application/x-www-form-urlencoded"


def request(
    method: str, path: str, query: str = "", headers: Mapping[str, str] = HERE, body: bytes = b""
) -> HttpRequest:
    """A request as the router has it."""
    sent = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return HttpRequest(method, path, query, sent, body, "127.0.0.1")


def status(each: HttpRequest) -> int | None:
    """With which it is rejected, or None. No access key is known."""
    rejected = head_rejection(each, lambda key: False) or rejection(each, service_of(modules.load(), each))
    return rejected.status if rejected else None


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", 403),  # ListBuckets
        ("PUT", "/bucket", 403),  # CreateBucket
        ("PUT", "/bucket/", 403),
        ("GET", "/clusters", 403),
        ("POST", "/Tasks/1", 403),
        ("GET", "//clusters", 403),
        ("GET", "/%63lusters", 403),
        ("POST", "/v20180820/tags/bucket", 403),
        ("POST", "/2021-01-01/opensearch/domain", 403),
        ("POST", "/BatchExecute", 403),
        ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", 403),
        ("POST", "/getAccountInformation", 403),
        ("GET", "/iceberg/v1/config", 403),
        ("GET", "/oidc/any", 403),
        ("PUT", "/bucket/key", None),  # the bucket's policy may allow it
        ("GET", "/bucket", None),
        ("GET", "/clustersbucket", 403),  # ministack would take it for ECS
        ("GET", "/my-clusters", None),
        ("POST", "/", None),  # S3 rejects it: the method is not allowed
        ("GET", "/oauth2/authorize", None),  # Cognito's sign-in
        ("GET", "/us-east-1_pool/.well-known/jwks.json", None),
        ("GET", "/_aws/execute-api/a1/stage/path", None),
    ],
)
def test_unsigned_request(method: str, path: str, expected: int | None) -> None:
    assert status(request(method, path)) == expected
    assert status(request(method, path, headers={**HERE, "authorization": "Bearer token"})) == expected
    assert status(request(method, path, headers=SIGNED)) is None
    assert status(request(method, path, "X-Amz-Credential=A/1/2/s3/4&X-Amz-Signature=0")) is None


@pytest.mark.aws("botocore's service models: `authtype` of the operations")
@pytest.mark.parametrize(
    ("query", "target", "form", "expected"),
    [
        ("", "AWSCognitoIdentityProviderService.SignUp", "", None),
        ("", "AmazonSQS.SendMessage", "", None),  # SQS rejects it in its own words
        ("", "DynamoDB_20120810.ListTables", "", 403),
        ("", "KinesisAnalytics_20180523.ListApplications", "", 403),
        ("", "any", "", None),  # S3 rejects it
        ("Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "", "", None),
        ("Action=ListUsers&Version=2010-05-08", "", "", 403),
        ("", "", "Action=AssumeRoleWithSAML&Version=2011-06-15", None),
        ("", "", "Action=CreateUser&Version=2010-05-08", 403),
        ("", "", "no=operation", 403),
    ],
)
def test_unsigned_operation_is_for_a_service_that_has_some(
    query: str, target: str, form: str, expected: int | None
) -> None:
    headers = {
        **HERE,
        **({"x-amz-target": target} if target else {}),
        **({"content-type": FORM} if form else {}),
    }
    assert status(request("POST", "/", query, headers, form.encode())) == expected


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/bucket"), ("POST", "/clusters")])
def test_name_of_an_operation_opens_no_other_request(method: str, path: str) -> None:
    assert status(request(method, path, headers={**HERE, "x-amz-target": "any"})) == 403
    assert status(request(method, path, "Action=any")) == 403 or (method, path) == ("PUT", "/bucket")


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/",
        "/latest/api/token",
        "/computeMetadata/v1/",
        "/v2/credentials/any",
        "/v4/token/task",
        "/v2/image/manifests/latest",
        "/_ministack/reset",
        "/%5Fministack/config",
        "//_ministack/reset",
        "/_aws/ses/messages",
        "/health",
    ],
)
def test_metadata_and_paths_of_ministack_are_not_at_this_address(path: str) -> None:
    assert status(request("GET", path, headers=SIGNED)) == 404


@pytest.mark.parametrize(
    ("authorization", "query", "key"),
    [
        (
            "AWS4-HMAC-SHA256 Credential=AKIA/20260101/r/s/aws4_request, SignedHeaders=host, Signature=0",
            "",
            "AKIA",
        ),
        ("AWS4-ECDSA-P256-SHA256 Credential=AKIA/20260101/s3/aws4_request, Signature=0", "", "AKIA"),
        ("AWS AKIA:signature", "", "AKIA"),
        ("", "X-Amz-Credential=AKIA%2F20260101%2Fr%2Fs3%2Faws4_request&X-Amz-Signature=0", "AKIA"),
        ("", "X-Amz-Credential=AKIA%2F20260101%2Fr%2Fs3%2Faws4_request", ""),
        ("", "AWSAccessKeyId=AKIA&Signature=0", "AKIA"),
        ("", "Signature=0", ""),
        ("Bearer Credential=AKIA/1", "", ""),
        ("AWS4-HMAC-SHA256 nothing", "", ""),
    ],
)
def test_access_key_is_that_of_a_signature(authorization: str, query: str, key: str) -> None:
    assert access_key(request("GET", "/", query, {**HERE, "authorization": authorization})) == key


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:4566", True),
        ("localhost", True),
        ("LOCALHOST:4566", True),
        ("bucket.s3.localhost:4566", True),
        ("a1.execute-api.us-east-1.amazonaws.com", True),
        ("dynamodb.cn-north-1.amazonaws.com.cn", True),
        ("x.lambda-url.us-east-1.on.aws", True),
        ("", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("evil-amazonaws.com", False),
        ("notlocalhost", False),
        ("amazonaws.com.evil.example:4566", False),
        ("127.0.0.1:4566\n", False),
    ],
)
def test_host_is_this_machine_or_aws(host: str, known: bool) -> None:
    assert is_known_host(host) is known
    assert (status(request("GET", "/bucket/key", headers={**SIGNED, "host": host})) is None) is known


def form(method: str, path: str, size_bytes: int, host: str = HERE["host"]) -> HttpRequest:
    """The head of an unsigned form."""
    content_type = "multipart/form-data; boundary=b"
    return request(
        method,
        path,
        headers={"host": host, "content-type": content_type, "content-length": str(size_bytes)},
    )


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html")
@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/bucket", "127.0.0.1:4566"),
        ("/bucket/", "127.0.0.1:4566"),
        ("/", "bucket.s3.us-east-1.amazonaws.com"),
        ("/", "bucket.s3.localhost:4566"),
        ("/", "bucket.localhost:4566"),
    ],
)
def test_form_for_a_bucket_has_its_signature_in_the_body(path: str, host: str) -> None:
    large = form("POST", path, MAX_PAYLOAD_BYTES + 1, host)
    assert is_form_for_bucket(large)
    assert head_rejection(large, lambda key: False) is None
    assert status(form("PUT", path, MAX_PAYLOAD_BYTES + 1, host)) == 403


@pytest.mark.aws(
    "S3 API reference, PutObject: 5 GB; recorded: github.com/localstack/docs/pull/933, Lambda: 70167211 bytes"
)
@pytest.mark.parametrize(
    ("service", "limit_bytes"), [("s3", MAX_OBJECT_BYTES), ("lambda", MAX_SIGNED_BODY_BYTES)]
)
def test_body_of_a_known_key_has_a_limit_too(service: str, limit_bytes: int) -> None:
    authorization = f"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{service}/aws4_request"
    for size_bytes, expected in ((limit_bytes, None), (limit_bytes + 1, 413)):
        headers = {**HERE, "authorization": authorization, "content-length": str(size_bytes)}
        rejected = head_rejection(request("PUT", "/any", headers=headers), lambda key: True)
        assert (rejected.status if rejected else None) == expected


def field(name: str, value: str) -> bytes:
    """A part of a form."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


@pytest.mark.aws(
    "S3 API reference, RESTObjectPOST: the file is the last field; error MaxPostPreDataLengthExceeded: 20 KB"
)
@pytest.mark.parametrize(
    ("head", "is_accepted"),
    [
        (field("X-Amz-Credential", "KNOWN/20260101/us-east-1/s3/aws4_request"), True),
        (field("AWSAccessKeyId", "KNOWN"), True),
        (field("X-Amz-Credential", "OTHER/20260101/us-east-1/s3/aws4_request"), False),
        (field("key", "name=X-Amz-Credential KNOWN"), False),
        (field("padding", "x" * MAX_FORM_HEAD_BYTES) + field("AWSAccessKeyId", "KNOWN"), False),
        (b"", False),
    ],
)
def test_large_form_needs_a_known_key_before_its_file(head: bytes, is_accepted: bool) -> None:
    rejected = form_rejection(head, lambda key: key == "KNOWN")
    assert (rejected.status if rejected else None) == (None if is_accepted else 403)


def test_form_for_anything_else_has_the_limits_of_other_requests() -> None:
    api = "/_aws/execute-api/a1/production/upload"
    assert status(form("POST", api, MAX_PAYLOAD_BYTES)) is None
    assert status(form("POST", api, MAX_PAYLOAD_BYTES + 1)) == 413
    assert status(form("POST", "/", MAX_PAYLOAD_BYTES + 1, "a1.execute-api.localhost")) == 413
    for path in ("/", "/2015-03-31/functions"):
        assert head_rejection(form("POST", path, MAX_UNSIGNED_BODY_BYTES), lambda key: False) is None
        assert status(form("POST", path, MAX_UNSIGNED_BODY_BYTES + 1)) == 403


def test_link_to_code_is_valid_for_ten_minutes_and_for_its_path() -> None:
    path, _, query = code_links.signed("/_ministack/lambda-code/f", 1000.0).partition("?")
    assert code_links.is_valid(path, query, 1000.0 + 599)
    assert not code_links.is_valid(path, query, 1000.0 + 600)
    assert not code_links.is_valid(f"{path}2", query, 1000.0)
    assert not code_links.is_valid(path, query.replace("Expires=1600", "Expires=1601"), 1000.0)
    assert not code_links.is_valid(path, "", 1000.0)
    assert not code_links.is_valid(path, "Expires=x&X-Amz-Signature=é", 1000.0)

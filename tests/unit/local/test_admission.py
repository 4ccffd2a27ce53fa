"""Which requests no service sees: the matrix of signature x path, and of host names."""

from __future__ import annotations

import pytest

from whatschat_ops.local.admission import (
    MAX_PAYLOAD_BYTES,
    MAX_UNSIGNED_BODY_BYTES,
    body_rejection,
    is_known_host,
    rejection,
)
from whatschat_ops.local.control import code_links

HERE = {"host": "127.0.0.1:4566"}
SIGNED = {**HERE, "authorization": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request"}


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
@pytest.mark.parametrize(
    ("method", "path", "status"),
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
        ("PUT", "/bucket/key", None),  # the bucket's policy may allow it
        ("GET", "/bucket", None),
        ("GET", "/clustersbucket", None),
        ("POST", "/", None),  # the service rejects it, in its own protocol
    ],
)
def test_unsigned_request(method: str, path: str, status: int | None) -> None:
    rejected = rejection(method, path, "", HERE)
    assert (rejected.status if rejected else None) == status
    assert rejection(method, path, "", SIGNED) is None
    assert rejection(method, path, "X-Amz-Credential=A&X-Amz-Signature=0", HERE) is None


def test_operations_in_a_query_are_left_to_their_service() -> None:
    assert rejection("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15", HERE) is None
    assert rejection("PUT", "/bucket", "policy", HERE) is None
    assert rejection("POST", "/", "", {**HERE, "x-amz-target": "AmazonSQS.SendMessage"}) is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/bucket"), ("POST", "/clusters")])
def test_name_of_an_operation_opens_no_other_request(method: str, path: str) -> None:
    assert rejection(method, path, "", {**HERE, "x-amz-target": "any"}) is not None


@pytest.mark.parametrize("path", ["/latest/meta-data/", "/latest/api/token", "/computeMetadata/v1/"])
def test_instance_metadata_is_not_at_this_address(path: str) -> None:
    rejected = rejection("GET", path, "", SIGNED)
    assert rejected is not None
    assert rejected.status == 404


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
    rejected = rejection("GET", "/bucket/key", "", {**SIGNED, "host": host})
    assert (rejected is None) is known


FORM = {**HERE, "content-type": "multipart/form-data; boundary=b"}


def form_status(
    method: str, path: str, size_bytes: int, host: str = HERE["host"], *, to_own_api: bool = False
) -> int | None:
    """The status with which an unsigned form is rejected, or None."""
    headers = {**FORM, "host": host, "content-length": str(size_bytes)}
    rejected = body_rejection(
        method, path, headers, "", is_known_key=lambda key: False, to_own_api=to_own_api
    )
    return rejected.status if rejected else None


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
    assert form_status("POST", path, MAX_PAYLOAD_BYTES + 1, host) is None
    assert form_status("PUT", path, MAX_PAYLOAD_BYTES + 1, host) == 403


def test_form_for_anything_else_has_the_limits_of_other_requests() -> None:
    api = "/_aws/execute-api/a1/production/upload"
    assert form_status("POST", api, MAX_PAYLOAD_BYTES, to_own_api=True) is None
    assert form_status("POST", api, MAX_PAYLOAD_BYTES + 1, to_own_api=True) == 413
    assert form_status("POST", "/", MAX_PAYLOAD_BYTES + 1, "a1.execute-api.localhost", to_own_api=True) == 413
    for path in ("/", "/2015-03-31/functions"):
        assert form_status("POST", path, MAX_UNSIGNED_BODY_BYTES) is None
        assert form_status("POST", path, MAX_UNSIGNED_BODY_BYTES + 1) == 403


def test_link_to_code_is_valid_for_ten_minutes_and_for_its_path() -> None:
    path, _, query = code_links.signed("/_ministack/lambda-code/f", 1000.0).partition("?")
    assert code_links.is_valid(path, query, 1000.0 + 599)
    assert not code_links.is_valid(path, query, 1000.0 + 600)
    assert not code_links.is_valid(f"{path}2", query, 1000.0)
    assert not code_links.is_valid(path, query.replace("Expires=1600", "Expires=1601"), 1000.0)
    assert not code_links.is_valid(path, "", 1000.0)
    assert not code_links.is_valid(path, "Expires=x&X-Amz-Signature=é", 1000.0)

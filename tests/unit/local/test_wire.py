"""What a request or response shows regardless of its service."""

from __future__ import annotations

import json

import pytest

from whatschat_ops.local.control import wire

HEADER = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/chime/aws4_request, SignedHeaders=host, Signature=0"
)


@pytest.mark.parametrize(
    ("authorization", "query", "service"),
    [
        (HEADER, "", "chime"),
        ("", "X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fexecute-api%2Faws4_request", "execute-api"),
        ("Bearer token", "", None),
        ("AWS4-HMAC-SHA256 Credential=AKIA", "", None),
        ("", "", None),
    ],
)
def test_signed_service(authorization: str, query: str, service: str | None) -> None:
    assert wire.signed_service(authorization, query) == service


@pytest.mark.parametrize(
    ("raw_path", "host", "expected"),
    [
        (
            "/_aws/execute-api/a1/production/@connections/L0SM%3D",
            "127.0.0.1:4566",
            ("a1", "production", "L0SM="),
        ),
        (
            "/_aws/execute-api/a1/production/%40connections/x%2Fy",
            "127.0.0.1:4566",
            ("a1", "production", "x/y"),
        ),
        (
            "/production/@connections/L0=",
            "a1.execute-api.us-east-1.amazonaws.com",
            ("a1", "production", "L0="),
        ),
        ("/_aws/execute-api/a1/production/other/L0", "127.0.0.1:4566", None),
        ("/_aws/execute-api/a1/production/@connections", "127.0.0.1:4566", None),
        ("/bucket/@connections/key", "127.0.0.1:4566", None),
    ],
)
def test_connection_path(raw_path: str, host: str, expected: tuple[str, str, str] | None) -> None:
    assert wire.connection_path(raw_path, host) == expected


@pytest.mark.parametrize(
    ("method", "path", "target", "body", "read_only"),
    [
        ("GET", "/v2/apis", "", b"", True),
        ("POST", "/v2/apis", "", b"{}", False),
        ("POST", "/", "DynamoDB_20120810.GetItem", b"{}", True),
        ("POST", "/", "DynamoDB_20120810.PutItem", b"{}", False),
        ("POST", "/", "DynamoDB_20120810.TransactWriteItems", b"{}", False),
        ("POST", "/", "", b"Action=ListUsers&Version=2010-05-08", True),
        ("POST", "/", "", b"UserName=a&Action=CreateUser", False),
        ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", "", b"\xa0", False),
        ("POST", "/service/GraniteServiceVersion20100801/operation/GetMetricData", "", b"\xa0", True),
        ("POST", "/2015-03-31/functions/f/invocations", "", b"{}", True),
        ("PUT", "/bucket/key", "", b"data", False),
    ],
)
def test_read_only_requests_are_told_from_writes(
    method: str, path: str, target: str, body: bytes, read_only: bool
) -> None:
    headers = {"x-amz-target": target} if target else {}
    assert wire.is_read_only(method, path, headers, body) is read_only


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"PolicyDocument=" + b"%7B" * 131_072 + b"&Action=CreatePolicy", "CreatePolicy"),
        (b"Description=a%26Action=ListUsers&Action=CreateUser", "CreateUser"),
        (b"Action=CreateUser&Action=ListUsers", "CreateUser"),  # ministack takes the first, too
        (b"Action=&%41ction=Create%55ser", "CreateUser"),
        (b"UserName=a\nb&Action=CreateUser", "CreateUser"),
        (b"x" * wire.MAX_FORM_BYTES + b"&Action=CreateUser", None),
        (b"\xff&&=Action&Action", None),
        (b"", None),
    ],
)
def test_operation_is_the_action_of_the_form(body: bytes, name: str | None) -> None:
    assert wire.operation("/", {}, body) == name


def test_endpoints_have_our_port() -> None:
    items = [
        {"apiId": "w", "protocolType": "WEBSOCKET", "apiEndpoint": "http://w.execute-api.x"},
        {"apiId": "h", "protocolType": "HTTP", "apiEndpoint": "http://h.execute-api.x"},
    ]
    for document in ({"items": items}, *items):
        response: wire.Response = (200, {"a": "b"}, json.dumps(document).encode())
        _, headers, body = wire.with_reachable_endpoints(response, "/v2/apis", 99)
        seen = json.loads(body)
        endpoints = [api["apiEndpoint"] for api in seen.get("items", [seen])]
        expected = [
            f"{'ws' if api['apiId'] == 'w' else 'http'}://127.0.0.1:99/_aws/execute-api/{api['apiId']}"
            for api in seen.get("items", [seen])
        ]
        assert endpoints == expected
        assert headers == {"a": "b"}


@pytest.mark.parametrize(
    ("status", "path", "body"),
    [(404, "/v2/apis/x", b'{"apiEndpoint": 1}'), (200, "/v2/domainnames", b"apiEndpoint")],
)
def test_other_responses_are_unchanged(status: int, path: str, body: bytes) -> None:
    response: wire.Response = (status, {}, body)
    assert wire.with_reachable_endpoints(response, path, 99) is response


@pytest.mark.parametrize(
    ("path", "target", "body", "query", "names"),
    [
        ("/", "DynamoDB_20120810.PutItem", b"{}", {}, ["PutItem"]),  # JSON
        ("/", "", b"Action=CreateUser", {}, ["CreateUser"]),  # query
        ("/", "", b"", {"Action": ["CreateUser"]}, ["CreateUser"]),
        ("/", "", b"Action=CreateUser", {"Action": ["GetUser"]}, ["CreateUser", "GetUser"]),
        ("/", "IAMService.GetUser", b"Action=CreateUser", {}, ["GetUser", "CreateUser"]),
        ("/service/S/operation/PutMetricData", "", b"\xa0", {}, ["PutMetricData"]),  # RPC v2
        ("/any/operation/PutMetricData", "", b"", {}, ["PutMetricData"]),
        ("/2015-03-31/functions", "", b"{}", {}, []),  # REST
        ("/bucket/key", "", b"x", {"acl": [""]}, []),
    ],
)
def test_operations_are_found_wherever_a_service_looks_for_them(
    path: str, target: str, body: bytes, query: dict[str, list[str]], names: list[str]
) -> None:
    headers = {"x-amz-target": target} if target else {}
    assert wire.operations(path, headers, body, query) == names
    assert wire.operation(path, headers, body, query) == (names[0] if names else None)


def test_text_in_a_json_body_is_no_operation() -> None:
    headers = {"x-amz-target": "AmazonSQS.SendMessage", "content-type": "application/x-amz-json-1.0"}
    assert wire.operations("/", headers, b'{"MessageBody": "a&Action=Purge"}', {}) == ["SendMessage"]


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("GET", "/", b"", "CreateUser"),
        ("POST", "/", b"", "CreateUser"),
        ("POST", "/", b"Action=CreateUser", "GetUser"),
        ("GET", "/000000000000/queue", b"", "SendMessage"),
        ("POST", "/2015-03-31/functions", b"", "GetFunction"),
        ("DELETE", "/bucket/key", b"", "GetObject"),
        ("POST", "/2015-03-31/functions", b"x&Action=GetFunction", ""),
    ],
)
def test_name_of_a_read_makes_no_other_request_a_read(
    method: str, path: str, body: bytes, query: str
) -> None:
    assert not wire.is_read_only(method, path, {}, body, {"Action": [query]} if query else {})


@pytest.mark.parametrize("name", wire.QUERY_SERVICES)
def test_services_with_the_query_protocol_are_those_of_the_models(name: str) -> None:
    from botocore import session

    model_name = {"documentdb": "docdb", "elasticloadbalancing": "elbv2", "monitoring": "cloudwatch"}.get(
        name, name
    )
    metadata = session.get_session().get_service_model(model_name).metadata
    protocols = {"ec2": "query"}.get(name) or metadata.get("protocols") or [metadata["protocol"]]
    assert "query" in protocols or name == "sqs"  # SQS has had it before JSON, and accepts it

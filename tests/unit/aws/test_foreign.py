"""What is AWS's answer and what is not: the rules, on models of botocore and answers as AWS documents them."""

from __future__ import annotations

import pytest
from botocore.session import Session

from whatschat_ops.aws.foreign import Operation, foreign

PAGE = b"<!DOCTYPE html><html><head><title>Corporate proxy</title></head><body>Log in</body></html>"
SESSION = Session()


def operation(service: str, name: str) -> Operation:
    return Operation.of(SESSION.get_service_model(service).operation_model(name))


READS = [
    ("dynamodb", "ListTables"), ("dynamodb", "Scan"), ("lambda", "ListFunctions"), ("lambda", "GetFunction"),
    ("apigatewayv2", "GetApis"), ("apigatewayv2", "CreateApi"), ("ssm", "GetParameter"), ("logs", "DescribeLogGroups"),
    ("stepfunctions", "ListStateMachines"), ("chime-sdk-meetings", "ListAttendees"), ("sso", "GetRoleCredentials"),
]  # fmt: skip
RUBBISH = [
    (b"{}", "an empty JSON object"),
    (b"null", "the JSON value null"),
    (b"[]", "the JSON value []"),
    (b'"hello"', 'the JSON value "hello"'),
    (b"", "an empty answer"),
    (b" \n", "an empty answer"),
    (PAGE, "an HTML page (Corporate proxy)"),
    (b"<html>", "an HTML page"),
    (b"<?xml version='1.0'?><x/>", "XML of another kind"),
    (b'{"Items": [', "JSON that ends early"),
    (b'{"hello": 1}', "a JSON object with none of its fields"),
    (b"It works!", "text that is no JSON"),
]


@pytest.mark.parametrize(("body", "expected"), RUBBISH)
def test_reading_operation_of_json_is_not_answered_by(body: bytes, expected: str) -> None:
    assert {foreign(operation(*name), 200, {}, body) for name in READS} == {expected}


@pytest.mark.parametrize(
    ("service", "name", "body"),
    [
        ("dynamodb", "ListTables", b'{"TableNames":[]}'),
        ("dynamodb", "GetItem", b"{}"),
        ("dynamodb", "PutItem", b"{}"),
        ("dynamodb", "DeleteItem", b"{}"),
        ("dynamodb", "TagResource", b""),
        ("lambda", "ListFunctions", b'{"Functions":[],"NextMarker":null}'),
        ("lambda", "GetFunctionConcurrency", b"{}"),
        ("lambda", "DeleteFunction", b""),
        ("lambda", "Invoke", b"null"),
        ("lambda", "Invoke", PAGE),
        ("apigatewayv2", "GetApis", b'{"items":[]}'),
        ("apigatewayv2", "DeleteApi", b""),
        ("apigatewaymanagementapi", "PostToConnection", b""),
        ("sts", "GetCallerIdentity", b"<GetCallerIdentityResponse/>"),
        ("s3", "GetObject", PAGE),
        ("s3", "PutObject", b""),
        ("s3", "ListObjectsV2", b"<ListBucketResult/>"),
    ],
)
def test_answer_of_aws_is_taken(service: str, name: str, body: bytes) -> None:
    assert foreign(operation(service, name), 200, {"x-amzn-RequestId": "0d1e"}, body) is None


@pytest.mark.parametrize(
    ("service", "name"), [("dynamodb", "GetItem"), ("lambda", "Invoke"), ("s3", "GetObject")], ids=str
)
def test_answer_that_may_hold_anything_has_the_id_of_its_request(service: str, name: str) -> None:
    assert (
        foreign(operation(service, name), 200, {"Server": "nginx"}, PAGE) == "an HTML page (Corporate proxy)"
    )
    assert foreign(operation(service, name), 200, {}, b"{}") == "an empty JSON object"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "an empty answer"),
        (PAGE, "an HTML page (Corporate proxy)"),
        (b"{}", "an empty JSON object"),
        (b"It works!", "text that is no JSON"),
    ],
)
@pytest.mark.parametrize("name", [("sts", "GetCallerIdentity"), ("iam", "GetRole")], ids=str)
def test_reading_operation_of_xml_is_not_answered_by(
    name: tuple[str, str], body: bytes, expected: str
) -> None:
    assert foreign(operation(*name), 200, {}, body) == expected


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (404, {}, PAGE, "an HTML page (Corporate proxy)"),
        (403, {}, b"", "an empty answer"),
        (404, {}, b"{}", "an empty JSON object"),
        (404, {}, b"404 page not found", "text that is no JSON"),
        (302, {"Location": "https://login.example/?token=x"}, b"", "a redirection to https://login.example/"),
        (301, {}, b"", "an empty answer"),
        (407, {}, PAGE, "an HTML page (Corporate proxy)"),
        (503, {}, PAGE, "an HTML page (Corporate proxy)"),
        (404, {}, b'{"message":"Not Found"}', None),
        (400, {}, b'{"__type":"com.amazonaws#ResourceNotFoundException"}', None),
        (404, {"x-amzn-ErrorType": "NotFoundException"}, b"", None),
        (403, {}, b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", None),
    ],
)
def test_error_is_awss_if_it_names_itself(
    status: int, headers: dict[str, str], body: bytes, expected: str | None
) -> None:
    assert foreign(operation("lambda", "GetFunction"), status, headers, body) == expected


@pytest.mark.parametrize("status", [301, 403, 404])
def test_request_without_a_body_in_its_answer_is_judged_by_its_status(status: int) -> None:
    assert foreign(operation("s3", "HeadBucket"), status, {}, b"") is None

"""What the recorder of CloudTrail keeps, and how often it may be asked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from whatschat_ops.local.cloudtrail.events import HIDDEN
from whatschat_ops.local.cloudtrail.lookup import service
from whatschat_ops.local.cloudtrail.recorder import MAX_BODY_BYTES, MAX_CALLS, RETENTION_S, Caller, Recorder
from whatschat_ops.local.interfaces import Denial, HttpRequest, HttpResponse
from whatschat_ops.local.json_service import JsonService

SCOPE = ["AKIA1", "20261128", "us-east-1", "dynamodb", "aws4_request"]


@dataclass
class Clock:
    """Seconds that a test moves."""

    now: float = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class Anybody:
    """Allows everything."""

    def authorize(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        return None


def call(operation: str, body: bytes = b"{}") -> HttpRequest:
    headers = ((b"x-amz-target", f"DynamoDB_20120810.{operation}".encode()),)
    return HttpRequest("POST", "/", "", headers, body, "127.0.0.1")


def recorder(clock: Clock) -> Recorder:
    return Recorder(clock, lambda key: Caller(key, f"arn:aws:iam::0:user/{key}") if key != "AKIA0" else None)


def looked_up(trail: JsonService, **given: object) -> tuple[int, dict[str, Any]]:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIA1/20261128/us-east-1/cloudtrail/aws4_request, Signature=0"
    )
    headers = ((b"x-amz-target", b"C.LookupEvents"), (b"authorization", authorization.encode()))
    request = HttpRequest("POST", "/", "", headers, json.dumps(given).encode(), "127.0.0.1")
    answer = asyncio.run(trail.handle(request))
    return answer.status, json.loads(answer.body)


def test_the_newest_calls_of_the_last_ninety_days_are_kept() -> None:
    clock = Clock()
    kept = recorder(clock)
    for _ in range(MAX_CALLS + 1):
        kept.record(SCOPE, call("ListTables"), HttpResponse(200))
    assert len(list(kept.newest_first("us-east-1"))) == MAX_CALLS
    assert list(kept.newest_first("eu-west-1")) == []
    clock.now += RETENTION_S + 1
    kept.record(SCOPE, call("CreateTable"), HttpResponse(200))
    assert [each.operation for each in kept.newest_first("us-east-1")] == ["CreateTable"]


@pytest.mark.parametrize(
    ("scope", "request_", "response"),
    [
        (SCOPE, call("PutItem"), HttpResponse(200)),
        (["AKIA0", *SCOPE[1:]], call("CreateTable"), HttpResponse(400)),
        (SCOPE, call("CreateTable"), HttpResponse(400, b'{"__type": "InvalidSignatureException"}')),
        (SCOPE, HttpRequest("POST", "/", "", (), b"", "127.0.0.1"), HttpResponse(400)),
    ],
)
def test_data_calls_and_callers_that_are_not_known_are_not_recorded(
    scope: list[str], request_: HttpRequest, response: HttpResponse
) -> None:
    kept = recorder(Clock())
    kept.record(scope, request_, response)
    assert list(kept.newest_first("us-east-1")) == []


def test_a_third_lookup_within_a_second_is_throttled() -> None:
    clock = Clock()
    trail = service(recorder(clock), Anybody(), clock)
    assert [looked_up(trail)[0] for _ in range(3)] == [200, 200, 400]
    _, document = looked_up(trail)
    assert dict(document) == {"__type": "ThrottlingException", "message": "Rate exceeded"}
    clock.now += 0.5
    assert looked_up(trail) == (200, {"Events": []})


@pytest.mark.parametrize("given", ["StartTime", "EndTime"])
def test_lookup_with_a_time_as_text_is_refused(given: str) -> None:
    clock = Clock()
    trail = service(recorder(clock), Anybody(), clock)
    status, document = looked_up(trail, **{"StartTime": 1, "EndTime": 2, given: "2026-11-28T20:00:00Z"})
    assert (status, document["__type"]) == (400, "SerializationException")


def test_error_in_any_form_is_in_the_event() -> None:
    clock = Clock()
    kept = recorder(clock)
    for response in (
        HttpResponse(400, b'{"__type": "com.amazon#ResourceNotFoundException", "message": "no table"}'),
        HttpResponse(404, b"<Error><Code>NoSuchEntity</Code><Message>no role</Message></Error>"),
        HttpResponse(500, b"?"),
    ):
        kept.record(SCOPE, call("CreateTable", b'{"TableName": "t"}'), response)
    _, document = looked_up(service(kept, Anybody(), clock))
    errors = [json.loads(str(event["CloudTrailEvent"])) for event in document["Events"]]
    assert [(error["errorCode"], error["errorMessage"]) for error in errors] == [
        ("500", ""),
        ("NoSuchEntity", "no role"),
        ("ResourceNotFoundException", "no table"),
    ]
    assert errors[0]["requestParameters"] == {"tableName": "t"}


@pytest.mark.parametrize(
    "name",
    [
        "Parameters.member.1.ParameterValue",
        "Attributes.entry.1.value",
        "Environment.Variables.entry.1.value",
        "Environment.Variables.KEY",
        "WebIdentityToken",
        "SAMLAssertion",
    ],
)
def test_secret_in_a_form_is_hidden(name: str) -> None:
    body = urlencode({"Action": "CreateStack", "StackName": "s", name: "secret"}).encode()
    headers = ((b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),)
    assert shown(HttpRequest("POST", "/", "", headers, body, "127.0.0.1")) == {
        "stackName": "s",
        name[0].lower() + name[1:]: HIDDEN,
    }


@pytest.mark.parametrize(
    "secret",
    [
        {"Input": "secret"},
        {"input": "secret"},
        {"Parameters": [{"ParameterValue": "secret"}]},
        {"Function": {"Environment": {"Variables": {"KEY": "secret"}}}},
        {"Project": {"environmentVariables": [{"name": "KEY", "value": "secret"}]}},
    ],
)
def test_secret_in_a_document_is_hidden(secret: dict[str, Any]) -> None:
    parameters = shown(call("CreateTable", json.dumps({"name": "n", **secret}).encode()))
    assert parameters["name"] == "n"
    assert HIDDEN in json.dumps(parameters)
    assert "secret" not in json.dumps(parameters)


def shown(request: HttpRequest) -> dict[str, Any]:
    """The parameters of a request in its event."""
    clock = Clock()
    kept = recorder(clock)
    kept.record(SCOPE, request, HttpResponse(200))
    _, document = looked_up(service(kept, Anybody(), clock))
    parameters: dict[str, Any] = json.loads(document["Events"][0]["CloudTrailEvent"])["requestParameters"]
    return parameters


def test_long_bodies_are_not_kept() -> None:
    kept = recorder(Clock())
    long = b"x" * (MAX_BODY_BYTES + 1)
    kept.record(SCOPE, call("CreateTable", long), HttpResponse(400, long))
    (recorded,) = kept.newest_first("us-east-1")
    assert (recorded.request.body, recorded.response_body) == (b"", b"")

"""Conversion of ministack's records to the types of the gateway and the executor; the resource policy of a function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.local.control import function_policy, records
from whatschat_ops.local.interfaces import Throttle

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:connect"
ALIAS = f"{FUNCTION}:live"
APIGATEWAY = "apigateway.amazonaws.com"
SOURCE = "arn:aws:execute-api:us-east-1:000000000000:abcd1234/production/$connect"


def permission(**overrides: Any) -> dict[str, Any]:
    """A statement in the form in which Lambda's AddPermission creates it for API Gateway."""
    return {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ALIAS,
        "Condition": {
            "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:abcd1234/*/$connect"}
        },
        **overrides,
    }


def source_arn(operator: str, pattern: str) -> dict[str, Any]:
    return {operator: {"aws:SourceArn": pattern}}


@pytest.mark.aws("IAM user guide, reference_policies_elements.html")
@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (permission(), True),
        (permission(Condition={}), True),
        (permission(Principal="*"), True),
        (permission(Principal={"Service": "events.amazonaws.com"}), False),
        (permission(Principal={"AWS": "arn:aws:iam::000000000000:root"}), False),
        (permission(Action="lambda:*"), True),
        (permission(Action="lambda:GetFunction"), False),
        (permission(Resource=FUNCTION), False),
        (permission(Resource=f"{FUNCTION}:other"), False),
        (permission(Condition=source_arn("ArnLike", "arn:aws:execute-api:*:*:abcd1234/*")), True),
        (permission(Condition=source_arn("ArnLike", "arn:aws:execute-api:*:*:*")), True),
        (permission(Condition=source_arn("ArnLike", "arn:*")), False),
        (permission(Condition=source_arn("StringLike", "arn:*abcd1234/*")), True),
        (permission(Condition=source_arn("ArnLike", "arn:aws:execute-api:*:*:other/*")), False),
        (permission(Condition=source_arn("ArnEquals", SOURCE)), True),
        (permission(Condition=source_arn("StringEquals", SOURCE)), True),
        (permission(Condition={"StringEquals": {"AWS:SourceAccount": "000000000000"}}), True),
        (permission(Condition={"StringEquals": {"AWS:SourceAccount": "111111111111"}}), False),
        (permission(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), False),
        (permission(Condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}), True),
        (permission(Condition={"NumericEquals": {"aws:SourceArn": SOURCE}}), False),
    ],
)
def test_resource_policy_statement_decides_as_iam_does(statement: dict[str, Any], allowed: bool) -> None:
    assert function_policy.allows([statement], APIGATEWAY, ALIAS, SOURCE) is allowed


@pytest.mark.aws("IAM user guide, reference_policies_evaluation-logic.html")
def test_no_statement_means_no_permission() -> None:
    assert function_policy.allows([], APIGATEWAY, ALIAS, SOURCE) is False


@pytest.mark.aws("IAM user guide, reference_policies_evaluation-logic.html")
def test_a_deny_beats_every_allow() -> None:
    assert (
        function_policy.allows([permission(), permission(Effect="Deny")], APIGATEWAY, ALIAS, SOURCE) is False
    )


@pytest.mark.aws("IAM user guide, reference_policies_elements.html")
@given(st.text(alphabet="abc.*?[]$/@-", max_size=12), st.text(alphabet="abc.[]$/@-", max_size=12))
def test_only_asterisk_and_question_mark_are_wildcards(pattern: str, text: str) -> None:
    literal = "*" not in pattern and "?" not in pattern
    condition = {"StringLike": {"aws:SourceArn": f"arn:aws:execute-api:r:0:{pattern}"}}
    allowed = function_policy.allows(
        [permission(Condition=condition)], APIGATEWAY, ALIAS, f"arn:aws:execute-api:r:0:{text}"
    )
    if literal:
        assert allowed == (pattern == text)
    elif pattern.strip("*") == "":
        assert allowed


@pytest.mark.parametrize(
    ("uri", "arn"),
    [
        (f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ALIAS}/invocations", ALIAS),
        (FUNCTION, FUNCTION),
        ("https://example.com", None),
        ("", None),
    ],
)
def test_function_of_an_integration_uri(uri: str, arn: str | None) -> None:
    assert records.integration_function_arn(uri) == arn


SNAPSHOT = {
    "routeSelectionExpression": "$request.body.type",
    "routes": {
        "r1": {"routeId": "r1", "routeKey": "$connect", "target": "integrations/i1"},
        "r2": {
            "routeId": "r2",
            "routeKey": "ping",
            "target": "integrations/gone",
            "authorizationType": "AWS_IAM",
        },
    },
    "integrations": {"i1": {"integrationId": "i1", "integrationUri": FUNCTION, "timeoutInMillis": 30_000}},
    "integrationResponses": {},
    "authorizers": {},
    "routeResponses": {"r2": {"rr": {}}, "r1": {}},
}


def test_api_record_becomes_routes_with_integrations_and_stages_with_throttles() -> None:
    api = records.websocket_api(
        "000000000000",
        "us-east-1",
        {"apiId": "a1"},
        stages=[
            {
                "stageName": "production",
                "deploymentId": "d1",
                "defaultRouteSettings": {"throttlingRateLimit": 5.5, "detailedMetricsEnabled": True},
                "routeSettings": {
                    "ping": {"throttlingBurstLimit": 3, "detailedMetricsEnabled": "false"},
                    "$default": {},
                },
                "accessLogSettings": {"destinationArn": "arn:log", "format": "$context.requestId"},
            }
        ],
        snapshots={"d1": SNAPSHOT},
    )
    stage = api.stages["production"]
    assert stage.deployment is not None
    assert stage.deployment.route_selection_expression == "$request.body.type"
    connect, ping = stage.deployment.routes["$connect"], stage.deployment.routes["ping"]
    assert connect.integration is not None
    assert (connect.integration.function_arn, connect.integration.timeout_ms) == (FUNCTION, 29_000)
    assert (connect.has_route_response, ping.has_route_response) == (False, True)
    assert (ping.integration, ping.authorization_type) == (None, "AWS_IAM")
    assert stage.throttle == Throttle(5.5, 5_000)
    assert stage.route_throttles == {"ping": Throttle(10_000, 3)}
    assert (stage.access_log_group_arn, stage.access_log_format) == ("arn:log", "$context.requestId")
    assert stage.detailed_metrics
    assert stage.route_metrics == {"ping": False}


def test_stage_without_settings_and_deployment_has_neither() -> None:
    api = records.websocket_api("0", "r", {"apiId": "a"}, stages=[{"stageName": "s"}], snapshots={})
    assert (api.stages["s"].throttle, api.stages["s"].deployment) == (None, None)


@pytest.mark.parametrize(
    ("qualifier", "expected"),
    [
        (None, [("$LATEST", 1.0)]),
        ("$LATEST", [("$LATEST", 1.0)]),
        ("2", [("2", 1.0)]),
        ("3", []),
        ("live", [("1", 1.0)]),
        ("canary", [("1", 0.75), ("2", 0.25)]),
    ],
)
def test_versions_of_a_qualifier(qualifier: str | None, expected: list[tuple[str, float]]) -> None:
    function = {
        "versions": {"1": {}, "2": {}},
        "aliases": {
            "live": {"FunctionVersion": "1"},
            "canary": {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}},
        },
    }
    assert records.versions_by_weight(function, qualifier) == expected


def test_function_record_becomes_a_function_with_lambda_defaults() -> None:
    function = records.lambda_function(
        ALIAS,
        "us-east-1",
        {"FunctionName": "connect", "Handler": "app.handler", "Runtime": "python3.13"},
        b"zip",
        {},
        2,
    )
    assert (function.timeout_s, function.memory_mb, function.version) == (3.0, 128, "$LATEST")
    assert (function.arn, function.log_group, function.reserved_concurrency) == (
        ALIAS,
        "/aws/lambda/connect",
        2,
    )

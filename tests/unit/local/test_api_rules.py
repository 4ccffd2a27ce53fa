"""What is refused in a WebSocket API: the rules of AWS, and the gaps of the embedded AWS by their names."""

from __future__ import annotations

from typing import Any

import pytest

from whatschat_ops.local.control.api_rules import GAPS, refusal

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
VALID: dict[str, dict[str, Any]] = {
    "api": {"routeSelectionExpression": "$request.body.type"},
    "route": {"routeKey": "message:send", "authorizationType": "NONE", "apiKeyRequired": False},
    "integration": {"integrationType": "AWS_PROXY", "integrationUri": URI, "connectionType": "INTERNET"},
    "stage": {"stageName": "production", "stageVariables": {"name": "connect"}},
    "authorizer": {"authorizerType": "REQUEST", "name": "a", "authorizerUri": URI, "identitySource": []},
    "routeResponse": {"routeResponseKey": "$default"},
    "integrationResponse": {"integrationResponseKey": "$default"},
}
MOCK = {"integrationType": "MOCK"}


def refused(kind: str, **properties: Any) -> str | None:
    return refusal(kind, properties, {**VALID[kind], **properties})


@pytest.mark.parametrize("kind", VALID)
def test_plain_resource_is_accepted(kind: str) -> None:
    assert refused(kind) is None


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in GAPS.items() for name in names])
def test_property_that_is_not_carried_out_is_refused_by_its_name(kind: str, name: str) -> None:
    message = refused(kind, **{name: "true"})
    assert message == f"{name[0].upper()}{name[1:]}: the embedded AWS does not {GAPS[kind][name]}"
    assert refused(kind, **{name: "false"}) is None


@pytest.mark.parametrize("kind", ["AWS", "HTTP", "HTTP_PROXY"])
def test_other_integrations_are_refused_by_their_name(kind: str) -> None:
    message = refused("integration", integrationType=kind)
    assert (
        message == f"IntegrationType {kind}: the embedded AWS does not carry it out, only AWS_PROXY and MOCK"
    )


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html and the pages below it; API Gateway developer guide, websocket-api-develop-routes, apigateway-websocket-api-selection-expressions, -route-response, -integration-responses, limits"
)
@pytest.mark.parametrize(
    ("kind", "properties", "accepted"),
    [
        ("route", {"routeKey": "$default"}, True),
        ("route", {"routeKey": "$connect"}, True),
        ("route", {"routeKey": "$other"}, False),
        ("route", {"routeKey": ""}, False),
        ("route", {"authorizationType": "OTHER"}, False),
        ("route", {"authorizationType": "CUSTOM"}, False),
        ("route", {"authorizationScopes": ["email"]}, False),
        ("api", {"name": "x" * 128, "description": "x" * 1024}, True),
        ("api", {"name": ""}, False),
        ("api", {"name": "x" * 129}, False),
        ("api", {"description": "x" * 1025}, False),
        ("route", {"routeResponseSelectionExpression": "$other"}, False),
        ("api", {"routeSelectionExpression": None}, False),
        ("api", {"corsConfiguration": {"AllowOrigins": ["*"]}}, False),
        ("api", {"target": URI}, False),
        ("stage", {"stageName": "a_B-1"}, True),
        ("stage", {"stageName": "a" * 128}, True),
        ("stage", {"stageName": "a" * 129}, False),
        ("stage", {"stageName": "a b"}, False),
        ("stage", {"stageName": "$default"}, False),
        ("stage", {"stageVariables": {"a-b": "c"}}, False),
        ("stage", {"stageVariables": {"a_b": "c d"}}, False),
        ("stage", {"stageVariables": {"a": "-._~:/?#&=,A1"}}, True),
        ("integration", {"integrationType": "OTHER"}, False),
        ("integration", {"connectionType": "VPC_LINK"}, False),
        ("integration", {"passthroughBehavior": "NO"}, False),
        ("integration", {"integrationSubtype": "SQS-SendMessage"}, False),
        ("integration", {"timeoutInMillis": 49}, False),
        ("integration", {"timeoutInMillis": 50}, True),
        ("integration", {"timeoutInMillis": "29000"}, True),
        ("integration", {"timeoutInMillis": 29_001}, False),
        ("integration", {"timeoutInMillis": "soon"}, False),
        ("integration", {"timeoutInMillis": [50]}, False),
        (
            "authorizer",
            {
                "identitySource": [
                    "route.request.header.Auth",
                    "route.request.querystring.Name",
                    "stageVariables.a",
                    "context.identity.sourceIp",
                ]
            },
            True,
        ),
        ("authorizer", {"identitySource": ["$request.header.Auth"]}, False),
        ("authorizer", {"identitySource": ["route.request.body.a"]}, False),
        ("authorizer", {"name": ""}, False),
        ("authorizer", {"authorizerUri": "https://example.com"}, False),
        ("authorizer", {"enableSimpleResponses": True}, False),
        ("authorizer", {"authorizerResultTtlInSeconds": 300}, False),
        ("routeResponse", {"routeResponseKey": "other"}, False),
        ("integrationResponse", {"integrationResponseKey": r"/2\d\d/"}, True),
        ("integrationResponse", {"integrationResponseKey": "/(/"}, False),
        ("integrationResponse", {"integrationResponseKey": "success"}, False),
    ],
)
def test_resource_is_refused_as_by_aws(kind: str, properties: dict[str, Any], accepted: bool) -> None:
    message = refused(kind, **properties)
    assert (message is None) is accepted
    assert "the embedded AWS" not in (message or "")


@pytest.mark.parametrize(
    ("properties", "what"),
    [
        ({"integrationUri": "arn:aws:apigateway:us-east-1:sqs:path/q"}, "IntegrationUri"),
        ({"integrationUri": URI, "credentialsArn": "arn:aws:iam::*:user/*"}, "CredentialsArn"),
        ({**MOCK, "requestTemplates": {"$default": "#set($a = 1)"}}, "RequestTemplates"),
        ({**MOCK, "requestTemplates": {"$default": "$util.base64Encode('a')"}}, "RequestTemplates"),
        ({**MOCK, "requestTemplates": {"$default": "$input.path('$.a')"}}, "RequestTemplates"),
        ({**MOCK, "templateSelectionExpression": "$context.stage"}, "TemplateSelectionExpression"),
        ({"requestTemplates": {"$default": "{}"}}, "RequestTemplates"),
        ({"templateSelectionExpression": "$default"}, "TemplateSelectionExpression"),
    ],
)
def test_integration_that_is_not_carried_out_is_refused_by_what_is_missing(
    properties: dict[str, Any], what: str
) -> None:
    message = refused("integration", **properties)
    assert message is not None
    assert message.startswith(f"{what}: the embedded AWS does not ")


@pytest.mark.parametrize(
    ("kind", "properties", "what"),
    [
        ("api", {"routeSelectionExpression": "$request.header.a"}, "RouteSelectionExpression"),
        ("api", {"routeSelectionExpression": "${request.body.a}-$context.stage"}, "RouteSelectionExpression"),
        ("stage", {"defaultRouteSettings": {"loggingLevel": "ERROR"}}, "LoggingLevel"),
        ("stage", {"routeSettings": {"ping": {"dataTraceEnabled": "true"}}}, "DataTraceEnabled"),
        (
            "stage",
            {
                "accessLogSettings": {
                    "destinationArn": "arn:aws:firehose:r:1:deliverystream/amazon-apigateway-a"
                }
            },
            "AccessLogSettings",
        ),
    ],
)
def test_setting_without_effect_is_refused_by_its_name(
    kind: str, properties: dict[str, Any], what: str
) -> None:
    assert str(refused(kind, **properties)).startswith(f"{what}: the embedded AWS does not ")


def test_settings_that_ask_for_nothing_are_accepted() -> None:
    settings = {"loggingLevel": "OFF", "dataTraceEnabled": False, "throttlingRateLimit": 1}
    assert refused("stage", defaultRouteSettings=settings, routeSettings={"ping": settings}) is None
    for expression in ("${request.body.a}/${request.body['b'][0]}", r"\$request.body.type"):
        assert refused("api", routeSelectionExpression=expression) is None


def test_integration_with_stage_variables_or_a_function_is_accepted() -> None:
    for uri in (FUNCTION, f"{URI.removesuffix('/invocations')}:${{stageVariables.alias}}/invocations"):
        assert refused("integration", integrationUri=uri) is None


def test_update_is_not_refused_for_what_ministack_stores_by_default() -> None:
    stored = {
        **VALID["authorizer"],
        "authorizerPayloadFormatVersion": "2.0",
        "authorizerResultTtlInSeconds": 300,
    }
    assert refusal("authorizer", {"name": "b"}, {**stored, "name": "b"}) is None

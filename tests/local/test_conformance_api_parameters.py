"""Every operation and parameter of API Gateway V2: carried out, or refused by name; none is accepted and lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.test_conformance_websocket_apis import failure_in_template
from tests.local.websocket_apis import Api, error_of, new_api

pytestmark = [pytest.mark.local, pytest.mark.aws("botocore's service model of apigatewayv2")]

FUNCTION: Final = "arn:aws:lambda:us-east-1:000000000000:function:parameters"
URI: Final = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
ROLE: Final = "arn:aws:iam::000000000000:role/parameters"
TEXTS: Final = {"$default": "$context.requestId"}
THROTTLE: Final = {"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 9.0}
LOGS: Final = {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:parameters", "Format": "{}"}

STORED: Final[Mapping[str, Mapping[str, Any]]] = {
    "Api": {
        "ApiKeySelectionExpression": "$context.authorizer.usageIdentifierKey",
        "Description": "changed",
        "DisableSchemaValidation": True,
        "Name": "changed",
        "RouteSelectionExpression": "$request.body.kind",
        "Version": "2",
    },
    "Authorizer": {
        "AuthorizerCredentialsArn": ROLE,
        "AuthorizerUri": URI.replace("parameters", "other"),
        "IdentitySource": ["route.request.querystring.changed"],
        "Name": "changed",
    },
    "Deployment": {"Description": "changed"},
    "Integration": {
        "ConnectionType": "INTERNET",
        "CredentialsArn": ROLE,
        "Description": "changed",
        "IntegrationMethod": "GET",
        "IntegrationType": "MOCK",
        "IntegrationUri": URI,
        "PassthroughBehavior": "NEVER",
        "PayloadFormatVersion": "1.0",
        "RequestTemplates": TEXTS,
        "TemplateSelectionExpression": "$request.body.kind",
        "TimeoutInMillis": 1234,
    },
    "IntegrationResponse": {
        "IntegrationResponseKey": "/4\\d\\d/",
        "ResponseTemplates": TEXTS,
        "TemplateSelectionExpression": "$integration.response.statuscode",
    },
    "Route": {
        "OperationName": "changed",
        "RouteKey": "changed",
        "RouteResponseSelectionExpression": "$default",
    },
    "RouteResponse": {"RouteResponseKey": "$default"},
    "Stage": {
        "AccessLogSettings": LOGS,
        "AutoDeploy": True,
        "DefaultRouteSettings": THROTTLE,
        "Description": "changed",
        "RouteSettings": {"settled": THROTTLE},
        "StageVariables": {"changed": "yes"},
    },
}
"""Resource -> parameter of its update -> a value that differs from what the fixture has, and is shown afterwards."""
REFERENCES: Final = {"AuthorizationType", "AuthorizerId", "DeploymentId", "Target"}
"""Parameters that name other resources; `test_conformance_websocket_apis` and `_deployments` have them."""
REFUSED: Final[Mapping[str, Mapping[str, Any]]] = {
    "Api": {
        "CorsConfiguration": {"AllowOrigins": ["*"]},
        "CredentialsArn": ROLE,
        "DisableExecuteApiEndpoint": True,
        "IpAddressType": "dualstack",
        "RouteKey": "GET /",
        "Target": URI,
    },
    "Authorizer": {
        "AuthorizerPayloadFormatVersion": "2.0",
        "AuthorizerResultTtlInSeconds": 5,
        "AuthorizerType": "JWT",
        "EnableSimpleResponses": True,
        "IdentityValidationExpression": "x",
        "JwtConfiguration": {"Issuer": "https://issuer.example"},
    },
    "Deployment": {},
    "Integration": {
        "ConnectionId": "x",
        "ContentHandlingStrategy": "CONVERT_TO_TEXT",
        "IntegrationSubtype": "SQS-SendMessage",
        "RequestParameters": {"integration.request.header.a": "'b'"},
        "ResponseParameters": {"200": {"append:header.a": "b"}},
        "TlsConfig": {"ServerNameToVerify": "x"},
    },
    "IntegrationResponse": {
        "ContentHandlingStrategy": "CONVERT_TO_TEXT",
        "ResponseParameters": {"method.response.header.a": "'b'"},
    },
    "Route": {
        "ApiKeyRequired": True,
        "AuthorizationScopes": ["x"],
        "ModelSelectionExpression": "$request.body.kind",
        "RequestModels": {"$default": "x"},
        "RequestParameters": {"route.request.querystring.a": {"Required": True}},
    },
    "RouteResponse": {
        "ModelSelectionExpression": "x",
        "ResponseModels": {"$default": "x"},
        "ResponseParameters": {"route.response.header.a": {"Required": True}},
    },
    "Stage": {"ClientCertificateId": "x"},
}
"""Resource -> parameter -> a value that AWS takes, for WebSocket or for HTTP APIs only."""


class Parts:
    """An API with one resource of every kind."""

    def __init__(self, api: Api) -> None:
        self.gateway, place = api.gateway, {"ApiId": api.id}
        gateway = self.gateway
        integration = gateway.create_integration(
            **place, IntegrationType="MOCK", RequestTemplates={"$default": "{}"}
        )["IntegrationId"]
        route = gateway.create_route(**place, RouteKey="known", Target=f"integrations/{integration}")[
            "RouteId"
        ]
        gateway.create_route(**place, RouteKey="settled")
        authorizer = gateway.create_authorizer(
            **place, AuthorizerType="REQUEST", AuthorizerUri=URI, Name="a", IdentitySource=[]
        )["AuthorizerId"]
        mocked, routed = {**place, "IntegrationId": integration}, {**place, "RouteId": route}
        response = gateway.create_integration_response(**mocked, IntegrationResponseKey="$default")
        self.places: dict[str, dict[str, str]] = {
            "Api": place,
            "Authorizer": {**place, "AuthorizerId": authorizer},
            "Deployment": {**place, "DeploymentId": api.deploy("s")},
            "Integration": mocked,
            "IntegrationResponse": {**mocked, "IntegrationResponseId": response["IntegrationResponseId"]},
            "Route": routed,
            "RouteResponse": {
                **routed,
                "RouteResponseId": gateway.create_route_response(**routed, RouteResponseKey="$default")[
                    "RouteResponseId"
                ],
            },
            "Stage": {**place, "StageName": "s"},
        }

    def call(self, verb: str, kind: str, **parameters: Any) -> Any:
        """Create, get or update one."""
        from botocore import xform_name

        return getattr(self.gateway, xform_name(f"{verb}{kind}"))(**{**self.places[kind], **parameters})


@pytest.fixture(scope="module")
def parts(embedded_aws: EmbeddedAws) -> Iterator[Parts]:
    """Tests change it."""
    api = new_api(embedded_aws)
    yield Parts(api)
    api.gateway.delete_api(ApiId=api.id)


def rows(table: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Kind and parameter of each entry."""
    return [(kind, name) for kind, parameters in table.items() for name in parameters]


@pytest.mark.parametrize("kind", STORED)
def test_every_parameter_of_the_model_is_in_one_of_the_tables(parts: Parts, kind: str) -> None:
    model = parts.gateway.meta.service_model
    named = set(parts.places[kind]) | {"Tags", "ProtocolType"} | REFERENCES
    for verb in ("Create", "Update"):
        members = set(model.operation_model(f"{verb}{kind}").input_shape.members)
        assert members - named - {"StageName"} == set(STORED[kind]) | set(REFUSED[kind]) - named


@pytest.mark.parametrize(("kind", "name"), rows(STORED))
def test_parameter_that_is_accepted_is_shown_afterwards(parts: Parts, kind: str, name: str) -> None:
    value = STORED[kind][name]
    assert parts.call("Update", kind, **{name: value})[name] == value
    assert parts.call("Get", kind)[name] == value


@pytest.mark.parametrize(("kind", "name"), rows(REFUSED))
def test_parameter_that_is_not_carried_out_is_refused_by_its_name(parts: Parts, kind: str, name: str) -> None:
    with pytest.raises(ClientError) as caught:
        parts.call("Update", kind, **{name: REFUSED[kind][name]})
    error = caught.value.response["Error"]
    assert error["Code"] == "BadRequestException"
    if name != "AuthorizerType":  # AWS's own text
        assert error["Message"].startswith(name)


@pytest.mark.difference(
    "API Gateway V2",
    aws="VPC links, portals, routing rules, models, import and export",
    here="refused with BadRequestException",
)
def test_every_operation_is_served_or_refused(parts: Parts) -> None:
    from botocore import xform_name

    gateway = parts.gateway
    for name in gateway.meta.service_model.operation_names:
        shape = gateway.meta.service_model.operation_model(name).input_shape
        given = {member: _absent(shape.members[member]) for member in shape.required_members}
        try:
            getattr(gateway, xform_name(name))(**given)
        except ClientError as error:
            assert "Unknown" not in str(error), name


def _absent(shape: Any) -> Any:
    """A value of the shape that names nothing."""
    match shape.type_name:
        case "structure":
            return {name: _absent(shape.members[name]) for name in shape.required_members}
        case "list":
            return [_absent(shape.member)]
        case "integer":
            return 1
        case "blob":
            return b"x"
    return (getattr(shape, "enum", None) or ["absent"])[0]


LISTS: Final = ("apis", "authorizers", "deployments", "integrations", "routes", "stages")


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_pages(embedded_aws: EmbeddedAws, name: str) -> None:
    apis = [new_api(embedded_aws), new_api(embedded_aws)]
    api = apis[0]
    for number in ("1", "2"):
        api.route(number)
        api.deploy(f"s{number}")
        api.gateway.create_authorizer(
            ApiId=api.id, AuthorizerType="REQUEST", AuthorizerUri=URI, Name=number, IdentitySource=[]
        )
    call: Callable[..., Any] = getattr(api.gateway, f"get_{name}")
    place = {} if name == "apis" else {"ApiId": api.id}
    whole, found = call(**place)["Items"], []
    token: dict[str, str] = {}
    while True:
        page = call(**place, MaxResults="1", **token)
        assert len(page["Items"]) == 1
        found += page["Items"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == whole
    assert len(found) >= 2
    for wrong in ({"MaxResults": "many"}, {"NextToken": "-1"}):
        assert error_of(call, **place, **wrong)[0] == "BadRequestException"
    for each in apis:
        each.gateway.delete_api(ApiId=each.id)


@pytest.mark.aws("recorded: github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80")
def test_stage_of_a_template_cannot_have_settings_of_a_route_that_does_not_exist(
    embedded_aws: EmbeddedAws,
) -> None:
    api = new_api(embedded_aws)
    stage = {"StageName": "t", "RouteSettings": {"absent": THROTTLE}}
    assert "Unable to find Route by key absent" in failure_in_template(api, "Stage", stage)
    api.gateway.delete_api(ApiId=api.id)


@pytest.mark.aws("recorded: github.com/terraform-aws-modules/terraform-aws-apigateway-v2/pull/80")
def test_settings_of_a_route_that_does_not_exist_are_not_found(parts: Parts) -> None:
    place, settings = parts.places["Stage"], {"absent": THROTTLE}
    expected = ("NotFoundException", "Unable to find Route by key absent within the provided RouteSettings")
    gateway = parts.gateway
    assert error_of(gateway.update_stage, **place, RouteSettings=settings) == expected
    assert (
        error_of(gateway.create_stage, ApiId=place["ApiId"], StageName="t", RouteSettings=settings)
        == expected
    )
    assert error_of(gateway.delete_route_settings, **place, RouteKey="absent") == expected


@pytest.mark.aws("recorded: github.com/hashicorp/terraform-provider-aws/issues/16094")
def test_settings_of_routes_that_an_update_does_not_name_are_kept(parts: Parts) -> None:
    place, gateway = parts.places["Stage"], parts.gateway
    gateway.create_route(ApiId=place["ApiId"], RouteKey="second")
    gateway.update_stage(**place, RouteSettings={"settled": THROTTLE})
    gateway.update_stage(**place, RouteSettings={"second": THROTTLE})
    assert gateway.get_stage(**place)["RouteSettings"] == {"settled": THROTTLE, "second": THROTTLE}
    gateway.delete_route_settings(**place, RouteKey="settled")
    assert gateway.get_stage(**place)["RouteSettings"] == {"second": THROTTLE}


def test_deployment_that_does_not_exist_cannot_be_updated(parts: Parts) -> None:
    place = {**parts.places["Deployment"], "DeploymentId": "absent"}
    assert error_of(parts.gateway.update_deployment, **place)[0] == "NotFoundException"

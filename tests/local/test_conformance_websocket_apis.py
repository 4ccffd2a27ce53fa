"""WebSocket APIs of the embedded AWS: MOCK integrations, authorizers, stage variables, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local.conftest import EmbeddedAws
from tests.local.test_cloudformation import settled
from tests.local.websocket_apis import OK, STAGE, Api, error_of, new_api
from tests.names import own

pytestmark = pytest.mark.local

NAME = own("conformance-apis")
PONG = '{"message": "pong", "from": "$context.connectionId", "stage": "$stageVariables.name"}'
SOURCE = """
import json

def handler(event, context):
    if event.get("type") != "REQUEST":
        return {"statusCode": 200, "body": json.dumps(event)}
    resource = (event["queryStringParameters"] or {}).get("resource", event["methodArn"])
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    source_ip = event["queryStringParameters"].get("ip")
    if source_ip:
        statement["Condition"] = {"IpAddress": {"aws:SourceIp": source_ip}}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "alice", "policyDocument": policy, "context": {"plan": "free"}}
"""


@pytest.fixture
def api(embedded_aws: EmbeddedAws) -> Iterator[Api]:
    """An API without routes."""
    made = new_api(embedded_aws)
    yield made
    made.gateway.delete_api(ApiId=made.id)


@pytest.fixture(scope="module")
def uri(embedded_aws: EmbeddedAws) -> str:
    """The URI of a function that is an authorizer and a handler, and that any API may invoke."""
    iam = embedded_aws.client("iam")
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", SOURCE)
    client = embedded_aws.client("lambda")
    function = client.create_function(
        FunctionName=NAME,
        Runtime="python3.12",
        Handler="app.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": code.getvalue()},
    )
    client.add_permission(
        FunctionName=NAME,
        StatementId="any",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    return invocation(embedded_aws, function["FunctionArn"])


def invocation(aws: EmbeddedAws, arn: str) -> str:
    return f"arn:aws:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def two_way(api: Api, key: str, integration: dict[str, Any], *responses: dict[str, Any]) -> str:
    """A route whose response is sent to the client. Returns its id."""
    route_id = api.route(key, integration, RouteResponseSelectionExpression="$default")
    place = {"ApiId": api.id}
    api.gateway.create_route_response(**place, RouteId=route_id, RouteResponseKey="$default")
    target = api.gateway.get_route(**place, RouteId=route_id)["Target"].removeprefix("integrations/")
    for response in responses:
        api.gateway.create_integration_response(**place, IntegrationId=target, **response)
    return route_id


def reply(api: Api, message: str, rest: str = STAGE) -> Any:
    """The response to a message."""
    with api.client(rest) as client:
        client.send(message)
        return json.loads(client.recv(timeout=60))


def authorizer(api: Api, uri: str, **options: Any) -> str:
    """An authorizer. Returns its id."""
    options = {"AuthorizerType": "REQUEST", "Name": uuid4().hex, "IdentitySource": [], **options}
    made = api.gateway.create_authorizer(ApiId=api.id, AuthorizerUri=uri, **options)
    return str(made["AuthorizerId"])


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html"
)
class TestMock:
    """MOCK integrations on two-way routes."""

    def test_response_is_made_of_the_template_of_the_status(self, api: Api) -> None:
        two_way(
            api,
            "ping",
            {
                "IntegrationType": "MOCK",
                "RequestTemplates": {"200": OK},
                "TemplateSelectionExpression": "200",
                "PassthroughBehavior": "NEVER",
            },
            {"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": '"other"'}},
            {
                "IntegrationResponseKey": r"/2\d\d/",
                "ResponseTemplates": {"200": PONG},
                "TemplateSelectionExpression": "200",
            },
        )
        deployment = api.deploy()
        api.gateway.create_stage(
            ApiId=api.id, StageName=STAGE, DeploymentId=deployment, StageVariables={"name": "one"}
        )
        with api.client() as client:
            client.send('{"type": "ping"}')
            answer = json.loads(client.recv(timeout=60))
            assert (answer["message"], answer["stage"]) == ("pong", "one")
            management = api.aws.client("apigatewaymanagementapi", api.aws.stage_url(api.id, STAGE))
            management.post_to_connection(ConnectionId=answer["from"], Data=b"found")
            assert client.recv(timeout=60) == "found"

    @pytest.mark.parametrize(
        "integration",
        [
            {"IntegrationType": "MOCK"},
            {"IntegrationType": "MOCK", "RequestTemplates": {"$default": "{}"}},
            {"IntegrationType": "MOCK", "PassthroughBehavior": "NEVER"},
        ],
    )
    @pytest.mark.aws(
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html"
    )
    def test_request_without_a_status_code_fails(self, api: Api, integration: dict[str, Any]) -> None:
        two_way(api, "ping", integration, {"IntegrationResponseKey": "$default"})
        api.route("$connect", integration)
        api.route("$default")
        api.deploy(STAGE)
        assert api.handshake() >= 400
        (connect,) = (r for r in api.gateway.get_routes(ApiId=api.id)["Items"] if r["RouteKey"] == "$connect")
        api.gateway.delete_route(ApiId=api.id, RouteId=connect["RouteId"])
        api.deploy(STAGE)
        assert reply(api, '{"type": "ping"}')["message"] == "Internal server error"

    def test_route_needs_an_integration_response_for_the_status(self, api: Api) -> None:
        mock = {"IntegrationType": "MOCK", "RequestTemplates": {"$default": '{"statusCode": 404}'}}
        two_way(api, "ping", mock, {"IntegrationResponseKey": "/200/"})
        api.deploy(STAGE)
        assert reply(api, '{"type": "ping"}')["message"] == "Internal server error"

    def test_status_of_a_mock_connect_route_is_that_of_the_handshake(self, api: Api) -> None:
        api.route("$connect", {"IntegrationType": "MOCK", "RequestTemplates": {"a": '{"statusCode": 403}'}})
        api.deploy(STAGE)
        assert api.handshake() == 500  # no template is selected, and a handshake has no body
        api.route("$default")
        (route,) = (r for r in api.gateway.get_routes(ApiId=api.id)["Items"] if r["RouteKey"] == "$connect")
        place = {"ApiId": api.id, "IntegrationId": route["Target"].removeprefix("integrations/")}
        api.gateway.update_integration(**place, TemplateSelectionExpression="a")
        assert api.gateway.get_integration(**place)["TemplateSelectionExpression"] == "a"
        api.deploy(STAGE)
        assert api.handshake() == 403

    @pytest.mark.aws("https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/AWS_ApiGatewayV2.html")
    def test_template_of_cloudformation_makes_the_same_route(self, embedded_aws: EmbeddedAws) -> None:
        client = embedded_aws.client("cloudformation")
        name = f"mock-{uuid4().hex}"
        client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": MOCK_RESOURCES}))
        assert settled(embedded_aws, name) == "CREATE_COMPLETE"
        found = client.describe_stack_resources(StackName=name)["StackResources"]
        ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
        made = Api(embedded_aws, ids["Api"])
        assert reply(made, '{"type": "ping"}')["message"] == "pong"
        client.delete_stack(StackName=name)
        assert error_of(made.gateway.get_api, ApiId=made.id)[0] == "NotFoundException"


MOCK_RESOURCES: dict[str, Any] = {
    "Api": {
        "Type": "AWS::ApiGatewayV2::Api",
        "Properties": {
            "Name": "mock",
            "ProtocolType": "WEBSOCKET",
            "RouteSelectionExpression": "$request.body.type",
        },
    },
    "Integration": {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": "Api"},
            "IntegrationType": "MOCK",
            "RequestTemplates": {"200": OK},
            "TemplateSelectionExpression": "200",
        },
    },
    "Route": {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": {"Ref": "Api"},
            "RouteKey": "ping",
            "RouteResponseSelectionExpression": "$default",
            "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
        },
    },
    "RouteResponse": {
        "Type": "AWS::ApiGatewayV2::RouteResponse",
        "Properties": {
            "ApiId": {"Ref": "Api"},
            "RouteId": {"Ref": "Route"},
            "RouteResponseKey": "$default",
        },
    },
    "IntegrationResponse": {
        "Type": "AWS::ApiGatewayV2::IntegrationResponse",
        "Properties": {
            "ApiId": {"Ref": "Api"},
            "IntegrationId": {"Ref": "Integration"},
            "IntegrationResponseKey": "/200/",
            "ResponseTemplates": {"200": PONG},
            "TemplateSelectionExpression": "200",
        },
    },
    "Stage": {
        "Type": "AWS::ApiGatewayV2::Stage",
        "Properties": {"ApiId": {"Ref": "Api"}, "StageName": STAGE, "AutoDeploy": True},
    },
}


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html"
)
class TestAuthorizers:
    """REQUEST authorizers that run as functions; their policies are evaluated by IAM."""

    @pytest.fixture
    def guarded(self, api: Api, uri: str) -> Api:
        """An API whose `$connect` has an authorizer, and whose `$default` returns its event."""
        api.route(
            "$connect",
            AuthorizationType="CUSTOM",
            AuthorizerId=authorizer(api, uri, IdentitySource=["route.request.querystring.resource"]),
        )
        two_way(api, "$default", {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri})
        api.deploy(STAGE)
        return api

    @pytest.mark.parametrize(
        ("resource", "status"),
        [
            ("arn:aws:execute-api:us-east-1:000000000000:{api}/production/$connect", 101),
            ("arn:aws:execute-api:*:*:{api}/*", 101),
            ("arn:aws:execute-api:us-east-1:000000000000:{api}/other/*", 403),
            ("*&ip=127.0.0.0/8", 101),
            ("*&ip=10.0.0.0/8", 403),
            ("", 401),
        ],
    )
    def test_policy_decides(self, guarded: Api, resource: str, status: int) -> None:
        assert guarded.handshake(f"{STAGE}?resource={resource.format(api=guarded.id)}") == status

    def test_context_is_in_the_events_of_messages(self, guarded: Api) -> None:
        event = reply(guarded, "hello", f"{STAGE}?resource=*")
        assert event["requestContext"]["authorizer"] == {"plan": "free", "principalId": "alice"}

    @pytest.mark.aws(
        "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html"
    )
    @pytest.mark.usefixtures("uri")
    def test_permission_or_credentials_are_needed(self, api: Api, embedded_aws: EmbeddedAws) -> None:
        other = f"{NAME}-{uuid4().hex[:8]}"
        lambda_client, iam = embedded_aws.client("lambda"), embedded_aws.client("iam")
        code = lambda_client.get_function(FunctionName=NAME)["Configuration"]
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("app.py", SOURCE)
        function = lambda_client.create_function(
            FunctionName=other,
            Runtime="python3.12",
            Handler="app.handler",
            Role=code["Role"],
            Code={"ZipFile": zipped.getvalue()},
        )
        authorizer_id = authorizer(api, invocation(embedded_aws, function["FunctionArn"]))
        api.route("$connect", AuthorizationType="CUSTOM", AuthorizerId=authorizer_id)
        api.deploy(STAGE)
        assert api.handshake() == 500

        role = iam.create_role(RoleName=other, AssumeRolePolicyDocument=trust("apigateway.amazonaws.com"))
        place = {"ApiId": api.id, "AuthorizerId": authorizer_id}
        api.gateway.update_authorizer(**place, AuthorizerCredentialsArn=role["Role"]["Arn"])
        api.deploy(STAGE)
        assert api.handshake() == 500
        allow = {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": function["FunctionArn"],
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=other, PolicyName="invoke", PolicyDocument=document)
        assert api.handshake() == 101
        iam.update_assume_role_policy(RoleName=other, PolicyDocument=trust("lambda.amazonaws.com"))
        assert api.handshake() == 500

        api.gateway.update_authorizer(**place, AuthorizerCredentialsArn="")
        lambda_client.add_permission(
            FunctionName=other,
            StatementId="authorizer",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:*:*:{api.id}/authorizers/{authorizer_id}",
        )
        api.deploy(STAGE)
        assert api.handshake() == 101

    @pytest.mark.aws(
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"
    )
    def test_events_of_an_iam_connection_have_its_caller(self, api: Api, uri: str) -> None:
        api.route("$connect", AuthorizationType="AWS_IAM")
        two_way(api, "$default", {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri})
        api.deploy(STAGE)
        iam = api.aws.client("iam")
        user = iam.get_user(UserName="operator")["User"]
        signed = AWSRequest("GET", api.url().replace("ws://", "http://"), headers={})
        keys = Credentials(api.aws.access_key_id, api.aws.secret_access_key.reveal())
        SigV4Auth(keys, "execute-api", api.aws.region).add_auth(signed)
        with api.client(additional_headers=dict(signed.headers)) as client:
            client.send("hello")
            identity = json.loads(client.recv(timeout=60))["requestContext"]["identity"]
        assert identity["userArn"] == user["Arn"]
        assert identity["caller"] == identity["user"] == user["UserId"]
        assert identity["accountId"] == api.aws.account_id


@pytest.mark.aws("https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html")
def test_stage_variables_choose_the_function_of_each_stage(api: Api, uri: str) -> None:
    by_variable = uri.replace(f"function:{NAME}", "function:${stageVariables.function}")
    two_way(api, "$default", {"IntegrationType": "AWS_PROXY", "IntegrationUri": by_variable})
    deployment = api.deploy()
    for stage, variables in ((STAGE, {"function": NAME}), ("none", {"function": "no-such-function"})):
        api.gateway.create_stage(
            ApiId=api.id, StageName=stage, DeploymentId=deployment, StageVariables=variables
        )
    assert reply(api, "hello")["stageVariables"] == {"function": NAME}
    assert reply(api, "hello", "none")["message"] == "Internal server error"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-wscat.html"
)
def test_slash_after_the_stage_is_part_of_no_path(api: Api) -> None:
    api.route("$default")
    api.deploy(STAGE)
    assert api.handshake(f"{STAGE}/") == api.handshake(f"{STAGE}/?token=t") == 101
    assert api.handshake(f"{STAGE}//") == api.handshake(f"{STAGE}/more") == 403


@pytest.mark.aws("service model apigatewaymanagementapi, ConnectionId; our decision where AWS's boundary is")
def test_connection_id_that_was_encoded_twice_is_malformed(api: Api) -> None:
    api.route("$default")
    api.deploy(STAGE)
    management = api.aws.client("apigatewaymanagementapi", api.aws.stage_url(api.id, STAGE))
    unknown = base64.urlsafe_b64encode(b"x" * 11).decode()
    assert error_of(management.get_connection, ConnectionId=unknown)[0] == "GoneException"
    assert error_of(management.get_connection, ConnectionId=quote(unknown))[0] == "BadRequestException"


ABSENT = "arn:aws:lambda:us-east-1:000000000000:function:absent"
Refused = tuple[str, dict[str, Any], str]
GAPS: list[Refused] = [
    ("Api", {"DisableExecuteApiEndpoint": True}, "DisableExecuteApiEndpoint"),
    ("Route", {"RouteKey": "a", "ApiKeyRequired": True}, "ApiKeyRequired"),
    ("Route", {"RouteKey": "a", "RequestModels": {"a": "b"}}, "RequestModels"),
    (
        "Route",
        {"RouteKey": "a", "RequestParameters": {"route.request.header.a": {"Required": True}}},
        "RequestParameters",
    ),
    ("Integration", {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://a.b"}, "IntegrationType"),
    ("Stage", {"StageName": "s", "ClientCertificateId": "c"}, "ClientCertificateId"),
    ("Stage", {"StageName": "s", "DefaultRouteSettings": {"LoggingLevel": "INFO"}}, "LoggingLevel"),
    ("Stage", {"StageName": "s", "RouteSettings": {"a": {"DataTraceEnabled": True}}}, "DataTraceEnabled"),
    (
        "Stage",
        {
            "StageName": "s",
            "AccessLogSettings": {
                "DestinationArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-a",
                "Format": "$context.requestId",
            },
        },
        "AccessLogSettings",
    ),
    (
        "Integration",
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": ABSENT, "RequestTemplates": {"$default": "{}"}},
        "RequestTemplates",
    ),
]
RULES: list[Refused] = [
    ("Route", {"RouteKey": "$other"}, "Route key $other"),
    ("Route", {"RouteKey": "a", "AuthorizationType": "CUSTOM"}, "Authorization type CUSTOM"),
    ("Route", {"RouteKey": "a", "Target": "integrations/absent"}, "Target integrations/absent"),
    (
        "Route",
        {"RouteKey": "$connect", "AuthorizationType": "CUSTOM", "AuthorizerId": "absent"},
        "Authorizer absent",
    ),
    ("Integration", {"IntegrationType": "OTHER"}, "Invalid integration type"),
    ("Stage", {"StageName": "a b"}, "Stage name"),
    ("Stage", {"StageName": "s", "StageVariables": {"a-b": "c"}}, "Stage variable name"),
    (
        "Authorizer",
        {
            "AuthorizerType": "JWT",
            "Name": "a",
            "IdentitySource": ["route.request.header.a"],
            "JwtConfiguration": {"Audience": ["a"], "Issuer": "https://a.b"},
        },
        "Invalid authorizer type",
    ),
]


def create(api: Api, kind: str) -> Callable[..., Any]:
    """The operation that creates a resource of that kind."""
    operation = getattr(api.gateway, f"create_{kind.lower()}")
    if kind != "Api":
        return lambda **properties: operation(ApiId=api.id, **properties)
    return lambda **properties: operation(
        Name="a",
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.type",
        **properties,
    )


def failure_in_template(api: Api, kind: str, properties: dict[str, Any]) -> str:
    """Why a stack with such a resource fails."""
    place: dict[str, Any] = {"ApiId": api.id}
    if kind == "Api":
        place = {
            "Name": "a",
            "ProtocolType": "WEBSOCKET",
            "RouteSelectionExpression": "$request.body.type",
        }
    resource = {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": {**place, **properties}}
    client, name = api.aws.client("cloudformation"), f"refused-{uuid4().hex}"
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"It": resource}}))
    assert settled(api.aws, name) == "ROLLBACK_COMPLETE"
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    (failed,) = (event for event in events if event["ResourceStatus"] == "CREATE_FAILED")
    return str(failed["ResourceStatusReason"])


@pytest.mark.aws("https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html")
@pytest.mark.parametrize(("kind", "properties", "begin"), RULES)
def test_what_aws_refuses_is_refused(api: Api, kind: str, properties: dict[str, Any], begin: str) -> None:
    code, message = error_of(create(api, kind), **properties)
    assert code == "BadRequestException"
    assert message.startswith(begin)
    assert begin in failure_in_template(api, kind, properties)


@pytest.mark.difference(
    "API Gateway: WebSocket APIs",
    aws="API keys, models, request validation, client certificates, a disabled default endpoint, execution logs, access logs to Firehose, integrations other than AWS_PROXY and MOCK, and templates of AWS_PROXY integrations",
    here="refused with BadRequestException that names the property, at creation and update, in CloudFormation too",
)
@pytest.mark.parametrize(("kind", "properties", "begin"), GAPS)
def test_what_is_not_carried_out_is_refused_by_its_name(
    api: Api, kind: str, properties: dict[str, Any], begin: str
) -> None:
    code, message = error_of(create(api, kind), **properties)
    assert code == "BadRequestException"
    assert message.startswith(begin)
    assert "the embedded AWS does not " in message
    assert "the embedded AWS does not " in failure_in_template(api, kind, properties)


@pytest.mark.aws("https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html")
def test_update_is_refused_like_creation(api: Api) -> None:
    route_id = api.route("a")
    place = {"ApiId": api.id, "RouteId": route_id}
    assert error_of(api.gateway.update_route, **place, ApiKeyRequired=True)[0] == "BadRequestException"
    assert error_of(api.gateway.update_route, **place, RouteKey="$b")[0] == "BadRequestException"
    (integration,) = api.gateway.get_integrations(ApiId=api.id)["Items"]
    place = {"ApiId": api.id, "IntegrationId": integration["IntegrationId"]}
    assert integration["TimeoutInMillis"] == 29_000
    assert (
        error_of(api.gateway.update_integration, **place, IntegrationType="AWS")[0] == "BadRequestException"
    )
    api.gateway.update_integration(**place, Description="as it was")
    refused = error_of(api.gateway.update_api, ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert refused[0] == "BadRequestException"


@pytest.mark.difference(
    "API Gateway: WebSocket APIs",
    aws="domain names, and any route selection expression; integration responses of AWS_PROXY are not documented",
    here="an API mapping, an integration response of AWS_PROXY and an expression of more than $request.body are refused with BadRequestException",
)
def test_what_would_not_be_served_is_refused(api: Api) -> None:
    gateway, place = api.gateway, {"ApiId": api.id}
    made = gateway.create_integration(**place, IntegrationType="AWS_PROXY", IntegrationUri=ABSENT)
    api.route("$default")
    api.deploy(STAGE)
    configuration = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/a"}
    domain = {"DomainName": f"{uuid4().hex}.example.com"}
    gateway.create_domain_name(**domain, DomainNameConfigurations=[configuration])
    for call, parameters in (
        (gateway.create_api_mapping, {**domain, **place, "Stage": STAGE}),
        (
            gateway.create_integration_response,
            {**place, "IntegrationId": made["IntegrationId"], "IntegrationResponseKey": "$default"},
        ),
        (gateway.update_api, {**place, "RouteSelectionExpression": "$request.header.a"}),
    ):
        code, message = error_of(call, **parameters)
        assert code == "BadRequestException"
        assert "the embedded AWS does not " in message
    gateway.delete_domain_name(**domain)


@pytest.mark.difference(
    "API Gateway: WebSocket APIs",
    aws="mapping templates are written in Apache Velocity",
    here="text with $context, $stageVariables, $input.body and $input.json; other Velocity is refused at creation",
)
def test_velocity_is_refused_by_what_is_not_run(api: Api) -> None:
    templates = {"$default": '#set($a = 1){"statusCode": 200}'}
    code, message = error_of(
        api.gateway.create_integration, ApiId=api.id, IntegrationType="MOCK", RequestTemplates=templates
    )
    assert (code, "'#set'" in message) == ("BadRequestException", True)


@pytest.mark.difference(
    "API Gateway", aws="ImportApi, ReimportApi, ExportApi and models", here="refused with BadRequestException"
)
def test_import_export_and_models_are_refused(api: Api) -> None:
    gateway = api.gateway
    for call, parameters in (
        (gateway.import_api, {"Body": "{}"}),
        (gateway.reimport_api, {"ApiId": api.id, "Body": "{}"}),
        (
            gateway.export_api,
            {"ApiId": api.id, "OutputType": "JSON", "Specification": "OAS30"},
        ),
        (gateway.create_model, {"ApiId": api.id, "Name": "a", "Schema": "{}"}),
        (gateway.get_models, {"ApiId": api.id}),
    ):
        code, message = error_of(call, **parameters)
        assert code == "BadRequestException"
        assert "the embedded AWS does not " in message


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-accesslogsettings.html"
)
def test_deleted_access_log_settings_leave_the_stage(api: Api) -> None:
    api.route("$default")
    api.deploy(STAGE)
    stage = {"ApiId": api.id, "StageName": STAGE}
    logs = {
        "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:any",
        "Format": "$context.requestId",
    }
    api.gateway.update_stage(**stage, AccessLogSettings=logs)
    api.gateway.delete_access_log_settings(**stage)
    left = api.gateway.get_stage(**stage)
    assert left["DeploymentId"] and "AccessLogSettings" not in left


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-routesettings-routekey.html, apis-apiid-routes-routeid-requestparameters-requestparameterkey.html"
)
def test_deleted_settings_of_a_route_leave_the_stage_and_the_route(api: Api) -> None:
    route_id = api.route("$default")
    api.route("other")
    api.deploy(STAGE)
    stage, gateway = {"ApiId": api.id, "StageName": STAGE}, api.gateway
    settings = {"$default": {"ThrottlingBurstLimit": 1}, "other": {"ThrottlingBurstLimit": 2}}
    gateway.update_stage(**stage, RouteSettings=settings)
    gateway.delete_route_settings(**stage, RouteKey="$default")
    assert list(gateway.get_stage(**stage)["RouteSettings"]) == ["other"]
    route = {"ApiId": api.id, "RouteId": route_id}
    for call, parameters in (
        (gateway.reset_authorizers_cache, stage),
        (gateway.delete_route_request_parameter, {**route, "RequestParameterKey": "route.request.header.a"}),
    ):
        assert error_of(call, **parameters)[0] == "BadRequestException"
    assert gateway.get_stage(**stage)["DeploymentId"]
    assert gateway.get_route(**route)["RouteKey"] == "$default"


@pytest.mark.aws("https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-routes.html")
def test_second_route_of_a_key_is_a_conflict(api: Api) -> None:
    api.route("a")
    other = api.route("b")
    assert error_of(api.gateway.create_route, ApiId=api.id, RouteKey="a")[0] == "ConflictException"
    moved = {"ApiId": api.id, "RouteId": other}
    assert error_of(api.gateway.update_route, **moved, RouteKey="a")[0] == "ConflictException"
    api.gateway.update_route(**moved, RouteKey="b")
    api.deploy(STAGE)
    for kind, properties in (("Route", {"RouteKey": "a"}), ("Stage", {"StageName": STAGE})):
        assert "already exists for this API" in failure_in_template(api, kind, properties)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers-authorizerid.html"
)
def test_deletion_of_what_is_absent_or_used_fails(api: Api, uri: str) -> None:
    gateway, place = api.gateway, {"ApiId": api.id}
    used = {**place, "AuthorizerId": authorizer(api, uri)}
    api.route("$connect", AuthorizationType="CUSTOM", AuthorizerId=used["AuthorizerId"])
    assert error_of(gateway.delete_authorizer, **used)[0] == "ConflictException"
    for call, name in (
        (gateway.delete_route, "RouteId"),
        (gateway.delete_integration, "IntegrationId"),
        (gateway.delete_stage, "StageName"),
        (gateway.delete_authorizer, "AuthorizerId"),
    ):
        assert error_of(call, **place, **{name: "absent"})[0] == "NotFoundException"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html"
)
def test_update_of_an_absent_stage_is_not_found(api: Api) -> None:
    with pytest.raises(api.gateway.exceptions.NotFoundException):
        api.gateway.update_stage(ApiId=api.id, StageName="absent", Description="x")


@pytest.mark.aws("recorded: https://github.com/aws/aws-cdk/issues/20170")
def test_two_authorizers_of_one_name_are_refused(api: Api, uri: str) -> None:
    authorizer(api, uri, Name="once")
    code, message = error_of(lambda: authorizer(api, uri, Name="once"))
    assert code == "BadRequestException"
    assert message.startswith("Authorizer name must be unique. Authorizer once already exists")

"""A stack that was made by hand from the guide, and is taken over with `--adopt`: it works, or what stops working is said."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from tests.local.conftest import EmbeddedAws
from tests.local.program import Program
from tests.local.test_provision import connect
from whatschat_ops.config import Names, Settings
from whatschat_ops.doctor import Facts
from whatschat_ops.doctor.areas import serving as doctor
from whatschat_ops.doctor.check import Status
from whatschat_ops.provision import Action
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.jwt_secret import read_jwt_secret
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

ROUTES = {"$connect": "connect", "$disconnect": "disconnect", "$default": "default"}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def code() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return {'statusCode': 200}")
    return file.getvalue()


class ByHand:
    """What somebody made with the AWS console after the guide, and what else is in their account."""

    def __init__(self, aws: EmbeddedAws, settings: Settings) -> None:
        self.aws, self.names = aws, Names(settings)
        self.account, self.region = aws.account_id, aws.region

    def make_table(self) -> None:
        dynamodb, name = self.aws.client("dynamodb"), self.names.connections_table
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )

    def make_role(self, name: str) -> str:
        made = self.aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        return str(made["Role"]["Arn"])

    def make_function(self, name: str, role: str, variables: dict[str, str]) -> str:
        made = self.aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=role,
            Code={"ZipFile": code()},
            Environment={"Variables": variables},
        )
        return str(made["FunctionArn"])

    def make_api(self, name: str, routes: dict[str, str], protocol: str = "WEBSOCKET") -> str:
        """Routes to these functions (not to an alias), deployed to the stage `production`."""
        gateway = self.aws.client("apigatewayv2")
        selection = {"RouteSelectionExpression": "$request.body.type"} if protocol == "WEBSOCKET" else {}
        api_id = str(gateway.create_api(Name=name, ProtocolType=protocol, **selection)["ApiId"])
        for key, function in routes.items():
            arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{function}"
            uri = f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
            integration = gateway.create_integration(
                ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationMethod="POST", IntegrationUri=uri
            )
            target = f"integrations/{integration['IntegrationId']}"
            gateway.create_route(ApiId=api_id, RouteKey=key, Target=target)
            source = f"arn:aws:execute-api:{self.region}:{self.account}:{api_id}/*/*"
            self.allow(function, f"{api_id}-{len(key)}", "apigateway.amazonaws.com", source)
        deployment = gateway.create_deployment(ApiId=api_id)["DeploymentId"]
        gateway.create_stage(ApiId=api_id, StageName="production", DeploymentId=deployment)
        return api_id

    def allow(self, function: str, sid: str, principal: str, source: str) -> None:
        self.aws.client("lambda").add_permission(
            FunctionName=function,
            StatementId=sid,
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source,
        )

    def make_guide_stack(self, api: str) -> str:
        """Everything that the guide says; the id of its API."""
        self.make_table()
        role = self.make_role(f"{api}-by-hand")
        for short in ROUTES.values():
            self.make_function(self.names.function(short), role, {"CONNECTIONS_TABLE": "by-hand"})
        return self.make_api(api, {key: self.names.function(short) for key, short in ROUTES.items()})


@contextmanager
def socket(stack: Stack, url: str) -> Iterator[ClientConnection]:
    secret = read_jwt_secret(stack.settings, stack.aws)
    now = datetime.now(UTC)
    token = mint("alice", secret, ttl=timedelta(hours=1), now=now, token_id="t").token
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    with open_socket(url, additional_headers=headers, compression=None, proxy=None) as made:
        yield made


def destroyed(stack: Stack) -> None:
    stack.apply(stack.plan_destroy(delete_data=True))


def warnings_of(stack: Stack) -> dict[str, list[str]]:
    made = stack.plan(adopt=True)
    made.require_possible()
    return {step.address: list(step.warnings) for step in made if step.warnings}


def test_api_made_by_hand_is_taken_over_and_its_clients_get_answers(
    embedded_aws: EmbeddedAws, tmp_path: Path
) -> None:
    settings = Settings.of({"prefix": "taken-", "websocket": {"api_name": "my-chat"}})
    by_hand, stack = ByHand(embedded_aws, settings), Stack(settings, connect(embedded_aws))
    api_id = by_hand.make_guide_stack("taken-my-chat")
    (endpoint,) = (
        api["ApiEndpoint"]
        for api in embedded_aws.client("apigatewayv2").get_apis()["Items"]
        if api["ApiId"] == api_id
    )
    assert {step.address for step in stack.plan().blocked} == {
        "table.connections", "api.websocket", "function.connect", "function.disconnect", "function.default",
    }  # fmt: skip
    assert warnings_of(stack) == {}  # the only one who uses all this is the API that is taken over, too
    stack.apply(stack.plan(adopt=True))
    try:
        assert [api.get("ApiId") for api in embedded_aws.client("apigatewayv2").get_apis()["Items"]
                if api["Name"] == "taken-my-chat"] == [api_id]  # fmt: skip
        with socket(stack, f"{endpoint}/production") as alice:
            alice.send('{"type":"ping"}')
            assert json.loads(alice.recv(30))["type"] == "pong"
        assert doctor.other_users(Facts(settings, stack.aws)).status is Status.OK
        assert stack.plan().changing == ()
    finally:
        destroyed(stack)


def test_others_who_use_what_is_taken_over_are_named_before(
    embedded_aws: EmbeddedAws, tmp_path: Path
) -> None:
    settings = Settings.of({"prefix": "shared-"})
    by_hand, stack = ByHand(embedded_aws, settings), Stack(settings, connect(embedded_aws))
    names = by_hand.names
    api_id = by_hand.make_guide_stack("their-chat")
    http_id = by_hand.make_api("their-site", {"GET /": names.function("connect")}, "HTTP")
    rule = f"arn:aws:events:{by_hand.region}:{by_hand.account}:rule/nightly"
    by_hand.allow(names.function("disconnect"), "nightly", "events.amazonaws.com", rule)
    role = by_hand.make_role(names.lambda_role)
    secret = names.jwt_secret_parameter
    embedded_aws.client("ssm").put_parameter(Name=secret, Type="SecureString", Value="s" * 64)
    group = names.function_log_group("connect")
    embedded_aws.client("logs").create_log_group(logGroupName=group)
    embedded_aws.client("dynamodb").tag_resource(
        ResourceArn=f"arn:aws:dynamodb:{by_hand.region}:{by_hand.account}:table/{names.connections_table}",
        Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "their-stack"}],
    )
    by_hand.make_function("reporter", role, {"ROWS": names.connections_table, "KEY": secret})
    by_hand.make_api("whatschat-shared-old", {"$connect": "reporter"})
    found = warnings_of(stack)
    sockets = (
        f"the WebSocket API their-chat ({api_id}) invokes it, too: its sockets stay open and get no answer, because the "
        "function answers through shared-whatschat-websocket. Take it over, too (websocket.api_name: their-chat), or delete it"
    )
    code_runs = "it will run this stack's code, with this stack's role and variables"
    assert found.pop("function.default") == [sockets]
    assert found.pop("function.connect") == [
        f"the HTTP API their-site ({http_id}) invokes it, too: {code_runs}",
        sockets,
    ]
    assert found.pop("function.disconnect") == [
        f"events.amazonaws.com ({rule}) invokes it, too: {code_runs}",
        sockets,
    ]
    (owner, user) = found.pop("table.connections")
    assert owner.startswith("it belongs to the CloudFormation stack their-stack")
    assert user.startswith("the function reporter uses it, too (its variable ROWS)")
    assert found.pop("secret.jwt")[0].startswith("the function reporter uses it, too (its variable KEY)")
    assert found.pop("role.lambda")[0].startswith("the function reporter runs with it, too")
    assert found == {}

    program = Program({**embedded_aws.environment(), "WHATSCHAT_PREFIX": "shared-"}, directory=tmp_path)
    shown = program.run("provision", "--adopt", "--yes").stderr
    try:
        assert f"Warning: {sockets}" in shown.replace("\n", " ").replace("  ", " ") or sockets in shown
        told = doctor.other_users(Facts(settings, stack.aws))
        assert told.status is Status.WARN
        assert f"the WebSocket API their-chat ({api_id}) invokes these functions, too" in told.detail
        assert "their-site" not in told.detail
        assert stack.plan().changing == ()
    finally:
        destroyed(stack)


def make_rest_api(aws: EmbeddedAws, name: str, **integration: Any) -> str:
    """A REST API with one method, POST /."""
    gateway = aws.client("apigateway")
    api_id = str(gateway.create_rest_api(name=name)["id"])
    (root,) = gateway.get_resources(restApiId=api_id)["items"]
    place = {"restApiId": api_id, "resourceId": root["id"], "httpMethod": "POST"}
    gateway.put_method(**place, authorizationType="NONE")
    gateway.put_integration(**place, integrationHttpMethod="POST", **integration)
    return api_id


def test_rest_apis_and_other_services_that_use_what_is_taken_over_are_named_before(
    embedded_aws: EmbeddedAws,
) -> None:
    settings = Settings.of({"prefix": "served-", "websocket": {"api_name": "my-chat"}})
    by_hand, stack = ByHand(embedded_aws, settings), Stack(settings, connect(embedded_aws))
    names, account, region = by_hand.names, by_hand.account, by_hand.region
    by_hand.make_guide_stack("served-my-chat")
    role = by_hand.make_role(names.lambda_role)
    function = f"arn:aws:lambda:{region}:{account}:function:{names.function('connect')}"
    invoked = make_rest_api(
        embedded_aws,
        "their-rest",
        type="AWS_PROXY",
        uri=f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations",
    )
    by_variable = make_rest_api(
        embedded_aws,
        "by-variable",
        type="AWS_PROXY",
        uri=f"arn:aws:apigateway:{region}:lambda:path/x/${{stageVariables.f}}",
    )
    source = f"arn:aws:execute-api:{region}:{account}:{by_variable}/*/POST/"
    by_hand.allow(names.function("connect"), "by-variable", "apigateway.amazonaws.com", source)
    rows = make_rest_api(
        embedded_aws,
        "their-rows",
        type="AWS",
        credentials=role,
        uri=f"arn:aws:apigateway:{region}:dynamodb:action/PutItem",
        requestTemplates={"application/json": json.dumps({"TableName": names.connections_table})},
    )
    queue = embedded_aws.client("sqs").create_queue(QueueName="served-jobs")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{region}:{account}:{queue.rpartition('/')[2]}"
    embedded_aws.client("lambda").create_event_source_mapping(
        EventSourceArn=queue_arn, FunctionName=names.function("disconnect"), Enabled=False
    )
    bucket, topic = "arn:aws:s3:::their-files", f"arn:aws:sns:{region}:{account}:their-news"
    by_hand.allow(names.function("default"), "files", "s3.amazonaws.com", bucket)
    by_hand.allow(names.function("default"), "news", "sns.amazonaws.com", topic)
    try:
        found = warnings_of(stack)
        code_runs = "it will run this stack's code, with this stack's role and variables"
        assert found.pop("function.connect") == [
            f"the REST API {name} ({rest_id}) invokes it, too: {code_runs}"
            for name, rest_id in (("their-rest", invoked), ("by-variable", by_variable))
        ]
        assert found.pop("function.disconnect") == [
            f"it also receives events of {queue_arn}, which this stack's code does not expect"
        ]
        assert found.pop("function.default") == [
            f"s3.amazonaws.com ({bucket}) invokes it, too: {code_runs}",
            f"sns.amazonaws.com ({topic}) invokes it, too: {code_runs}",
        ]
        assert found.pop("table.connections") == [
            f"the REST API their-rows ({rows}) uses it, too (a request template of its methods): "
            "the changes below are made under it, and `destroy` takes it away"
        ]
        assert found.pop("role.lambda") == [
            f"the REST API their-rows ({rows}) calls AWS with it, too: it gets this stack's policy and trust policy, "
            "and `destroy` deletes the role with all its policies"
        ]
        assert found == {}
    finally:
        for rest_id in (invoked, by_variable, rows):
            embedded_aws.client("apigateway").delete_rest_api(restApiId=rest_id)


def test_table_of_another_key_is_not_deleted_to_take_it_over(embedded_aws: EmbeddedAws) -> None:
    settings = Settings.of({"prefix": "keyed-"})
    stack, name = Stack(settings, connect(embedded_aws)), "keyed-websocket-connections"
    dynamodb = embedded_aws.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        (step,) = stack.plan_only({"table.connections"}, adopt=True)
        assert step.action is Action.BLOCKED
        assert "it would be deleted with its data and created again (key:" in str(step.reason)
        (step,) = (s for s in stack.plan(adopt=True, delete_data=True) if s.address == "table.connections")
        assert (step.action, step.loses_data) == (Action.REPLACE, True)
    finally:
        dynamodb.delete_table(TableName=name)

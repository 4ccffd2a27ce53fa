"""Where the control plane of the embedded AWS differs from AWS and says so: each test proves what it does instead."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.component.local.executor_functions import make_zip
from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

HASH_KEY: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def allowing(*actions: str, **condition: Any) -> str:
    """A policy document."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **condition}]})


def user_client(aws: EmbeddedAws, name: str, policy: str, service: str) -> Any:
    """A client of a user with that policy."""
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], service)


@pytest.fixture(scope="module")
def table(embedded_aws: EmbeddedAws) -> str:
    """The name of a table whose creation has just been answered."""
    created = embedded_aws.client("dynamodb").create_table(TableName="differences", **HASH_KEY)
    assert created["TableDescription"]["TableStatus"] in ("CREATING", "ACTIVE")
    return "differences"


@pytest.fixture(scope="module")
def role_arn(embedded_aws: EmbeddedAws) -> str:
    """A role of Lambda and Step Functions."""
    services = {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}
    trust = {"Statement": [{"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}]}
    role = embedded_aws.client("iam").create_role(
        RoleName="differences", AssumeRolePolicyDocument=json.dumps(trust)
    )
    return str(role["Role"]["Arn"])


@pytest.mark.difference(
    "DynamoDB: tables", aws="CREATING for some seconds, then ACTIVE", here="ACTIVE immediately"
)
def test_table_is_active_immediately(embedded_aws: EmbeddedAws, table: str) -> None:
    described = embedded_aws.client("dynamodb").describe_table(TableName=table)
    assert described["Table"]["TableStatus"] == "ACTIVE"


@pytest.mark.difference(
    "DynamoDB: TTL",
    aws="a second UpdateTimeToLive within an hour is refused with ValidationException",
    here="accepted if it changes the setting",
)
def test_time_to_live_may_be_changed_again_at_once(embedded_aws: EmbeddedAws, table: str) -> None:
    dynamodb = embedded_aws.client("dynamodb")
    for enabled in (True, False, True):
        setting = {"AttributeName": "ttl", "Enabled": enabled}
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=setting)
    status = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
    assert status == "ENABLED"


@pytest.mark.difference(
    "DynamoDB: TTL",
    aws="an expired item is deleted within days, and may be read until then",
    here="it stays readable",
)
def test_expired_item_stays_readable(embedded_aws: EmbeddedAws, table: str) -> None:
    dynamodb = embedded_aws.client("dynamodb")
    dynamodb.put_item(TableName=table, Item={"id": {"S": "old"}, "ttl": {"N": str(int(time.time()) - 10)}})
    assert "Item" in dynamodb.get_item(TableName=table, Key={"id": {"S": "old"}})


@pytest.mark.difference(
    "DynamoDB: IAM",
    aws="`dynamodb:LeadingKeys` has the keys of PartiQL statements too",
    here="a policy that asks for it denies them",
)
def test_statement_is_denied_where_its_leading_keys_decide(embedded_aws: EmbeddedAws, table: str) -> None:
    own = {"Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}}}
    reader = user_client(embedded_aws, "leading-keys", allowing("dynamodb:PartiQLSelect", **own), "dynamodb")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.execute_statement(Statement=f"SELECT id FROM {table} WHERE id = 'mine'")


@pytest.mark.difference(
    "IAM: policies", aws="a change takes effect after some seconds", here="it takes effect immediately"
)
def test_policy_takes_effect_immediately(embedded_aws: EmbeddedAws, table: str) -> None:
    name = "policy-at-once"
    reader = user_client(embedded_aws, name, allowing("dynamodb:GetItem"), "dynamodb")
    assert reader.get_item(TableName=table, Key={"id": {"S": "x"}})
    embedded_aws.client("iam").delete_user_policy(UserName=name, PolicyName=name)
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_item(TableName=table, Key={"id": {"S": "x"}})


@pytest.fixture(scope="module")
def function(embedded_aws: EmbeddedAws, role_arn: str) -> Any:
    """Invokes a function of 128 MB that says where and in what it runs. It may write logs."""
    source = """
        import sys, pathlib
        def handler(event, context):
            held = bytearray(event["allocate_mb"] << 20)
            pathlib.Path(__file__).with_name("written").write_text("x")
            return [f"python{sys.version_info.major}.{sys.version_info.minor}", len(held)]
        """
    embedded_aws.client("lambda").create_function(
        FunctionName="differences",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role_arn,
        Code={"ZipFile": make_zip({"app.py": source})},
    )
    embedded_aws.client("lambda").get_waiter("function_active_v2").wait(FunctionName="differences")

    def invoke(**event: Any) -> Any:
        payload = json.dumps(event)
        answer = embedded_aws.client("lambda").invoke(FunctionName="differences", Payload=payload)
        return json.loads(answer["Payload"].read())

    return invoke


@pytest.mark.difference(
    "Lambda: language version",
    aws="that of the runtime",
    here="Python functions run on this machine's Python; the INIT_START line of the log has the version",
)
@pytest.mark.difference(
    "Lambda: file system", aws="`/var/task` is read-only", here="the code is in the state directory, writable"
)
@pytest.mark.difference(
    "Lambda: memory",
    aws="a function that needs more than it has is killed",
    here="measured only, unless `local.enforce_memory` is true",
)
def test_function_runs_on_this_machines_python_in_its_memory_and_files(function: Any) -> None:
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert function(allocate_mb=160) == [here, 160 << 20]


@pytest.mark.difference(
    "Lambda: layers, `provided` runtimes",
    aws="run like other functions",
    here="run on ministack's own executor when the SDK invokes them",
)
def test_function_with_a_layer_runs_on_the_other_executor(embedded_aws: EmbeddedAws, role_arn: str) -> None:
    client = embedded_aws.client("lambda")
    layer = client.publish_layer_version(
        LayerName="differences", Content={"ZipFile": make_zip({"python/of_the_layer.py": "NAME = 'layer'"})}
    )
    client.create_function(
        FunctionName="with-layer",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role_arn,
        Layers=[layer["LayerVersionArn"]],
        Code={
            "ZipFile": make_zip({"app.py": "import of_the_layer\ndef handler(*_): return of_the_layer.NAME"})
        },
    )
    client.get_waiter("function_active_v2").wait(FunctionName="with-layer")
    assert json.loads(client.invoke(FunctionName="with-layer")["Payload"].read()) == "layer"


@pytest.mark.difference(
    "Resource Groups Tagging API", aws="finds the APIs of API Gateway and secrets", here="does not find them"
)
def test_tagged_apis_and_secrets_are_not_found(embedded_aws: EmbeddedAws, table: str) -> None:
    tag = {"differences": "yes"}
    embedded_aws.client("apigatewayv2").create_api(
        Name="differences", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a", Tags=tag
    )
    listed = [{"Key": "differences", "Value": "yes"}]
    embedded_aws.client("secretsmanager").create_secret(Name="differences", SecretString="x", Tags=listed)
    arn = f"arn:aws:dynamodb:{embedded_aws.region}:{embedded_aws.account_id}:table/{table}"
    embedded_aws.client("dynamodb").tag_resource(ResourceArn=arn, Tags=listed)
    found = embedded_aws.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "differences", "Values": ["yes"]}]
    )
    assert [row["ResourceARN"] for row in found["ResourceTagMappingList"]] == [arn]


@pytest.mark.difference(
    "Step Functions: Distributed Map",
    aws="ItemBatcher gives a child several items; ResultWriter writes results to S3",
    here="refused with InvalidDefinition",
)
@pytest.mark.parametrize("field", ["ItemBatcher", "ResultWriter"])
def test_batches_and_written_results_are_refused(
    embedded_aws: EmbeddedAws, role_arn: str, field: str
) -> None:
    definition = json.dumps({"StartAt": "Map", "States": {"Map": {"Type": "Map", "End": True, field: {}}}})
    with pytest.raises(ClientError) as caught:
        embedded_aws.client("stepfunctions").create_state_machine(
            name="batcher", definition=definition, roleArn=role_arn
        )
    assert caught.value.response["Error"] == {
        "Code": "InvalidDefinition",
        "Message": f"{field}: the embedded AWS does not have it in Map states.",
    }


@pytest.mark.difference(
    "API Gateway: IAM", aws="condition keys on the tags of an API decide", here="they are not evaluated"
)
def test_tag_conditions_do_not_decide_about_apis(embedded_aws: EmbeddedAws) -> None:
    api = embedded_aws.client("apigatewayv2").create_api(
        Name="tag-conditions",
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.a",
        Tags={"team": "a"},
    )
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    reader = user_client(embedded_aws, "api-tags", allowing("apigateway:GET", **tagged), "apigatewayv2")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_api(ApiId=api["ApiId"])


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        pytest.param(
            "pricing",
            "describe_services",
            {},
            marks=pytest.mark.difference(
                "Pricing", aws="answers", here="refused with UnknownOperationException"
            ),
        ),
        pytest.param(
            "ce",
            "get_dimension_values",
            {"TimePeriod": {"Start": "2026-01-01", "End": "2026-01-02"}, "Dimension": "SERVICE"},
            marks=pytest.mark.difference(
                "Cost Explorer", aws="answers", here="refused with UnknownOperationException"
            ),
        ),
        pytest.param(
            "xray",
            "get_groups",
            {},
            marks=pytest.mark.difference(
                "X-Ray", aws="answers", here="refused with UnknownOperationException"
            ),
        ),
        pytest.param(
            "redshift",  # its answers are XML
            "describe_clusters",
            {},
            marks=pytest.mark.difference(
                "Every other service that ministack does not have",
                aws="answers",
                here="refused with UnknownOperationException",
            ),
        ),
    ],
)
def test_service_that_does_not_exist_is_refused(
    embedded_aws: EmbeddedAws, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="the embedded AWS does not have this service") as refused:
        getattr(embedded_aws.client(service), operation)(**arguments)
    assert refused.value.response["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.difference(
    "Chime SDK meetings: IAM", aws="condition keys on tags decide", here="they are not evaluated"
)
def test_tag_conditions_do_not_decide_about_meetings(embedded_aws: EmbeddedAws) -> None:
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    reader = user_client(
        embedded_aws, "meeting-tags", allowing("chime:GetMeeting", **tagged), "chime-sdk-meetings"
    )
    meeting = embedded_aws.client("chime-sdk-meetings").create_meeting(
        ClientRequestToken="differences",
        MediaRegion="us-east-1",
        ExternalMeetingId="differences",
        Tags=[{"Key": "team", "Value": "a"}],
    )["Meeting"]
    with pytest.raises(ClientError, match="ForbiddenException"):
        reader.get_meeting(MeetingId=meeting["MeetingId"])


@pytest.mark.difference(
    "Chime SDK meetings: notifications",
    aws="events go to EventBridge and to the queue, topic or function of the meeting; calls are metrics",
    here="events go to EventBridge; NotificationsConfiguration is validated only, and calls are no metrics",
)
def test_meeting_notifies_nothing(embedded_aws: EmbeddedAws) -> None:
    sqs = embedded_aws.client("sqs")
    queue = sqs.create_queue(QueueName="differences")["QueueUrl"]
    arn = f"arn:aws:sqs:{embedded_aws.region}:{embedded_aws.account_id}:differences"
    chime = embedded_aws.client("chime-sdk-meetings")
    meeting = chime.create_meeting(
        ClientRequestToken="notifies",
        MediaRegion="us-east-1",
        ExternalMeetingId="notifies",
        NotificationsConfiguration={"SqsQueueArn": arn},
    )
    chime.delete_meeting(MeetingId=meeting["Meeting"]["MeetingId"])
    assert sqs.receive_message(QueueUrl=queue).get("Messages", []) == []

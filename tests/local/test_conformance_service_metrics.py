"""The metrics that DynamoDB, Lambda and Chime SDK write on the embedded AWS. Those of API Gateway: tests/component/local/."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.printing_function import printing_function
from whatschat_ops.local.control import dynamodb_metrics
from whatschat_ops.local.control.dynamodb_metrics import OPERATIONS, TTL_THREAD

pytestmark = pytest.mark.local


def statistic(aws: EmbeddedAws, namespace: str, metric: str, name: str, **dimensions: str) -> float | None:
    now = datetime.now(UTC)
    answer = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(minutes=2),
        Period=2 * 86_400,
        Statistics=[name],
    )
    found = [float(point[name]) for point in answer["Datapoints"]]
    return None if not found else max(found) if name == "Maximum" else sum(found)


@pytest.fixture
def table(embedded_aws: EmbeddedAws) -> Iterator[str]:
    name, dynamodb = f"metered-{uuid.uuid4().hex[:8]}", embedded_aws.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.mark.aws("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html")
def test_requests_consume_the_capacity_that_their_items_take(embedded_aws: EmbeddedAws, table: str) -> None:
    dynamodb, key = embedded_aws.client("dynamodb"), {"id": {"S": "a"}}
    answer = dynamodb.put_item(TableName=table, Item={**key, "text": {"S": "x" * 1_500}})  # 2 units of 1 KB
    assert "ConsumedCapacity" not in answer
    dynamodb.get_item(TableName=table, Key=key)  # half a unit of 4 KB
    asked = dynamodb.get_item(
        TableName=table, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL"
    )  # 1 unit
    assert asked["ConsumedCapacity"]["CapacityUnits"] == 1
    put = [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in "bc"]
    dynamodb.batch_write_item(RequestItems={table: put})  # 1 unit each
    dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}}])  # 2 units
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "b"}})  # 1 unit

    def of_table(metric: str) -> float | None:
        return statistic(embedded_aws, "AWS/DynamoDB", metric, "Sum", TableName=table)

    assert of_table("ConsumedWriteCapacityUnits") == 2 + 2 + 1
    assert of_table("ConsumedReadCapacityUnits") == 0.5 + 1 + 2
    assert of_table("TimeToLiveDeletedItemCount") is None


@pytest.mark.aws("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html")
def test_successful_requests_are_counted_by_operation_and_others_are_not(
    embedded_aws: EmbeddedAws, table: str
) -> None:
    dynamodb = embedded_aws.client("dynamodb")
    for _ in range(3):
        dynamodb.scan(TableName=table)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(
            TableName=table, Item={"id": {"S": "a"}}, ConditionExpression="attribute_exists(id)"
        )

    def requests(operation: str) -> float | None:
        dimensions = {"TableName": table, "Operation": operation}
        return statistic(
            embedded_aws, "AWS/DynamoDB", "SuccessfulRequestLatency", "SampleCount", **dimensions
        )

    assert (requests("Scan"), requests("PutItem")) == (3, None)


@pytest.mark.aws("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html")
def test_items_that_ttl_deletes_are_counted_and_those_of_requests_are_not() -> None:
    recorded: list[Any] = []
    scopes: list[tuple[str, str]] = []

    @contextmanager
    def scope(account: str, region: str) -> Iterator[None]:
        scopes.append((account, region))
        with nullcontext():
            yield

    names: dict[str, Any] = {name: lambda _: (200, {}, b"") for name in OPERATIONS}
    module = SimpleNamespace(json_response=dict, _remove_item=lambda *_: "removed", **names)
    dynamodb_metrics.install(module, lambda *datum: recorded.append(datum), scope)
    table = {"TableName": "t", "TableArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/t"}
    assert module._remove_item(table, "key", "") == "removed"
    assert recorded == []
    deleting = threading.Thread(target=module._remove_item, args=(table, "key", ""), name=TTL_THREAD)
    deleting.start()
    deleting.join()
    count = ("AWS/DynamoDB", "TimeToLiveDeletedItemCount", 1, "Count", {"TableName": "t"})
    assert (recorded, scopes) == ([count], [("123456789012", "eu-west-1")])


@pytest.mark.difference(
    "CloudWatch: metrics of DynamoDB",
    aws="DynamoDB also writes UserErrors, ConditionalCheckFailedRequests, ReturnedItemCount and metrics of indexes",
    here="consumed capacity, SuccessfulRequestLatency and TimeToLiveDeletedItemCount of tables only",
)
def test_failed_conditions_have_no_metric(embedded_aws: EmbeddedAws, table: str) -> None:
    dynamodb = embedded_aws.client("dynamodb")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(
            TableName=table, Item={"id": {"S": "a"}}, ConditionExpression="attribute_exists(id)"
        )
    dimension = [{"Name": "TableName", "Value": table}]
    found = embedded_aws.client("cloudwatch").list_metrics(Namespace="AWS/DynamoDB", Dimensions=dimension)
    assert found["Metrics"] == []


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html")
def test_concurrent_executions_are_those_of_a_function_and_of_the_account(embedded_aws: EmbeddedAws) -> None:
    name, functions = f"concurrent-{uuid.uuid4().hex[:8]}", embedded_aws.client("lambda")
    printing_function(embedded_aws, name)
    assert functions.invoke(FunctionName=name)["Payload"].read() == b"null"
    of = {"FunctionName": name}
    function = statistic(embedded_aws, "AWS/Lambda", "ConcurrentExecutions", "Maximum", **of)
    account = statistic(embedded_aws, "AWS/Lambda", "ConcurrentExecutions", "Maximum")
    functions.delete_function(FunctionName=name)
    assert function == 1
    assert account is not None and account >= 1


@pytest.mark.aws("https://docs.aws.amazon.com/chime-sdk/latest/dg/sdk-usage-metrics.html")
def test_calls_of_chime_are_counted_by_operation(embedded_aws: EmbeddedAws) -> None:
    def count(name: str, operation: str) -> float:
        dimensions = {"Service": "ChimeSDK", "Type": "API", "Resource": operation, "Class": "None"}
        return statistic(embedded_aws, "AWS/Usage", name, "Sum", **dimensions) or 0

    chime, operations = embedded_aws.client("chime-sdk-meetings"), ("CreateMeeting", "GetMeeting")
    names = ("CallCount", "ErrorCount", "ThrottleCount")
    before = {(name, operation): count(name, operation) for name in names for operation in operations}
    chime.create_meeting(
        ClientRequestToken=uuid.uuid4().hex, ExternalMeetingId="counted", MediaRegion="us-east-1"
    )
    with pytest.raises(chime.exceptions.NotFoundException):
        chime.get_meeting(MeetingId=str(uuid.uuid4()))
    more = {key: count(*key) - value for key, value in before.items()}
    assert more == {
        ("CallCount", "CreateMeeting"): 1, ("CallCount", "GetMeeting"): 1,
        ("ErrorCount", "CreateMeeting"): 0, ("ErrorCount", "GetMeeting"): 1,
        ("ThrottleCount", "CreateMeeting"): 0, ("ThrottleCount", "GetMeeting"): 0,
    }  # fmt: skip


@pytest.mark.difference(
    "CloudWatch: metrics of Chime SDK",
    aws="metrics of AWS/ChimeSDK, such as AttendeeAuthorizationSuccess",
    here="none: no page of AWS says their dimensions",
)
def test_chime_has_no_metrics_of_its_own(embedded_aws: EmbeddedAws) -> None:
    assert embedded_aws.client("cloudwatch").list_metrics(Namespace="AWS/ChimeSDK")["Metrics"] == []


@pytest.mark.aws("Service Authorization Reference, AWS Lambda: GetAccountSettings")
def test_account_settings_take_a_permission(embedded_aws: EmbeddedAws) -> None:
    name, iam = f"nobody-{uuid.uuid4().hex[:8]}", embedded_aws.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    client = embedded_aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], "lambda")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.get_account_settings()


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html"
)
def test_log_events_and_their_bytes_are_counted_by_group(embedded_aws: EmbeddedAws) -> None:
    logs, group = embedded_aws.client("logs"), f"/counted/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    for texts in (["naïve"], ["x" * 1_000, "y"]):
        events = [{"timestamp": now_ms, "message": text} for text in texts]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
    sums = [
        statistic(embedded_aws, "AWS/Logs", name, "Sum", LogGroupName=group)
        for name in ("IncomingBytes", "IncomingLogEvents")
    ]
    assert sums == [6 + 1_000 + 1, 3]
    logs.delete_log_group(logGroupName=group)

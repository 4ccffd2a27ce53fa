"""CloudTrail's event history on the embedded AWS: calls of Chime and of the services of the stack."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local


def lookup(aws: EmbeddedAws, key: str, value: str, **options: Any) -> dict[str, Any]:
    """A page of events; two lookups a second are the limit, so it is asked again when throttled."""
    client, deadline = aws.client("cloudtrail"), time.monotonic() + 60
    attributes = [{"AttributeKey": key, "AttributeValue": value}]
    while True:
        try:
            found: dict[str, Any] = client.lookup_events(LookupAttributes=attributes, **options)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException" or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return found


@pytest.fixture
def user(embedded_aws: EmbeddedAws) -> Iterator[tuple[str, str, str]]:
    """Name, access key id and secret of a user who may do nothing."""
    iam, name = embedded_aws.client("iam"), f"trail-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    yield name, key["AccessKeyId"], key["SecretAccessKey"]
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


@pytest.mark.aws("https://docs.aws.amazon.com/chime-sdk/latest/ag/cloudtrail.html")
def test_failed_and_successful_calls_of_chime_are_events(
    embedded_aws: EmbeddedAws, user: tuple[str, str, str]
) -> None:
    name, key_id, secret = user
    meetings = embedded_aws.client("chime-sdk-meetings")
    arguments = {"ClientRequestToken": name, "MediaRegion": "us-east-1", "ExternalMeetingId": name}
    with pytest.raises(ClientError, match="ForbiddenException"):
        embedded_aws.client_as(key_id, secret, "chime-sdk-meetings").create_meeting(**arguments)
    with pytest.raises(ClientError):
        embedded_aws.client_as(key_id, "wrong", "chime-sdk-meetings").create_meeting(**arguments)

    (event,) = lookup(embedded_aws, "AccessKeyId", key_id)["Events"]
    document = json.loads(event["CloudTrailEvent"])
    assert (event["EventSource"], event["EventName"]) == ("chime.amazonaws.com", "CreateMeeting")
    assert (event["Username"], event["ReadOnly"]) == (name, "false")
    assert document["errorCode"] == "ForbiddenException"
    assert "chime:CreateMeeting" in document["errorMessage"]
    assert document["requestParameters"]["externalMeetingId"] == name
    assert document["userIdentity"]["arn"] == f"arn:aws:iam::000000000000:user/{name}"

    meeting = meetings.create_meeting(**arguments)["Meeting"]["MeetingId"]
    meetings.create_attendee(MeetingId=meeting, ExternalUserId="alice")
    events = lookup(embedded_aws, "ResourceName", meeting)["Events"]
    assert [each["EventName"] for each in events] == ["CreateAttendee", "CreateMeeting"]
    assert events[0]["Resources"] == [{"ResourceType": "AWS::Chime::Meeting", "ResourceName": meeting}]
    assert "JoinToken" in events[0]["CloudTrailEvent"]
    attendee = json.loads(events[0]["CloudTrailEvent"])["responseElements"]["Attendee"]
    assert attendee["JoinToken"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert "errorCode" not in json.loads(events[1]["CloudTrailEvent"])
    meetings.delete_meeting(MeetingId=meeting)


@pytest.mark.aws("https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html")
def test_management_calls_of_every_protocol_are_events_and_data_calls_are_not(
    embedded_aws: EmbeddedAws, user: tuple[str, str, str]
) -> None:
    _, key_id, secret = user
    refused: dict[str, Callable[[Any], Any]] = {
        "apigatewayv2": lambda client: client.get_apis(),
        "dynamodb": lambda client: client.describe_table(TableName="absent"),
        "iam": lambda client: client.get_role(RoleName="absent"),
        "lambda": lambda client: client.get_function_configuration(FunctionName="absent"),
        "logs": lambda client: client.create_log_group(logGroupName="absent"),
        "s3": lambda client: client.get_bucket_policy(Bucket="absent-bucket"),
        "ssm": lambda client: client.put_parameter(Name="n", Value="secret", Type="SecureString"),
    }
    for service, call in refused.items():
        with pytest.raises(ClientError):
            call(embedded_aws.client_as(key_id, secret, service))
    with pytest.raises(ClientError):  # data events
        embedded_aws.client_as(key_id, secret, "dynamodb").get_item(TableName="absent", Key={"a": {"S": "x"}})
    with pytest.raises(ClientError):
        embedded_aws.client_as(key_id, secret, "lambda").invoke(FunctionName="absent")

    events = lookup(embedded_aws, "AccessKeyId", key_id)["Events"]
    found = [
        (each["EventSource"].partition(".")[0], each["EventName"], each["ReadOnly"], each["Resources"])
        for each in reversed(events)
    ]
    assert found == [
        ("apigateway", "GetApis", "true", []),
        ("dynamodb", "DescribeTable", "true", named("DynamoDB::Table", "absent")),
        ("iam", "GetRole", "true", named("IAM::Role", "absent")),
        ("lambda", "GetFunctionConfiguration20150331v2", "true", named("Lambda::Function", "absent")),
        ("logs", "CreateLogGroup", "false", named("Logs::LogGroup", "absent")),
        ("s3", "GetBucketPolicy", "true", named("S3::Bucket", "absent-bucket")),
        ("ssm", "PutParameter", "false", []),
    ]
    assert all("AccessDenied" in each["CloudTrailEvent"] for each in events)
    parameters = json.loads(events[0]["CloudTrailEvent"])["requestParameters"]
    assert parameters == {"name": "n", "value": "HIDDEN_DUE_TO_SECURITY_REASONS", "type": "SecureString"}


def named(kind: str, name: str) -> list[dict[str, str]]:
    """The resources of an event."""
    return [{"ResourceType": f"AWS::{kind}", "ResourceName": name}]


@pytest.mark.aws("https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html")
def test_events_are_paged_with_the_newest_first(
    embedded_aws: EmbeddedAws, user: tuple[str, str, str]
) -> None:
    _, key_id, secret = user
    client = embedded_aws.client_as(key_id, secret, "dynamodb")
    for index in range(3):
        with pytest.raises(ClientError):
            client.describe_table(TableName=f"absent-{index}")
    first = lookup(embedded_aws, "AccessKeyId", key_id, MaxResults=2)
    second = lookup(embedded_aws, "AccessKeyId", key_id, MaxResults=2, NextToken=first["NextToken"])
    tables = [each["Resources"][0]["ResourceName"] for page in (first, second) for each in page["Events"]]
    assert tables == ["absent-2", "absent-1", "absent-0"]
    assert "NextToken" not in second
    assert lookup(embedded_aws, "AccessKeyId", key_id, EndTime=1)["Events"] == []
    for options, code in (
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"NextToken": "x"}, "InvalidNextTokenException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
    ):
        with pytest.raises(ClientError, match=code):
            lookup(embedded_aws, "AccessKeyId", key_id, **options)


@pytest.mark.difference(
    "CloudTrail",
    aws="delivers trails to S3, and has Insights, event data stores and queries",
    here="has event history only; everything else is refused with UnsupportedOperationException",
)
def test_trails_are_refused(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError) as caught:
        embedded_aws.client("cloudtrail").create_trail(Name="trail", S3BucketName="bucket")
    assert caught.value.response["Error"] == {
        "Code": "UnsupportedOperationException",
        "Message": "CreateTrail: the embedded AWS does not have this operation.",
    }


@pytest.mark.difference(
    "CloudTrail",
    aws="has an event after minutes, keeps it for 90 days, and has the response of changes in it",
    here="has it at once, keeps the newest 5,000 until it stops, and has the responses of Chime only; names of nested members are as sent, parameters over 4 KB are omitted",
)
def test_event_is_there_at_once_and_long_parameters_are_omitted(
    embedded_aws: EmbeddedAws, user: tuple[str, str, str]
) -> None:
    _, key_id, secret = user
    with pytest.raises(ClientError):
        embedded_aws.client_as(key_id, secret, "ssm").put_parameter(Name="n", Value="x" * 4096, Type="String")
    (event,) = lookup(embedded_aws, "AccessKeyId", key_id)["Events"]
    assert json.loads(event["CloudTrailEvent"])["requestParameters"] is None

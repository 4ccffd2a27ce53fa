"""Rules of EventBridge in the embedded AWS: what reaches a queue, a function and a log group, and what is refused."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.printing_function import printing_function
from tests.local.program import eventually
from tests.names import own

pytestmark = pytest.mark.local

REGION, ACCOUNT = "us-east-1", "000000000000"


@pytest.fixture
def events(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("events")


@pytest.fixture
def source() -> str:
    """A source of events of the test."""
    return own(f"conformance.{uuid.uuid4()}")


def rule(events: Any, source: str, target: dict[str, Any]) -> str:
    """A rule for the events of `source`, by whose name it goes; its ARN."""
    pattern = {"source": [source], "detail": {"kind": [{"prefix": "call"}]}}
    arn: str = events.put_rule(Name=source, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=source, Targets=[{"Id": "target", **target}])
    return arn


def rule_arn(source: str) -> str:
    return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{source}"


def send(events: Any, source: str, **detail: Any) -> None:
    entry = {"Source": source, "DetailType": "Call", "Detail": json.dumps({"kind": "call-ended", **detail})}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def allow(service: str, actions: list[str], resource: str, source_arn: str) -> str:
    """A resource policy for a service on behalf of `source_arn`."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": actions,
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def queue(embedded_aws: EmbeddedAws, source: str) -> tuple[str, str]:
    """URL and ARN."""
    sqs = embedded_aws.client("sqs")
    name = source.replace(".", "-")
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def bodies(aws: EmbeddedAws, url: str) -> list[str]:
    found = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in found]


def invocations(aws: EmbeddedAws, source: str, name: str) -> float:
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Events",
        MetricName=name,
        Dimensions=[{"Name": "RuleName", "Value": source}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html")
def test_queue_gets_matching_events_that_its_policy_allows(
    embedded_aws: EmbeddedAws, events: Any, source: str, queue: tuple[str, str]
) -> None:
    url, arn = queue
    rule(events, source, {"Arn": arn})
    send(events, source, number=1)
    assert bodies(embedded_aws, url) == []
    assert invocations(embedded_aws, source, "FailedInvocations") == 1
    policy = allow("events.amazonaws.com", ["sqs:SendMessage"], arn, rule_arn(source))
    embedded_aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    send(events, source, number=2, kind="other")
    send(events, source, number=3)
    (body,) = bodies(embedded_aws, url)
    event = json.loads(body)
    assert (event["source"], event["detail-type"], event["detail"]) == (
        source,
        "Call",
        {"kind": "call-ended", "number": 3},
    )
    assert (event["account"], event["region"], event["version"]) == (ACCOUNT, REGION, "0")
    assert invocations(embedded_aws, source, "Invocations") == 1


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"InputPath": "$.detail.call"}, {"id": 7}),
        ({"Input": '{"constant": true}'}, {"constant": True}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"id": "$.detail.call.id", "kind": "$.detail.kind"},
                    "InputTemplate": '{"text": "call <id>: <kind>", "id": <id>}',
                }
            },
            {"text": "call 7: call-ended", "id": 7},
        ),
    ],
    ids=["path", "constant", "transformer"],
)
def test_target_gets_its_input(
    embedded_aws: EmbeddedAws,
    events: Any,
    source: str,
    queue: tuple[str, str],
    target: dict[str, Any],
    expected: Any,
) -> None:
    url, arn = queue
    policy = allow("events.amazonaws.com", ["sqs:SendMessage"], arn, rule_arn(source))
    embedded_aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    rule(events, source, {"Arn": arn, **target})
    send(events, source, call={"id": 7})
    assert [json.loads(body) for body in bodies(embedded_aws, url)] == [expected]


@pytest.fixture
def log_group(embedded_aws: EmbeddedAws, source: str) -> str:
    name = f"/aws/events/{source}"
    embedded_aws.client("logs").create_log_group(logGroupName=name)
    return name


def logged(aws: EmbeddedAws, group: str) -> list[str]:
    return [row["message"] for row in aws.client("logs").filter_log_events(logGroupName=group)["events"]]


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html")
def test_log_group_gets_events_that_a_resource_policy_allows(
    embedded_aws: EmbeddedAws, events: Any, source: str, log_group: str
) -> None:
    logs = embedded_aws.client("logs")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{log_group}"
    rule(events, source, {"Arn": arn})
    send(events, source, number=1)
    assert logged(embedded_aws, log_group) == []
    policy = allow(
        "events.amazonaws.com", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{arn}:*", rule_arn(source)
    )
    logs.put_resource_policy(policyName=source, policyDocument=policy)
    try:
        send(events, source, number=2)
    finally:
        logs.delete_resource_policy(policyName=source)
    (message,) = logged(embedded_aws, log_group)
    assert json.loads(message)["detail"] == {"kind": "call-ended", "number": 2}


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html")
def test_transformed_event_of_a_log_group_has_a_timestamp_and_a_message(
    embedded_aws: EmbeddedAws, events: Any, source: str, log_group: str
) -> None:
    logs = embedded_aws.client("logs")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{log_group}"
    transformer = {
        "InputPathsMap": {"time": "$.detail.at", "kind": "$.detail.kind"},
        "InputTemplate": '{"timestamp": <time>, "message": <kind>}',
    }
    rule(events, source, {"Arn": arn, "InputTransformer": transformer})
    policy = allow("events.amazonaws.com", ["logs:*"], f"{arn}:*", rule_arn(source))
    logs.put_resource_policy(policyName=source, policyDocument=policy)
    try:
        send(events, source, at=1_700_000_000_000)
    finally:
        logs.delete_resource_policy(policyName=source)
    (event,) = logs.filter_log_events(logGroupName=log_group)["events"]
    assert (event["timestamp"], event["message"]) == (1_700_000_000_000, "call-ended")
    code, _ = refused(
        events.put_targets, Rule=source, Targets=[{"Id": "2", "Arn": arn, "InputPath": "$.detail"}]
    )
    assert code == "ValidationException"


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html")
def test_function_gets_events_that_its_policy_allows(
    embedded_aws: EmbeddedAws, events: Any, source: str, reporter: str
) -> None:
    rule(events, source, {"Arn": reporter})
    send(events, source, number=1)
    embedded_aws.client("lambda").add_permission(
        FunctionName=reporter,
        StatementId=source.replace(".", "-"),
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn(source),
    )
    send(events, source, number=2)
    group, pattern = "/aws/lambda/events-reporter", f'{{ $.source = "{source}" }}'

    def printed() -> list[int]:
        found = embedded_aws.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)
        return [json.loads(event["message"])["detail"]["number"] for event in found["events"]]

    embedded_aws.client("lambda").invoke(
        FunctionName=reporter, Payload=b"{}"
    )  # so that its log group is there
    assert eventually(printed) == [2]


@pytest.fixture(scope="module")
def reporter(embedded_aws: EmbeddedAws) -> str:
    """A function that prints its event. Its ARN."""
    return printing_function(embedded_aws, "events-reporter")


@pytest.mark.difference(
    "EventBridge: targets",
    aws="AppSync, Batch, CodeBuild, CodePipeline, ECS, Firehose, Glue, Kinesis, Redshift, SageMaker and SSM too",
    here="functions, queues, topics, state machines, event buses, API destinations and log groups; others are refused with ValidationException",
)
def test_target_that_would_get_nothing_is_refused(events: Any, source: str) -> None:
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"}
    code, message = refused(events.put_targets, Rule=source, Targets=[target])
    assert code == "ValidationException"
    assert "refused: the embedded AWS does not deliver events to kinesis" in message


@pytest.mark.parametrize("arn", ["nowhere", f"arn:aws:logs:{REGION}:{ACCOUNT}:nothing"])
def test_target_whose_arn_is_not_valid_is_refused(events: Any, source: str, arn: str) -> None:
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    code, _ = refused(events.put_targets, Rule=source, Targets=[{"Id": "1", "Arn": arn}])
    assert code == "ValidationException"


@pytest.mark.difference(
    "EventBridge: dead-letter queues of targets",
    aws="get the events that could not be delivered, with the reason as attributes",
    here="refused with ValidationException; FailedInvocations is counted",
)
def test_dead_letter_queue_is_refused(events: Any, source: str, queue: tuple[str, str]) -> None:
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": queue[1], "DeadLetterConfig": {"Arn": queue[1]}}
    code, message = refused(events.put_targets, Rule=source, Targets=[target])
    assert code == "ValidationException"
    assert "refused: the embedded AWS does not send failed events to a queue" in message


@pytest.mark.aws("https://docs.aws.amazon.com/chime-sdk/latest/dg/using-events.html")
def test_queue_gets_the_events_of_chime(
    embedded_aws: EmbeddedAws, events: Any, source: str, queue: tuple[str, str]
) -> None:
    chime, sqs, (url, arn) = embedded_aws.client("chime-sdk-meetings"), embedded_aws.client("sqs"), queue
    meeting = chime.create_meeting(
        ClientRequestToken=uuid.uuid4().hex, ExternalMeetingId=source, MediaRegion="eu-central-1"
    )["Meeting"]["MeetingId"]
    pattern = {"source": ["aws.chime"], "detail": {"meetingId": [meeting]}}
    rule_arn = events.put_rule(Name=source, EventPattern=json.dumps(pattern))["RuleArn"]
    policy = allow("events.amazonaws.com", ["sqs:SendMessage"], arn, rule_arn)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule=source, Targets=[{"Id": "queue", "Arn": arn}])
    chime.create_attendee(MeetingId=meeting, ExternalUserId="alice")
    for action in ("attend", "leave"):
        embedded_aws.attend(source, "alice", action)
    chime.delete_meeting(MeetingId=meeting)
    received = [json.loads(body) for _ in range(3) for body in bodies(embedded_aws, url)]
    assert sorted(event["detail"]["eventType"].removeprefix("chime:") for event in received) == [
        "AttendeeAdded", "AttendeeAuthorized", "AttendeeJoined", "AttendeeLeft", "MeetingEnded", "MeetingEnded",
    ]  # fmt: skip
    assert {(event["region"], event["account"], len(event["resources"])) for event in received} == {
        (REGION, ACCOUNT, 0)
    }
    assert len({event["id"] for event in received}) == len(received)


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html")
def test_entry_that_is_not_valid_gets_an_error_and_is_not_delivered(
    embedded_aws: EmbeddedAws, events: Any, source: str, queue: tuple[str, str]
) -> None:
    url, arn = queue
    arn_of_rule = events.put_rule(Name=source, EventPattern=json.dumps({"account": [ACCOUNT]}))["RuleArn"]
    events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn}])
    policy = allow("events.amazonaws.com", ["sqs:SendMessage"], arn, arn_of_rule)
    embedded_aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    entry = {"Source": source, "DetailType": "Call", "Detail": "{}"}
    changes: list[dict[str, str]] = [
        {},
        {"Detail": "{bad"},
        {"Detail": "[]"},
        {"Source": ""},
        {"DetailType": ""},
    ]
    answer = events.put_events(Entries=[{**entry, **change} for change in changes])
    codes = [each.get("ErrorCode") for each in answer["Entries"]]
    assert codes == [None, "MalformedDetail", "MalformedDetail", "InvalidArgument", "InvalidArgument"]
    assert (answer["FailedEntryCount"], bool(answer["Entries"][0]["EventId"])) == (4, True)
    delivered = [json.loads(body) for body in bodies(embedded_aws, url)]
    assert [event["source"] for event in delivered] == [source]
    events.remove_targets(Rule=source, Ids=["1"])


QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html and API_Target.html"
)
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Arn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"}, "is not in the Region of the rule"),
        ({"Arn": QUEUE, "Input": "{bad"}, "Parameter Input is not valid."),
        ({"Arn": QUEUE, "Input": "{}", "InputPath": "$.detail"}, "Only one of Input, InputPath, or Inp"),
        (
            {"Arn": QUEUE, "RunCommandParameters": {"RunCommandTargets": [{"Key": "k", "Values": ["v"]}]}},
            "Parameter RunCommandParameters is not valid for target",
        ),
        ({"Arn": f"{QUEUE}.fifo"}, "Parameter(s) SqsParameters must be specified for target: 1."),
    ],
    ids=["Region", "input", "two inputs", "parameters", "FIFO"],
)
def test_target_that_is_not_valid_is_refused(
    events: Any, source: str, target: dict[str, Any], message: str
) -> None:
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    code, said = refused(events.put_targets, Rule=source, Targets=[{"Id": "1", **target}])
    assert code == "ValidationException"
    assert message in said


@pytest.mark.difference(
    "EventBridge: targets of other accounts",
    aws="get events, where their policies allow it",
    here="refused with ValidationException",
)
def test_target_of_another_account_is_refused(events: Any, source: str) -> None:
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:111122223333:q"}
    code, message = refused(events.put_targets, Rule=source, Targets=[target])
    assert code == "ValidationException"
    assert "refused: the embedded AWS does not deliver events to other accounts" in message


@pytest.mark.aws("https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html")
def test_rate_has_a_positive_value_and_the_unit_that_belongs_to_it(events: Any, source: str) -> None:
    for text in ("rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)"):
        assert refused(events.put_rule, Name=source, ScheduleExpression=text) == (
            "ValidationException",
            "Parameter ScheduleExpression is not valid.",
        )
    for text in ("rate(1 minute)", "rate(10 hours)"):
        events.put_rule(Name=source, ScheduleExpression=text, State="DISABLED")

"""`local clock advance` on a real embedded AWS: what follows the clock, and that only an administrator moves it."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.in_process import run
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from whatschat_ops.local import service

pytestmark = pytest.mark.local


def advance(aws: EmbeddedAws, duration: str) -> dict[str, Any]:
    """The JSON of the command."""
    done = run("local", "clock", "advance", duration, "--json")
    assert done.code == 0, done.said
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def unsigned_status(aws: EmbeddedAws) -> int:
    """The status of an attempt to move the clock without a signature."""
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=60)
    try:
        connection.request("POST", "/_whatschat/clock", body=b'{"advance_s": 600}')
        return connection.getresponse().status
    finally:
        connection.close()


def socket_endpoint(aws: EmbeddedAws) -> str:
    """The URL of a stage without routes."""
    gateway = aws.client("apigatewayv2")
    api = gateway.create_api(
        Name="clock", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    integration = gateway.create_integration(ApiId=api["ApiId"], IntegrationType="MOCK")
    gateway.create_route(
        ApiId=api["ApiId"], RouteKey="$default", Target=f"integrations/{integration['IntegrationId']}"
    )
    gateway.create_stage(ApiId=api["ApiId"], StageName="test", AutoDeploy=True)
    return f"{api['ApiEndpoint']}/test"


def scheduled_queue(aws: EmbeddedAws) -> str:
    """The URL of a queue that a rule sends to every 20 minutes."""
    sqs, events = aws.client("sqs"), aws.client("events")
    rule = events.put_rule(Name="clock", ScheduleExpression="rate(20 minutes)")["RuleArn"]
    arn = f"arn:aws:sqs:us-east-1:{aws.account_id}:clock"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url: str = sqs.create_queue(QueueName="clock", Attributes={"Policy": policy})["QueueUrl"]
    events.put_targets(Rule="clock", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def test_clock_moves_the_gateway_chime_schedules_logs_and_metrics(own_aws: EmbeddedAws) -> None:
    assert unsigned_status(own_aws) == 404
    queue = scheduled_queue(own_aws)
    meetings, logs, metrics = (own_aws.client(name) for name in ("chime-sdk-meetings", "logs", "cloudwatch"))
    meeting = meetings.create_meeting(
        ClientRequestToken="clock", MediaRegion="us-east-1", ExternalMeetingId="clock"
    )["Meeting"]["MeetingId"]
    with connect(socket_endpoint(own_aws), proxy=None, ping_interval=None) as socket:
        assert advance(own_aws, "9m")["offset_s"] == 540
        socket.send("still open")  # activity, so that it is idle from now on
        assert "Internal server error" in str(
            socket.recv(timeout=60)
        )  # a MOCK integration without a template
        assert socket.ping().wait(60)
        advance(own_aws, "9m")
        assert socket.ping().wait(60)
        advance(own_aws, "10m")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")
    with pytest.raises(ClientError, match="NotFoundException"):
        meetings.get_meeting(MeetingId=meeting)

    sent = eventually(
        lambda: own_aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages")
    )
    assert json.loads(sent[0]["Body"])["detail-type"] == "Scheduled Event"

    ahead = datetime.now(UTC) + timedelta(minutes=27)
    logs.create_log_group(logGroupName="clock")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="clock")["logGroups"]
    assert group["creationTime"] / 1000 > ahead.timestamp()
    metrics.put_metric_data(Namespace="Clock", MetricData=[{"MetricName": "n", "Value": 1}])
    points = metrics.get_metric_statistics(
        Namespace="Clock",
        MetricName="n",
        StartTime=ahead,
        EndTime=ahead + timedelta(minutes=10),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert [point["Sum"] for point in points] == [1]
    assert service.status().clock_ahead_s == 28 * 60
    said = run("local", "clock", "advance", "1s").stdout
    assert "Functions, tokens, signatures and the TTL of tables keep the machine's time." in said

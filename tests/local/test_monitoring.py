"""`monitoring` on the embedded AWS: a broken function reaches whoever subscribed, edits by hand are drift, counts are right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect as open_socket

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.local.test_provision import connect
from tests.minimality.removal import User
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ExitCode
from whatschat_ops.provision import Action
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.topic import Subscription
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

BASE: dict[str, Any] = {"enabled": True, "thresholds": {"function_errors": 1, "stale_rows": 2}}
ADDRESSES = ("alice@example.com", "bob@example.com")


def settings(**monitoring: Any) -> Settings:
    return Settings.of({"prefix": "mon-", "monitoring": {**BASE, **monitoring}})


NAMES = Names(settings())


class Bench:
    """One stack, whose settings change. Its operator has the two policies for that and no other rights; `client` is an
    administrator's.
    """

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._user = User(self.client, "mon-operator")
        place = Place(aws.region, aws.account_id)
        usual, added = (
            policy_of(each, settings(), place, "*") for each in ("operator", "operator-monitoring")
        )
        self._user.may(usual)
        made = self.client("iam").create_policy(
            PolicyName="mon-monitoring", PolicyDocument=json.dumps(added, separators=(",", ":"))
        )
        self.client("iam").attach_user_policy(UserName=self._user.name, PolicyArn=made["Policy"]["Arn"])

    @property
    def operator(self) -> Aws:
        """Clients of the operator."""
        target = AwsTarget(
            self.aws.region,
            endpoint_url=self.aws.endpoint_url,
            access_key_id=self._user.access_key_id,
            secret_access_key=Secret(self._user.secret_access_key),
        )
        return Aws(target)

    def stack(self, **monitoring: Any) -> Stack:
        return Stack(settings(**monitoring), self.operator)

    def provision(self, *, adopt: bool = False, **monitoring: Any) -> dict[str, Action]:
        """Address -> what was done."""
        stack = self.stack(**monitoring)
        made = stack.plan(adopt=adopt)
        stack.apply(made)
        assert not self.stack(**monitoring).plan().changing
        return {step.address: step.action for step in made.changing}

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def dashboard(self) -> Any:
        found = self.client("cloudwatch").get_dashboard(DashboardName=NAMES.dashboard)
        return json.loads(found["DashboardBody"])

    def put_dashboard(self, body: Any) -> None:
        self.client("cloudwatch").put_dashboard(DashboardName=NAMES.dashboard, DashboardBody=json.dumps(body))

    @property
    def topic(self) -> str:
        return f"arn:aws:sns:us-east-1:{self.aws.account_id}:{NAMES.alarm_topic}"

    def endpoints(self) -> set[str]:
        listed = self.client("sns").list_subscriptions_by_topic(TopicArn=self.topic)["Subscriptions"]
        return {each["Endpoint"] for each in listed}

    def metric(self, name: str) -> float | None:
        """The newest value of a metric of the count."""
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="WhatsChat",
            MetricName=name,
            Dimensions=[{"Name": "TableName", "Value": NAMES.connections_table}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=2),
            Period=3600 * 24,
            Statistics=["Maximum"],
        )["Datapoints"]
        return points[-1]["Maximum"] if points else None


@pytest.fixture(scope="module")
def bench(embedded_aws: EmbeddedAws) -> Iterator[Bench]:
    found = Bench(embedded_aws)
    found.provision()
    yield found
    stack = found.stack()
    stack.apply(stack.plan_destroy(delete_data=True))
    left = found.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert NAMES.dashboard not in {each["DashboardName"] for each in left}
    assert not found.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{NAMES.stack}/")["MetricAlarms"]


@pytest.fixture
def queue(bench: Bench) -> Iterator[Callable[[], list[Any]]]:
    """What arrived in a queue of another's that subscribed to the topic."""
    sqs, sns = bench.client("sqs"), bench.client("sns")
    arn = f"arn:aws:sqs:us-east-1:{bench.aws.account_id}:mon-oncall"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": bench.topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName="mon-oncall", Attributes={"Policy": policy})["QueueUrl"]
    subscription = sns.subscribe(TopicArn=bench.topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]

    def messages() -> list[Any]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(json.loads(each["Body"])["Message"]) for each in found]

    yield messages
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def test_broken_function_reaches_who_subscribed_and_shows_in_the_status(
    bench: Bench, queue: Callable[[], list[Any]]
) -> None:
    functions, name = bench.client("lambda"), NAMES.function("default")
    functions.update_function_configuration(FunctionName=name, Handler="absent.handler")
    eventually(
        lambda: functions.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful"
    )
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    assert "FunctionError" in functions.invoke(FunctionName=f"{name}:live", Payload=b"{}")

    received: list[Any] = []

    def fired() -> Any:
        received.extend(queue())
        return [each for each in received if each["NewStateValue"] == "ALARM"]

    (message,) = eventually(fired)
    assert message["AlarmName"] == f"{NAMES.stack}/default-errors"
    assert "$default" in message["AlarmDescription"]
    plan = bench.stack().plan()
    (step,) = (step for step in plan if step.address == "alarm.default-errors")
    assert step.action is Action.NO_OP  # that it fires is no drift
    assert step.live is not None
    assert "Threshold Crossed" in str(step.live.state)
    assert {"function.default", "alias.default"} <= {each.address for each in plan.changing}
    bench.provision()


def test_dashboard_that_was_edited_by_hand_is_drift_and_one_of_others_is_not_touched(bench: Bench) -> None:
    wanted = bench.dashboard()
    edited = json.loads(json.dumps(wanted))
    edited["widgets"][-1]["properties"]["title"] = "by hand"
    bench.put_dashboard(edited)
    assert bench.provision() == {"dashboard.monitoring": Action.UPDATE}
    assert bench.dashboard() == wanted

    theirs = {"widgets": [{"type": "text", "properties": {"markdown": "ours, not yours"}}]}
    bench.put_dashboard(theirs)
    stack = bench.stack()
    (blocked,) = stack.plan().blocked
    assert blocked.address == "dashboard.monitoring"
    destroying = {step.address: step for step in stack.plan_destroy()}
    assert destroying["dashboard.monitoring"].kept
    assert bench.dashboard() == theirs
    assert bench.provision(adopt=True) == {"dashboard.monitoring": Action.UPDATE}
    assert bench.dashboard() == wanted


def test_alarm_of_another_owner_with_our_name_is_refused(bench: Bench) -> None:
    cloudwatch, name = bench.client("cloudwatch"), NAMES.alarm("lost-counts")
    arn = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["whatschat-ops:stack"])
    (blocked,) = bench.stack().plan().blocked
    assert blocked.address == "alarm.lost-counts"
    assert bench.provision(adopt=True) == {"alarm.lost-counts": Action.UPDATE}


def test_addresses_of_ours_come_and_go_and_those_of_others_stay(bench: Bench) -> None:
    sns = bench.client("sns")
    sns.subscribe(TopicArn=bench.topic, Protocol="email", Endpoint="carol@example.com")
    added = bench.provision(emails=list(ADDRESSES))
    assert added == {
        "topic.alarms": Action.UPDATE,
        **{f"subscription.{each}": Action.CREATE for each in ADDRESSES},
    }
    assert bench.endpoints() == {*ADDRESSES, "carol@example.com"}
    states = {
        step.address: step.live.state for step in bench.stack(emails=list(ADDRESSES)).plan() if step.live
    }
    assert "pending confirmation" in str(states["subscription.alice@example.com"])

    assert bench.provision(emails=[ADDRESSES[0]]) == {"subscription.orphan/bob@example.com": Action.DELETE}
    tags = sns.list_tags_for_resource(ResourceArn=bench.topic)["Tags"]
    assert ADDRESSES[1] not in {tag["Value"] for tag in tags}
    assert bench.provision() == {"subscription.orphan/alice@example.com": Action.DELETE}
    assert "carol@example.com" in bench.endpoints()
    # One that is wanted again, or was there before, becomes ours.
    assert bench.provision(emails=["carol@example.com"]) == {"topic.alarms": Action.UPDATE}
    assert bench.provision() == {"subscription.orphan/carol@example.com": Action.DELETE}


def test_subscription_that_is_confirmed_is_cancelled(bench: Bench) -> None:
    sqs = bench.client("sqs")
    url = sqs.create_queue(QueueName="mon-confirmed")["QueueUrl"]
    endpoint = f"arn:aws:sqs:us-east-1:{bench.aws.account_id}:mon-confirmed"
    kind = Subscription(Context(bench.operator))
    wanted = {"topic_arn": bench.topic, "protocol": "sqs", "endpoint": endpoint}
    kind.create(wanted)
    live = kind.read(wanted)
    assert live is not None
    assert (live.state, live.id.startswith(f"{bench.topic}:")) == (None, True)
    kind.delete(live)
    assert kind.read(wanted) is None
    sqs.delete_queue(QueueUrl=url)


def test_count_is_that_of_open_sockets_without_expired_rows(bench: Bench) -> None:
    table = bench.client("dynamodb")
    now = int(time.time())
    for number in range(4):
        table.put_item(
            TableName=NAMES.connections_table,
            Item={
                "connectionId": {"S": f"stale-{number}"},
                "userId": {"S": "x"},
                "ttl": {"N": str(now - 60 - number)},
            },
        )
    with ExitStack() as sockets:
        for user in ("alice", "bob", "carol"):
            sockets.enter_context(open_socket(*socket_of(bench, user)))
        answer = bench.client("lambda").invoke(FunctionName=f"{NAMES.function('open-connections')}:live")
        assert "FunctionError" not in answer, answer["Payload"].read()
        eventually(lambda: bench.metric("OpenConnections") is not None)
        assert (bench.metric("OpenConnections"), bench.metric("StaleRows")) == (3, 4)


def socket_of(bench: Bench, user: str) -> tuple[str]:
    from whatschat_ops.stack.outputs import read_outputs

    outputs = read_outputs(settings(), connect(bench.aws))
    token = cli(bench.aws, "token", "mint", "--user", user).stdout.strip()
    return (f"{outputs.websocket_url}?token={token}",)


def cli(aws: EmbeddedAws, *arguments: str) -> Done:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**aws.environment(), "WHATSCHAT_PREFIX": "mon-"}.items():
            environment.setenv(name, value)
        return run(*arguments)


def test_plan_says_what_it_costs_and_status_who_has_not_confirmed(bench: Bench, tmp_path: Path) -> None:
    config = tmp_path / "monitored.yaml"
    config.write_text(json.dumps({"prefix": "mon-", "monitoring": {**BASE, "emails": ["alice@example.com"]}}))
    options = ("--config", str(config))
    plan = cli(bench.aws, *options, "plan", "--json")
    costs = {each["setting"]: each for each in json.loads(plan.stdout)["monthly_costs"]}
    assert costs.keys() == {"monitoring.alarms", "monitoring.dashboard", "monitoring.open_connections"}
    assert costs["monitoring.alarms"]["quantity"] == "12"
    assert "12 alarms" in cli(bench.aws, *options, "plan").stdout
    assert cli(bench.aws, *options, "provision", "--yes").code == ExitCode.DONE
    assert "pending confirmation" in cli(bench.aws, *options, "status").stdout
    bench.provision()


def test_what_is_turned_off_goes_and_leaves_the_rest_of_the_stack(bench: Bench) -> None:
    assert bench.provision(dashboard=False) == {"dashboard.monitoring": Action.DELETE}
    bench.provision()
    gone = bench.provision(enabled=False)
    assert set(gone.values()) == {Action.DELETE}
    assert f"dashboard.orphan/{NAMES.dashboard}" in gone
    assert f"topic.orphan/{NAMES.alarm_topic}" in gone
    assert len([address for address in gone if address.startswith("alarm.orphan/")]) == 12
    groups = bench.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/mon-")["logGroups"]
    assert "/aws/lambda/mon-websocket-open-connections" not in {each["logGroupName"] for each in groups}
    roles = bench.client("iam").list_roles(PathPrefix=NAMES.iam_path)["Roles"]
    assert [role["RoleName"] for role in roles] == [NAMES.lambda_role]
    bench.provision()

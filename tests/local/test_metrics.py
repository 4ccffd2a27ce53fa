"""`metrics show` on the embedded AWS: what was done is what it says, to the last one. In this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.in_process import Cli, Done
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.minimality.removal import User, removals, without
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ExitCode
from whatschat_ops.metrics.probes import USER_AGENT
from whatschat_ops.redaction import Secret
from whatschat_ops.sockets.tokens import mint
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of

pytestmark = pytest.mark.local

SETTINGS = Settings.of({"prefix": "metrics-", "chime": {"events": True}})
NAMES = Names(SETTINGS)
DEFAULT = NAMES.function("default")
PINGS, WHILE_THROTTLED = 5, 3


@dataclass(frozen=True)
class Traffic:
    """What was done: frames are those that clients sent and received."""

    connects: int
    rejected: int
    frames: int


@pytest.fixture(scope="module")
def environment(embedded_aws: EmbeddedAws) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in embedded_aws.environment().items():
            patch.setenv(name, value)
        yield patch


@pytest.fixture(scope="module")
def cli(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    config = tmp_path_factory.mktemp("metrics") / "local.yaml"
    config.write_text("prefix: metrics-\nchime: {events: true}\n", encoding="utf-8")
    made = Cli(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        assert made("provision", "--yes").code == ExitCode.DONE
        yield made
        assert made("destroy", "--yes", "--delete-data").code == ExitCode.DONE


@pytest.fixture(autouse=True)
def in_environment(
    clean_environment: None, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)


def sums(aws: EmbeddedAws, namespace: str, name: str, **dimensions: str) -> float:
    """The sum of a metric, straight from CloudWatch."""
    now = datetime.now(UTC)
    answer = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=2),
        Period=3_600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in answer["Datapoints"]))


@pytest.fixture(scope="module")
def traffic(embedded_aws: EmbeddedAws, cli: Cli) -> Traffic:
    """Two users, rejected handshakes (one of the doctor), messages, a failed function, throttles, a meeting."""
    url = cli("ws", "endpoint").stdout.strip()
    parameter = embedded_aws.client("ssm").get_parameter(Name=NAMES.jwt_secret_parameter, WithDecryption=True)
    secret = Secret(parameter["Parameter"]["Value"])

    def opened(user: str) -> ClientConnection:
        now = datetime.now(UTC)
        token = mint(user, secret, ttl=timedelta(hours=1), now=now, token_id=user).token
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        return connect(url, additional_headers=headers, compression=None, proxy=None, open_timeout=60)

    def rejected(agent: str) -> None:
        with pytest.raises(InvalidStatus):
            connect(f"{url}?token=wrong", user_agent_header=agent, proxy=None, open_timeout=60)

    frames = 0
    with opened("alice") as alice, opened("bob") as bob:
        rejected("a browser")
        rejected(f"{USER_AGENT}/1.0")
        for number in range(PINGS):
            alice.send(json.dumps({"type": "ping", "id": number}))
            assert json.loads(alice.recv(timeout=60))["type"] == "pong"
        frames += 2 * PINGS
        functions = embedded_aws.client("lambda")
        functions.put_function_concurrency(FunctionName=DEFAULT, ReservedConcurrentExecutions=0)
        for _ in range(WHILE_THROTTLED):
            bob.send('{"type":"ping"}')
            assert "Internal server error" in str(bob.recv(timeout=60))
        frames += 2 * WHILE_THROTTLED
        functions.delete_function_concurrency(FunctionName=DEFAULT)
    failed = functions.invoke(FunctionName=DEFAULT, Qualifier="live", Payload=b'"no event"')
    assert failed["FunctionError"] and failed["Payload"].read()
    cli("chime", "meeting", "create", "-u", "alice", "-a", "alice", "--external-id", "metered")
    embedded_aws.attend("metered", "alice")
    embedded_aws.attend("metered", "alice", "leave")
    api = {"ApiId": cli.json("ws", "endpoint")["api_id"], "Stage": "production"}
    eventually(lambda: sums(embedded_aws, "AWS/ApiGateway", "ConnectCount", **api) == 4)
    eventually(lambda: sums(embedded_aws, "AWS/ApiGateway", "IntegrationError", **api) == 2 + WHILE_THROTTLED)
    ended = {"FunctionName": NAMES.function("disconnect")}
    eventually(lambda: sums(embedded_aws, "AWS/Lambda", "Invocations", **ended) == 2)
    return Traffic(connects=4, rejected=2, frames=frames)


def figures(report: Any, title: str, of: str | None = None) -> dict[str, Any]:
    (section,) = (each for each in report["sections"] if each["title"] == title)
    return {each["name"]: each for each in section["figures"] if each["of"] == of}


def values(report: Any, title: str, of: str | None = None) -> dict[str, float | None]:
    return {name: each["value"] for name, each in figures(report, title, of).items()}


def test_report_says_what_was_done(cli: Cli, traffic: Traffic) -> None:
    report = cli.json("metrics", "show")
    api = values(report, "API Gateway")
    assert api["Connects"] == traffic.connects
    assert api["Integration errors"] == traffic.rejected + WHILE_THROTTLED
    assert (api["Client errors"], api["Execution errors"]) == (None, None)
    assert api["Messages"] == traffic.frames
    assert 0 < api["Latency p50"] <= api["Latency p95"] <= api["Latency p99"] <= api["Latency longest"]  # type: ignore[operator]
    connect_, default = (values(report, "Lambda", NAMES.function(each)) for each in ("connect", "default"))
    assert (connect_["Invocations"], connect_["Errors"], connect_["Throttles"]) == (traffic.connects, 0, 0)
    assert (default["Invocations"], default["Errors"], default["Throttles"]) == (
        PINGS + 1,
        1,
        WHILE_THROTTLED,
    )
    assert default["Error rate"] == pytest.approx(1 / (PINGS + 1))
    assert default["Throttle rate"] == pytest.approx(WHILE_THROTTLED / (PINGS + 1 + WHILE_THROTTLED))
    assert connect_["Concurrent executions"] == 1
    account = values(report, "Lambda")
    assert account["Limit of concurrent executions"] == 1_000
    assert account["Concurrent executions"] >= 1  # type: ignore[operator]
    points = figures(report, "API Gateway")["Connects"]["points"]
    assert len(points) == 60
    assert sum(value for value in points if value is not None) == traffic.connects
    assert None in points


def test_report_counts_the_table_and_meetings(cli: Cli, traffic: Traffic) -> None:
    report = cli.json("metrics", "show")
    table = values(report, "DynamoDB", NAMES.connections_table)
    # Each connection is put and deleted; both are written to the table and to its index.
    assert table["Write units"] == 2 * 2 * 2
    assert table["Requests"] == 4
    assert (table["Throttled requests"], table["TTL deletions"]) == (None, None)
    chime = values(report, "Chime SDK")
    assert (chime["Meetings created"], chime["Attendances"]) == (1, 1)
    assert chime["Attendee-minutes"] == 0.1
    assert chime["API calls"] >= 2  # type: ignore[operator]


def test_probes_of_the_doctor_are_not_in_the_error_rate(cli: Cli, traffic: Traffic) -> None:
    report = cli.json("metrics", "show", "--compare")
    probes = report["doctor_probes"]
    assert (probes["connects"], probes["rejected"], probes["messages"]) == (1, 1, 0)
    api = figures(report, "API Gateway")
    errors = api["Integration errors"]["value"]
    requests = api["Connects"]["value"] + api["Messages"]["value"]
    assert api["Error rate"]["value"] == pytest.approx((errors - 1) / (requests - 1))
    assert (api["Connects"]["previous"], api["Connects"]["change"]) == (None, None)
    assert figures(report, "Chime SDK")["Meetings created"]["previous"] == 0


def test_open_connections_are_the_last_count_or_one_of_now(
    cli: Cli, traffic: Traffic, embedded_aws: EmbeddedAws
) -> None:
    nothing = cli("metrics", "show")
    assert re.search(r"^Open connections +-$", nothing.stdout, re.MULTILINE)
    assert "Set monitoring.enabled: true" in nothing.stderr
    now = datetime.now(UTC)
    dimensions = [{"Name": "TableName", "Value": NAMES.connections_table}]
    data = [
        {
            "MetricName": "OpenConnections",
            "Dimensions": dimensions,
            "Value": value,
            "Unit": "Count",
            "Timestamp": at,
        }
        for value, at in ((12, now - timedelta(hours=2)), (7, now - timedelta(minutes=5)))
    ]
    embedded_aws.client("cloudwatch").put_metric_data(Namespace="WhatsChat", MetricData=data)
    opened = cli.json("metrics", "show", "--last", "1m")["open_connections"]
    assert (opened["connections"], opened["source"]) == (7, "metric")

    rows = {"live": now + timedelta(hours=1), "expired": now - timedelta(hours=1)}
    dynamodb = embedded_aws.client("dynamodb")
    for name, expires in rows.items():
        item = {"connectionId": {"S": name}, "ttl": {"N": str(int(expires.timestamp()))}}
        dynamodb.put_item(TableName=NAMES.connections_table, Item=item)
    counted = cli.json("metrics", "show", "--count")["open_connections"]
    assert (counted["connections"], counted["source"], counted["read_units"]) == (1, "table", 0.5)
    assert "which took 0.5 read units" in cli("metrics", "show", "--count").stdout
    for name in rows:
        dynamodb.delete_item(TableName=NAMES.connections_table, Key={"connectionId": {"S": name}})


def test_limit_is_that_of_the_region(cli: Cli, traffic: Traffic, embedded_aws: EmbeddedAws) -> None:
    quotas = embedded_aws.client("service-quotas")
    try:
        quotas.request_service_quota_increase(ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=10)
        assert values(cli.json("metrics", "show"), "Lambda")["Limit of concurrent executions"] == 10
    finally:
        quotas.request_service_quota_increase(
            ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=1_000
        )


def test_table_of_a_terminal_names_what_it_cost(cli: Cli, traffic: Traffic) -> None:
    report, shown = cli.json("metrics", "show"), cli("metrics", "show", "--compare")
    assert (
        f"Cost of this look: {report['cost']['metrics_requested']} metrics of GetMetricData" in shown.stderr
    )
    assert "may still grow" in shown.stderr
    assert "Of doctor: 1 connects, 1 of them rejected." in shown.stderr
    lines = shown.stdout.splitlines()
    assert any(line.split()[:4] == ["Connects", "4", "-", "-"] for line in lines), shown.stdout
    assert any(line.split()[:3] == ["Client", "errors", "-"] for line in lines)
    assert any(line.startswith(DEFAULT) for line in lines)


def measured(report: Any, source: str) -> dict[str, Any]:
    (found,) = (each for each in report["sources"] if each["source"] == source)
    return {
        name: amount if amount is None else (float(amount["low"]), float(amount["high"]))
        for name, amount in found["quantities"].items()
    }


def logged(aws: EmbeddedAws, shorts: tuple[str, ...]) -> tuple[int, int]:
    """The bytes and the number of all events of functions."""
    pages = [
        page
        for short in shorts
        for page in aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=NAMES.function_log_group(short))
    ]
    texts = [event["message"] for page in pages for event in page["events"]]
    return sum(len(text.encode()) for text in texts), len(texts)


def test_measured_usage_is_what_was_done(cli: Cli, traffic: Traffic, embedded_aws: EmbeddedAws) -> None:
    def is_logged() -> bool:
        size, number = logged(embedded_aws, NAMES.functions)
        report = cli.json("cost", "actual", "--last", "1h")
        found = measured(report, "cloudwatch")["logs_ingested_lambda"]
        return bool(found == (size / 2**30, (size + 26 * number) / 2**30))

    eventually(is_logged)
    report = cli.json("cost", "actual", "--last", "1h", "--from", "cloudwatch", "--from", "ledger")
    used = measured(report, "cloudwatch")
    assert used["messages"] == (traffic.frames, traffic.frames)
    assert used["websocket_messages"] == (traffic.frames, 4 * traffic.frames)
    assert used["connections"] == (traffic.connects, traffic.connects)
    requests = traffic.connects + (traffic.connects - traffic.rejected) + PINGS + 1
    assert used["lambda_requests"] == (requests, requests)
    low, high = used["lambda_duration_arm64"]
    assert high - low == pytest.approx(requests * 0.001 * 256 / 1024)
    assert used["dynamodb_writes"][0] > 8
    minutes = used["websocket_connection_minutes"]
    assert 0 <= minutes[0] <= minutes[1]
    told = measured(report, "ledger")
    assert (told["meetings"], told["attendances"], told["chime_audio"]) == ((1, 1), (1, 1), (0.1, 0.1))
    assert report["differences"] == []
    assert float(report["totals"]["AWS"]["high"]) > 0


def test_measured_usage_of_a_time_without_traffic_is_not_0(cli: Cli, traffic: Traffic) -> None:
    report = cli.json("cost", "actual", "--since", "3d", "--until", "2d")
    used = measured(report, "cloudwatch")
    assert (used.get("messages"), used["logs_ingested_lambda"]) == (None, None)
    assert "no data points of the API" in report["sources"][0]["remarks"]


@pytest.mark.parametrize("last", ["0", "59s", "456d", "an hour"])
def test_time_that_cannot_be_looked_at_is_refused(cli: Cli, last: str) -> None:
    assert cli("metrics", "show", "--last", last).code == ExitCode.USAGE


def test_stack_that_is_not_there_is_not_provisioned(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "none.yaml"
    config.write_text("prefix: nothing-\n", encoding="utf-8")
    done = Cli(config)("metrics", "show", "--json")
    assert done.code == ExitCode.FAILED
    assert json.loads(done.stdout)["error"]["argv"][-1] == "provision"


@pytest.fixture(scope="module")
def reader(embedded_aws: EmbeddedAws) -> User:
    return User(embedded_aws.client, "metrics-reader")


@pytest.fixture
def as_reader(
    cli: Cli, reader: User, embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """The command line as a user who has a policy of ours and nothing else."""
    for name, value in embedded_aws.aws_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader.secret_access_key)
    config = tmp_path / "reader.yaml"
    text = cli.config.read_text(encoding="utf-8")
    config.write_text(f"{text}local: {{enabled: false}}\n", encoding="utf-8")
    return Cli(config)


PLACE = Place("us-east-1", "000000000000")
POLICY = policy_of("operator-metrics", SETTINGS, PLACE, "*")
LACKING = {
    "Metrics/cloudwatch:GetMetricData": {"API Gateway", "Lambda", "DynamoDB", "Chime SDK"},
    "Metrics/cloudwatch:GetMetricStatistics": set[str](),
    "Metrics/cloudwatch:ListMetrics": {"API Gateway", "DynamoDB", "Chime SDK"},
    "Metrics/lambda:GetAccountSettings": {"Lambda"},
    "Apis/apigateway:GET": None,
    "Tables/dynamodb:Scan": {"Chime SDK"},
    "Logs/logs:FilterLogEvents": {"Chime SDK"},
}
"""An action of the policy -> the sections that lack something without it. None: nothing can be shown."""


def test_policy_is_enough(as_reader: Cli, reader: User, traffic: Traffic) -> None:
    reader.may(POLICY)
    report = as_reader.json("metrics", "show", "--count")
    assert [section["status"] for section in report["sections"]] == ["shown"] * 4
    assert values(report, "API Gateway")["Connects"] == traffic.connects


@pytest.mark.parametrize("removed", removals(POLICY), ids=str)
def test_what_may_not_be_read_leaves_the_rest(
    as_reader: Cli, reader: User, traffic: Traffic, removed: Any
) -> None:
    reader.may(without(POLICY, removed))
    lacking = LACKING[str(removed)]
    if lacking is None:
        assert as_reader("metrics", "show").code == ExitCode.FAILED
        return
    report = as_reader.json("metrics", "show", code=ExitCode.PARTLY_DONE)
    assert {section["title"] for section in report["sections"] if section["refused"]} == lacking
    operation = removed.action.partition(":")[2]
    refused = [
        each["refused"] for each in (*report["sections"], report["open_connections"], report["doctor_probes"])
    ]
    assert any(each and operation in each for each in refused)
    assert any(section["figures"] for section in report["sections"])


def test_without_any_permission_nothing_is_shown(as_reader: Cli, reader: User, traffic: Traffic) -> None:
    apis = {**POLICY, "Statement": [each for each in POLICY["Statement"] if each["Sid"] == "Apis"]}
    reader.may(apis)
    done = as_reader("metrics", "show", "--json")
    assert done.code == ExitCode.FAILED
    assert json.loads(done.stdout)["error"]["code"] == "permission_denied"


# --- cost budget: on the same stack and its messages ------------------------------------------------------------------

TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
TELL = ("--notify", "ops@example.com", "--notify", TOPIC)


def actions(result: Any) -> list[str]:
    return [each["action"] for each in result["changes"]]


@pytest.fixture
def budgets(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    client = embedded_aws.client("budgets")
    yield client
    found = client.describe_budgets(AccountId="000000000000").get("Budgets", ())
    if any(each["BudgetName"] == NAMES.budget for each in found):
        client.delete_budget(AccountId="000000000000", BudgetName=NAMES.budget)
    embedded_aws.client("cloudwatch").delete_alarms(AlarmNames=[NAMES.budget_alarm])


def test_budget_is_created_changed_and_deleted_once(cli: Cli, budgets: Any) -> None:
    assert actions(cli.json("cost", "budget", "set", "500", *TELL, "--dry-run")) == ["create"] * 3
    assert cli("cost", "budget", "show").code == ExitCode.FAILED
    assert cli("cost", "budget", "set", "500", *TELL).code == ExitCode.USAGE  # it cannot ask

    assert actions(cli.json("cost", "budget", "set", "500", *TELL, "--yes")) == ["create"] * 3
    assert actions(cli.json("cost", "budget", "set", "500.00", *TELL)) == ["no change"] * 3
    shown = cli.json("cost", "budget", "show")
    assert (shown["monthly_usd"], shown["actual_usd"], shown["forecast_usd"]) == ("500", "0", None)
    assert shown["subscribers"] == [TOPIC, "ops@example.com"]
    assert (shown["alarm_messages"], shown["alarm_window_s"]) == (16_666_666, 86_400)

    changed = cli.json("cost", "budget", "set", "300", "--notify", "ops@example.com", "--yes")
    assert (actions(changed), changed["applied"]) == (["update"] * 3, True)
    assert actions(cli.json("cost", "budget", "set", "300", "--yes")) == ["no change", "update", "no change"]
    named = {"AccountId": "000000000000", "BudgetName": NAMES.budget}
    assert budgets.describe_notifications_for_budget(**named)["Notifications"] == []
    assert actions(cli.json("cost", "budget", "delete", "--yes")) == ["delete"] * 2
    assert actions(cli.json("cost", "budget", "delete")) == ["no change"] * 2


def test_budget_that_was_changed_by_others_is_set_again(cli: Cli, budgets: Any) -> None:
    cli.json("cost", "budget", "set", "500", *TELL, "--yes")
    named = {"AccountId": "000000000000", "BudgetName": NAMES.budget}
    first, *_ = budgets.describe_notifications_for_budget(**named)["Notifications"]
    first.pop("NotificationState")
    budgets.delete_notification(**named, Notification=first)
    assert actions(cli.json("cost", "budget", "set", "500", *TELL, "--yes")) == [
        "no change",
        "update",
        "no change",
    ]
    assert len(budgets.describe_notifications_for_budget(**named)["Notifications"]) == 3


def test_alarm_fires_when_messages_come_faster_than_the_amount_lasts(
    cli: Cli, traffic: Traffic, budgets: Any
) -> None:
    cli.json("cost", "budget", "set", "0.000043", "--window", "7d", "--yes")  # 43 in 30 days, 10 in 7
    assert traffic.frames > cli.json("cost", "budget", "show")["alarm_messages"] == 10
    eventually(lambda: cli.json("cost", "budget", "show")["alarm_state"] == "ALARM")


@pytest.mark.parametrize(
    "arguments",
    [
        ("0",),
        ("much",),
        ("500", "--window", "8d"),
        ("500", "--notify", "x"),
        ("500", *TELL, "--notify", f"{TOPIC}2"),
    ],
)
def test_budget_that_cannot_be_is_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("cost", "budget", "set", *arguments, "--yes").code == ExitCode.USAGE


BUDGET_POLICY = policy_of("operator-budget", SETTINGS, PLACE, "*")


def test_policy_of_budgets_is_enough_and_each_action_is_needed(
    as_reader: Cli, reader: User, budgets: Any
) -> None:
    def attempt() -> Done:
        done = as_reader("cost", "budget", "set", "500", *TELL, "--yes")
        return done if done.code else as_reader("cost", "budget", "delete", "--yes")

    reader.may(BUDGET_POLICY)
    assert (done := attempt()).code == ExitCode.DONE, done.said
    for removed in removals(BUDGET_POLICY):
        reader.may(without(BUDGET_POLICY, removed))
        assert attempt().code == ExitCode.FAILED, removed


USAGE_POLICY = policy_of("operator-usage", SETTINGS, PLACE, "*")
USAGE = ("cost", "actual", "--last", "1h", "--from", "cloudwatch", "--from", "ledger")
REFUSED = {
    "Metrics/cloudwatch:DescribeAlarms": "DescribeAlarms",
    "Metrics/cloudwatch:GetMetricData": "GetMetricData",
    "Metrics/cloudwatch:ListMetrics": "ListMetrics",
    "Dashboards/cloudwatch:GetDashboard": "GetDashboard",
    "Apis/apigateway:GET": "GetApis",
    "Functions/lambda:ListVersionsByFunction": "ListVersionsByFunction",
    "Tables/dynamodb:Scan": "Scan",
    "Logs/logs:FilterLogEvents": "FilterLogEvents",
}


def test_policy_is_enough_to_measure_usage(as_reader: Cli, reader: User, traffic: Traffic) -> None:
    reader.may(USAGE_POLICY)
    report = as_reader.json(*USAGE)
    assert measured(report, "cloudwatch")["connections"] == (traffic.connects, traffic.connects)
    assert measured(report, "ledger")["attendances"] == (1, 1)


@pytest.mark.parametrize(
    "removed", [each for each in removals(USAGE_POLICY) if str(each) in REFUSED], ids=str
)
def test_usage_that_may_not_be_read_is_named_and_the_rest_is_measured(
    as_reader: Cli, reader: User, traffic: Traffic, removed: Any
) -> None:
    reader.may(without(USAGE_POLICY, removed))
    report = as_reader.json(*USAGE, code=ExitCode.PARTLY_DONE)
    refused = [operation for each in report["sources"] for operation in each["refused"]]
    assert refused == [REFUSED[str(removed)]]
    assert any(each["quantities"] for each in report["sources"])

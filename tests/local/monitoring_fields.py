"""The rows of `declared_fields` for what `monitoring` adds: its topic, subscription, alarm and dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.local.declared_fields import Row, There

ADDRESS: Final = "oncall@example.com"
ALARM: Final = "connect-errors"
ALARM_VALUES: Final[Mapping[str, tuple[str, Any, Any]]] = {
    "description": ("AlarmDescription", "by hand", "another"),
    "namespace": ("Namespace", "AWS/Other", "AWS/States"),
    "metric_name": ("MetricName", "Throttles", "Duration"),
    "period_s": ("Period", 60, 600),
    "evaluation_periods": ("EvaluationPeriods", 2, 3),
    "datapoints_to_alarm": ("DatapointsToAlarm", 2, 3),
    "threshold": ("Threshold", 99.0, 7.0),
    "comparison": ("ComparisonOperator", "LessThanThreshold", "GreaterThanThreshold"),
    "missing_data": ("TreatMissingData", "ignore", "breaching"),
    "alarm_actions": ("AlarmActions", [], ["arn:aws:sns:us-east-1:000000000000:another"]),
    "ok_actions": ("OKActions", [], ["arn:aws:sns:us-east-1:000000000000:another"]),
    "enabled": ("ActionsEnabled", False, False),
}
"""Field -> AWS's name of it, what it is changed to by hand, another value to want."""


def topic_arn(there: There) -> str:
    return there.arn("sns", there.names.alarm_topic)


def address(there: There, key: str) -> str:
    listed = there.client("sns").list_subscriptions_by_topic(TopicArn=topic_arn(there))["Subscriptions"]
    (found,) = (each for each in listed if each["Endpoint"] == ADDRESS)
    return str(found[key])


def alarm(there: There) -> dict[str, Any]:
    name = there.names.alarm(ALARM)
    (found,) = there.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def put_alarm(there: There, **changes: Any) -> None:
    kept = [parameter for parameter, _, _ in ALARM_VALUES.values()]
    old = {
        key: value
        for key, value in alarm(there).items()
        if key in {*kept, "AlarmName", "Statistic", "Dimensions"}
    }
    if "DatapointsToAlarm" in changes:  # not more than the periods
        changes["EvaluationPeriods"] = changes["DatapointsToAlarm"]
    there.client("cloudwatch").put_metric_alarm(**{**old, **changes})


def alarm_row(row: type[Row], parameter: str, by_hand: Any, other: Any) -> Row:
    periods = parameter == "DatapointsToAlarm"
    return row(
        lambda there: alarm(there)[parameter],
        lambda there: put_alarm(there, **{parameter: by_hand}),
        None if periods else other,
        besides=frozenset({"evaluation_periods"}) if periods else frozenset(),
        fixed="not more than the evaluation periods, which change with it" if periods else None,
    )


def dashboard(there: There) -> Any:
    found = there.client("cloudwatch").get_dashboard(DashboardName=there.names.dashboard)
    return json.loads(found["DashboardBody"])


def edit_dashboard(there: There) -> None:
    body = dashboard(there)
    body["widgets"][-1]["properties"]["title"] = "by hand"
    there.client("cloudwatch").put_dashboard(
        DashboardName=there.names.dashboard, DashboardBody=json.dumps(body)
    )


OTHER_DASHBOARD: Final = {
    "widgets": [{"type": "text", "properties": {"markdown": "`whatschat-ops:stack=fields-whatschat-local`"}}]
}


def rows(row: type[Row], found_by: Callable[[Callable[[There], Any]], Row]) -> dict[tuple[str, str], Row]:
    """(kind, field) -> its row."""
    return {
        ("topic", "topic_name"): found_by(lambda there: topic_of(there).rpartition(":")[2]),
        ("subscription", "topic_arn"): found_by(lambda there: address(there, "TopicArn")),
        ("subscription", "protocol"): found_by(lambda there: address(there, "Protocol")),
        ("subscription", "endpoint"): found_by(lambda there: address(there, "Endpoint")),
        ("alarm", "alarm_name"): found_by(lambda there: alarm(there)["AlarmName"]),
        **{("alarm", field): alarm_row(row, *values) for field, values in ALARM_VALUES.items()},
        ("alarm", "dimensions"): row(
            lambda there: {each["Name"]: each["Value"] for each in alarm(there)["Dimensions"]},
            lambda there: put_alarm(there, Dimensions=[]),
            {"FunctionName": "another"},
        ),
        ("alarm", "statistic"): row(
            lambda there: alarm(there).get("ExtendedStatistic") or alarm(there)["Statistic"],
            lambda there: put_alarm(there, Statistic="Maximum"),
            "p99",
        ),
        ("dashboard", "dashboard_name"): found_by(
            lambda there: there.client("cloudwatch").get_dashboard(DashboardName=there.names.dashboard)["DashboardName"]
        ),
        ("dashboard", "body"): row(dashboard, edit_dashboard, OTHER_DASHBOARD),
    }  # fmt: skip


def topic_of(there: There) -> str:
    """The ARN as SNS has it."""
    found: str = there.client("sns").get_topic_attributes(TopicArn=topic_arn(there))["Attributes"]["TopicArn"]
    return found


def tag_topic(there: There, value: str) -> None:
    there.client("sns").tag_resource(ResourceArn=topic_arn(there), Tags=[{"Key": "team", "Value": value}])


def tag_alarm(there: There, value: str) -> None:
    arn = alarm(there)["AlarmArn"]
    there.client("cloudwatch").tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": value}])


def tags_of_topic(there: There) -> dict[str, str]:
    listed = there.client("sns").list_tags_for_resource(ResourceArn=topic_arn(there))["Tags"]
    return {tag["Key"]: tag["Value"] for tag in listed}


def tags_of_alarm(there: There) -> dict[str, str]:
    arn = alarm(there)["AlarmArn"]
    listed = there.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in listed}

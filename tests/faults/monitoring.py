"""What `monitoring` leaves in AWS: asked from it, and written from the settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.monitoring import count_policy

Client = Callable[[str], Any]
Things = dict[str, Any]

ALARMS = {
    **{f"{short}-errors": ("AWS/Lambda", "Errors", "Sum", 9.0) for short in ("connect", "disconnect", "default")},
    **{
        f"{short}-throttles": ("AWS/Lambda", "Throttles", "Sum", 1.0)
        for short in ("connect", "disconnect", "default")
    },
    "execution-errors": ("AWS/ApiGateway", "ExecutionError", "Sum", 5.0),
    "integration-latency": ("AWS/ApiGateway", "IntegrationLatency", "p99", 3000.0),
    "table-reads-throttled": ("AWS/DynamoDB", "ReadThrottleEvents", "Sum", 10.0),
    "table-writes-throttled": ("AWS/DynamoDB", "WriteThrottleEvents", "Sum", 10.0),
    "stale-rows": ("WhatsChat", "StaleRows", "Maximum", 1000.0),
    "lost-counts": ("AWS/Lambda", "AsyncEventsDropped", "Sum", 1.0),
    "failed-broadcasts": ("AWS/States", "ExecutionsFailed", "Sum", 1.0),
}  # fmt: skip
"""Those of `UPDATED` in world.py: name -> metric, statistic, threshold."""


def ours(client: Client, prefix: str) -> Things:
    """Topics, alarms, dashboards and rules whose name starts with the prefix."""
    return {**_alarms(client, prefix), **_topics(client, prefix), **_dashboards(client, prefix), **_rules(client, prefix)}  # fmt: skip


def _alarms(client: Client, prefix: str) -> Things:
    cloudwatch = client("cloudwatch")
    return {
        f"alarm {alarm['AlarmName']}": {
            "watches": (
                alarm["Namespace"],
                alarm["MetricName"],
                alarm.get("ExtendedStatistic") or alarm["Statistic"],
                alarm["Threshold"],
            ),
            "actions": (alarm["AlarmActions"], alarm["OKActions"], alarm["ActionsEnabled"]),
            "tags": cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"],
        }
        for alarm in cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    }


def _topics(client: Client, prefix: str) -> Things:
    sns = client("sns")
    arns = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    return {
        f"topic {arn.rpartition(':')[2]}": {
            "addresses": sorted(
                each["Endpoint"] for each in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
            ),
            "tags": {
                tag["Key"][:19]: tag["Value"] for tag in sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
            },
        }
        for arn in arns
        if arn.rpartition(":")[2].startswith(prefix)
    }


def _dashboards(client: Client, prefix: str) -> Things:
    cloudwatch = client("cloudwatch")
    found = {}
    for entry in cloudwatch.list_dashboards(DashboardNamePrefix=prefix)["DashboardEntries"]:
        name = entry["DashboardName"]
        body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
        kinds = [widget["type"] for widget in body["widgets"]]
        found[f"dashboard {name}"] = {
            "mark": body["widgets"][0]["properties"]["markdown"].splitlines()[1].split(" ")[0],
            "widgets": {kind: kinds.count(kind) for kind in kinds},
        }
    return found


def _rules(client: Client, prefix: str) -> Things:
    events = client("events")
    return {
        f"rule {rule['Name']}": {
            "schedule": rule.get("ScheduleExpression"),
            "state": rule["State"],
            "targets": [
                target["Arn"] for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            ],
            "tags": events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"],
        }
        for rule in events.list_rules(NamePrefix=prefix)["Rules"]
    }


def expected(
    settings: Settings, account: str, role: Callable[..., Things], role_arn: Callable[..., str]
) -> Things:
    """What a thing is called -> what must be true of it. `role` and `role_arn` are those of all roles."""
    names, region = Names(settings), settings.aws.region
    tags = [{"Key": "whatschat-ops:stack", "Value": names.stack}]
    topic = f"arn:aws:sns:{region}:{account}:{names.alarm_topic}"
    rule, function = names.open_connections_rule, names.function("open-connections")
    policy: Document = count_policy(Blueprint(settings, Place(region, account)))
    statement = {
        "Sid": "whatschat-ops-schedule",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:events:{region}:{account}:rule/{rule}"}},
    }
    return {
        **{
            f"alarm {names.stack}/{short}": {"watches": watches, "actions": ([topic], [topic], True), "tags": tags}
            for short, watches in ALARMS.items()
        },
        f"topic {names.alarm_topic}": {
            "addresses": list(settings.monitoring.emails),
            "tags": {"whatschat-ops:stack": names.stack, "whatschat-ops:email": settings.monitoring.emails[0]},
        },
        f"dashboard {names.dashboard}": {
            "mark": f"`whatschat-ops:stack={names.stack}`",
            "widgets": {"text": 1, "alarm": 1, "metric": 11},
        },
        f"rule {rule}": {
            "schedule": "rate(5 minutes)",
            "state": "ENABLED",
            "targets": [f"arn:aws:lambda:{region}:{account}:function:{function}:live"],
            "tags": tags,
        },
        f"role {names.open_connections_role}": role(settings, "lambda", "whatschat-ops-open-connections", policy),
        f"function {function}": {
            "Runtime": settings.lambda_.runtime,
            "MemorySize": 128,
            "Timeout": 300,
            "architectures": [settings.lambda_.architecture],
            "role": role_arn(settings, names.open_connections_role),
            "environment": {"CONNECTIONS_TABLE": names.connections_table},
            "statements": [statement],
            "tags": {"whatschat-ops:stack": names.stack},
        },
    }  # fmt: skip

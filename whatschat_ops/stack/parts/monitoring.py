"""Alarms, their topic, a dashboard, and a scheduled count of open connections. Nothing unless enabled. Pure.

subscription -> topic;  alarm -> topic, API
dashboard -> API
rule -> permission -> alias -> function -> role, log group
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config.names import OPEN_CONNECTIONS
from whatschat_ops.provision import Reference, Resource
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.event_rule import EventRule
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.kinds.topic import EMAIL, address_tags
from whatschat_ops.stack.parts.alarms import Watch, watches
from whatschat_ops.stack.parts.blueprint import Blueprint, Part
from whatschat_ops.stack.parts.dashboard import dashboard_body
from whatschat_ops.stack.parts.functions import (
    alias,
    function,
    function_log_group,
    live_arn,
    logs_statement,
    role,
    use_given_role,
)

COMPONENT: Final = "operator-monitoring"
"""What the operator's policy for all this is called."""
TOPIC: Final = "topic.alarms"
TOPIC_ARN: Final = Reference(TOPIC, "arn")
ROLE: Final = OPEN_CONNECTIONS
MEMORY_MB: Final = 128
"""A page of a count holds no rows, only their number."""


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """What `monitoring` turns on. What an earlier setting left is found by its tag (orphans.py)."""
    monitoring = blueprint.settings.monitoring
    if not monitoring.enabled:
        return
    tags = {**blueprint.names.tags, **address_tags(monitoring.emails)}
    topic = {"topic_name": blueprint.names.alarm_topic, "tags": tags}
    yield Resource("topic", "alarms", topic)
    yield from (_subscription(address) for address in dict.fromkeys(monitoring.emails))
    if monitoring.alarms:
        yield from (alarm(blueprint, watch) for watch in watches(blueprint))
    if monitoring.dashboard:
        yield _dashboard(blueprint)
    if monitoring.counts_connections:
        yield from _count(blueprint)


def unwanted(blueprint: Blueprint) -> Iterator[Resource]:
    """A dashboard that was turned off has no tag to be found by."""
    monitoring = blueprint.settings.monitoring
    if monitoring.enabled and not monitoring.dashboard:
        yield _dashboard(blueprint)


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To pass a role of the account's to the count."""
    if blueprint.settings.monitoring.counts_connections:
        yield from use_given_role(blueprint, ROLE, "lambda.amazonaws.com")


def count_policy(blueprint: Blueprint) -> Document:
    """What the count needs: to read the table, and its log."""
    table = Table.arn.of(blueprint.place, blueprint.names.connections_table)
    return document(
        allow("Connections", ["dynamodb:Scan"], table), logs_statement(blueprint, OPEN_CONNECTIONS)
    )


def alarm(blueprint: Blueprint, watch: Watch) -> Resource:
    """An alarm that sends to the stack's topic when it fires and when it is over."""
    fields = {
        "alarm_name": blueprint.names.alarm(watch.short),
        "description": watch.says,
        "namespace": watch.metric.namespace,
        "metric_name": watch.metric.name,
        "dimensions": watch.metric.dimensions,
        "statistic": watch.statistic,
        "period_s": watch.period_s,
        "evaluation_periods": watch.periods,
        "datapoints_to_alarm": watch.needed,
        "threshold": watch.threshold,
        "comparison": "GreaterThanOrEqualToThreshold",
        "missing_data": watch.missing_data,
        "alarm_actions": [TOPIC_ARN],
        "ok_actions": [TOPIC_ARN],
        "enabled": True,
        "tags": blueprint.names.tags,
    }
    return Resource("alarm", watch.short, fields)


def _subscription(address: str) -> Resource:
    return Resource("subscription", address, {"topic_arn": TOPIC_ARN, "protocol": EMAIL, "endpoint": address})


def _dashboard(blueprint: Blueprint) -> Resource:
    fields = {"dashboard_name": blueprint.names.dashboard, "body": dashboard_body(blueprint)}
    return Resource("dashboard", "monitoring", fields)


def _count(blueprint: Blueprint) -> Iterator[Resource]:
    names, minutes = blueprint.names, blueprint.settings.monitoring.open_connections.every_minutes
    rule = EventRule.arn.of(blueprint.place, names.open_connections_rule)
    policy = ("whatschat-ops-open-connections", count_policy(blueprint))
    yield function_log_group(blueprint, OPEN_CONNECTIONS)
    yield from role(blueprint, ROLE, names.open_connections_role, "lambda.amazonaws.com", policy)
    fields = {
        "runtime": blueprint.settings.lambda_.runtime,
        "memory_mb": MEMORY_MB,
        "timeout_s": min(MAX_FUNCTION_TIMEOUT_S, minutes * 60),  # one has ended when the next begins
        "environment": {"CONNECTIONS_TABLE": names.connections_table},
    }
    yield function(
        blueprint, OPEN_CONNECTIONS, role=ROLE, role_name=names.open_connections_role, fields=fields
    )
    yield alias(blueprint, OPEN_CONNECTIONS, role=ROLE)
    yield Resource("permission", OPEN_CONNECTIONS, _permission(rule))
    yield Resource("event_rule", OPEN_CONNECTIONS, _rule(blueprint, minutes), _COUNTED_FIRST)


_COUNTED_FIRST: Final = frozenset({f"permission.{OPEN_CONNECTIONS}", "table.connections"})


def _permission(rule_arn: str) -> dict[str, object]:
    return {
        "function_name": Reference(f"function.{OPEN_CONNECTIONS}", "function_name"),
        "qualifier": Reference(f"alias.{OPEN_CONNECTIONS}", "alias_name"),
        "statement_id": "whatschat-ops-schedule",
        "principal": "events.amazonaws.com",
        "action": "lambda:InvokeFunction",
        "source_arn": rule_arn,
    }


def _rule(blueprint: Blueprint, minutes: int) -> dict[str, object]:
    return {
        "rule_name": blueprint.names.open_connections_rule,
        "event_pattern": None,
        "schedule": f"rate({minutes} minute{'s' if minutes > 1 else ''})",
        "state": "ENABLED",
        "target_arn": live_arn(blueprint, OPEN_CONNECTIONS),
        "tags": blueprint.names.tags,
    }


PART: Final = Part(resources, operator_statements, unwanted)

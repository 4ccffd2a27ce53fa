"""What measuring the usage of the stack needs: a policy of its own, enough for who does nothing else. Pure.

Metrics and the listing of alarms know no resource (Service Authorization Reference, Amazon CloudWatch).
"""

from __future__ import annotations

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.kinds.dashboard import Dashboard
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint


def usage_policy(blueprint: Blueprint) -> Document:
    """`cost actual` from CloudWatch, the ledger and the stack's log groups."""
    names, place, settings = blueprint.names, blueprint.place, blueprint.settings
    groups = [names.function_log_group(short) for short in names.functions]
    groups += [names.access_log_group] if settings.websocket.access_logs else []
    chime = settings.chime.enabled
    groups += [names.chime_event_log_group] if chime and settings.chime.events else []
    logs = [LogGroup.arn.of(place, group) + suffix for group in groups for suffix in ("", ":*")]
    functions = [Function.arn.of(place, names.function(short)) for short in names.functions]
    return document(
        allow("Metrics", actions("cloudwatch", "DescribeAlarms GetMetricData ListMetrics"), "*"),
        allow("Dashboards", ["cloudwatch:GetDashboard"], Dashboard.arn.of(place, names.dashboard)),
        allow("Apis", ["apigateway:GET"], f"arn:{place.partition}:apigateway:{place.region}::/apis"),
        allow("Functions", ["lambda:ListVersionsByFunction"], functions),
        *([allow("Tables", ["dynamodb:Scan"], Table.arn.of(place, names.ledger_table))] if chime else []),
        allow("Logs", ["logs:FilterLogEvents"], logs),
    )

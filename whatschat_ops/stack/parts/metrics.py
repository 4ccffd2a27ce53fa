"""What reading the metrics of the stack needs: a policy of its own, enough for who does nothing else. Pure.

Metrics and the limits of an account know no resource (Service Authorization Reference, Amazon CloudWatch, AWS Lambda).
"""

from __future__ import annotations

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint


def metrics_policy(blueprint: Blueprint) -> Document:
    """`metrics show`: the metrics, the API's id, the probes in the access log, the tables that are counted."""
    names, place, settings = blueprint.names, blueprint.place, blueprint.settings
    chime = settings.chime.enabled
    tables = [names.connections_table, *([names.ledger_table] if chime else [])]
    groups = [
        *([names.access_log_group] if settings.websocket.access_logs else []),
        *([names.chime_event_log_group] if chime and settings.chime.events else []),
    ]
    logs = [LogGroup.arn.of(place, group) + suffix for group in groups for suffix in ("", ":*")]
    return document(
        allow(
            "Metrics",
            [
                *actions("cloudwatch", "GetMetricData GetMetricStatistics ListMetrics"),
                "lambda:GetAccountSettings",
            ],
            "*",
        ),
        allow("Apis", ["apigateway:GET"], f"arn:{place.partition}:apigateway:{place.region}::/apis"),
        allow("Tables", ["dynamodb:Scan"], [Table.arn.of(place, table) for table in tables]),
        *([allow("Logs", ["logs:FilterLogEvents"], logs)] if logs else []),
    )

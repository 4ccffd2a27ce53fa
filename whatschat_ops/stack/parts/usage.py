"""What measuring the usage of the stack needs: a policy of its own, enough for who does nothing else. Pure.

Metrics and the listing of alarms know no resource (Service Authorization Reference, Amazon CloudWatch). Buckets are those whose
names begin with the stack's: no setting names the one that has logs, records or bills.

Athena calls Glue and S3 with the rights of who asks (Athena User Guide, "Access to databases and tables in the AWS Glue Data
Catalog" and "AWS managed policies for Amazon Athena"); in Glue, an action needs its catalog and its database, too.
"""

from __future__ import annotations

from typing import Final

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.kinds.dashboard import Dashboard
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint

DATABASES: Final = "whatschat_ops_"
"""How the names of Glue databases begin that exist while Athena is asked."""


def usage_policy(blueprint: Blueprint) -> Document:
    """`cost actual` from CloudWatch, the ledger, the stack's log groups, files in S3 and Athena."""
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
        *_files(blueprint),
        *_athena(blueprint),
    )


def _files(blueprint: Blueprint) -> list[Document]:
    """What is read of S3, and the results that Athena puts there."""
    buckets = f"arn:{blueprint.place.partition}:s3:::{blueprint.names.stack}-*"
    return [
        allow("Buckets", actions("s3", "GetBucketLocation ListBucket"), buckets),
        allow("Objects", actions("s3", "AbortMultipartUpload GetObject PutObject"), f"{buckets}/*"),
    ]


def _athena(blueprint: Blueprint) -> list[Document]:
    place = blueprint.place
    glue = f"arn:{place.partition}:glue:{place.region}:{place.account_id}"
    kinds = ("database", "table", "userDefinedFunction")
    databases = [f"{glue}:catalog"]
    databases += [f"{glue}:{kind}/{DATABASES}*{'' if kind == 'database' else '/*'}" for kind in kinds]
    workgroup = f"arn:{place.partition}:athena:{place.region}:{place.account_id}:workgroup/primary"
    tables = "CreateDatabase CreateTable DeleteDatabase DeleteTable GetDatabase GetPartitions GetTable"
    return [
        allow(
            "Queries", actions("athena", "GetQueryExecution GetQueryResults StartQueryExecution"), workgroup
        ),
        allow("Databases", actions("glue", tables), databases),
    ]

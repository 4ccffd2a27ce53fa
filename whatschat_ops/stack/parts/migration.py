"""What `migrate` needs, and the application's reader of the shares: policies of their own. Pure."""

from __future__ import annotations

from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.kinds.secret import SecretParameter
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts import audit
from whatschat_ops.stack.parts.blueprint import Blueprint


def migration_policy(blueprint: Blueprint) -> Document:
    """The row and the lock, the parameter, the log of what was done, and the counts of sockets and meetings.

    The gate reads what `doctor`, `operator-metrics` and `operator-logs` allow: without them it is inconclusive.
    """
    names, place = blueprint.names, blueprint.place
    tables = [names.connections_table, *([names.ledger_table] if blueprint.settings.chime.enabled else [])]
    return document(
        allow(
            "Lock",
            actions("dynamodb", "CreateTable DescribeTable TagResource GetItem PutItem UpdateItem"),
            Table.arn.of(place, names.lock_table),
        ),
        *audit.operator_statements(blueprint),
        allow("Parameter", SecretParameter.operator_actions, _parameter(blueprint)),
        allow("Tables", ["dynamodb:Scan"], [Table.arn.of(place, table) for table in tables]),
        allow("Apis", ["apigateway:GET"], f"arn:{place.partition}:apigateway:{place.region}::/apis"),
    )


def reader_policy(blueprint: Blueprint) -> Document:
    """The backend's reader of the shares."""
    return document(allow("Migration", actions("ssm", "GetParameter"), _parameter(blueprint)))


def _parameter(blueprint: Blueprint) -> str:
    return SecretParameter.arn.of(blueprint.place, blueprint.names.migration_parameter)

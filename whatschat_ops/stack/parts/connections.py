"""The table of open connections. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.provision import Resource
from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.table import Table, index_arn
from whatschat_ops.stack.parts.blueprint import Blueprint, Part

CONNECTIONS_TABLE: Final = "table.connections"


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """The table, with an index by user."""
    connections = blueprint.settings.connections
    yield Resource(
        "table",
        "connections",
        {
            "table_name": blueprint.names.connections_table,
            "key": "connectionId",
            "indexes": {USER_INDEX: "userId"},
            "point_in_time_recovery": connections.point_in_time_recovery,
            "deletion_protection": connections.deletion_protection,
            "billing_mode": "PAY_PER_REQUEST",
            "ttl_attribute": "ttl",
            "tags": blueprint.names.tags,
        },
    )


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To list connections, and to delete the rows of those that are gone (a broadcast deletes 25 at a time)."""
    yield allow(
        "Tables",
        actions("dynamodb", "Scan GetItem DeleteItem PartiQLDelete"),
        Table.arn.of(blueprint.place, blueprint.names.connections_table),
    )
    # In the same statement, which saves 75 of the 6,144 characters of a policy: who may scan a table may query it.
    yield {**of_user(blueprint), "Sid": "Tables"}


def of_user(blueprint: Blueprint) -> Document:
    """To find the connections of a user."""
    index = index_arn(blueprint.place, blueprint.names.connections_table, USER_INDEX)
    return allow("ConnectionsOfUser", ["dynamodb:Query"], index)


PART: Final = Part(resources, operator_statements)

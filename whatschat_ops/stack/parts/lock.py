"""The table of the stack's lock. It is in no plan: it is created before the first one is applied, and deleted after the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint, Part


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To create and delete the table, and to hold the lock."""
    yield allow(
        "Lock",
        actions("dynamodb", "CreateTable DescribeTable DeleteTable TagResource GetItem PutItem UpdateItem"),
        Table.arn.of(blueprint.place, blueprint.names.lock_table),
    )


PART: Final = Part(lambda _blueprint: (), operator_statements)

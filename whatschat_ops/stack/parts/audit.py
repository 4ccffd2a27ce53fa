"""The audit log's table. It is in no plan: the first entry creates it, and `destroy` leaves it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.stack.iam_documents import Document, actions, allow
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint, Part


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """To create the table, to add rows and to read them; neither to change or delete a row, nor to delete the table."""
    yield allow(
        "Audit",
        actions("dynamodb", "CreateTable TagResource UpdateTimeToLive PutItem Query"),
        Table.arn.of(blueprint.place, blueprint.names.audit_table),
    )


PART: Final = Part(lambda _blueprint: (), operator_statements)

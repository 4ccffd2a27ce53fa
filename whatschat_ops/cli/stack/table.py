"""`table`: the connections table alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.stack.applying import AdoptOption, DeleteDataOption, destroy_planned, show_and_apply
from whatschat_ops.cli.terminal.tables import Facts

if TYPE_CHECKING:
    from whatschat_ops.stack.status import TableDescription


@dataclass(frozen=True, slots=True)
class TableResult:
    """What `table create` did."""

    table: str
    changed: bool


@audited(shows=("table", "changed"))
def create(run: Run, yes: YesOption = False, adopt: AdoptOption = False) -> None:
    """Create or update the connections table.

    Leaves the rest of the stack as it is.

    Example: whatschat-ops table create --yes
    """
    from whatschat_ops.stack.parts.connections import CONNECTIONS_TABLE

    stack = run.stack()
    made = stack.plan_only({CONNECTIONS_TABLE}, adopt=adopt)
    table = run.names.connections_table
    applied = show_and_apply(run, stack, made, f"Apply this to the table {table}?", yes=yes)
    if applied is not None:
        run.out.result(
            TableResult(table, bool(applied.done)),
            lambda result: f"Table {table} is ready." if result.changed else f"Table {table} is up to date.",
        )


def describe(run: Run) -> None:
    """Show the connections table.

    Shows its status, keys, indexes, size and settings as DynamoDB describes them.

    Example: whatschat-ops table describe --json
    """
    from whatschat_ops.stack.status import describe_connections_table

    run.out.result(describe_connections_table(run.settings, run.aws), _render_table)


@audited(shows=("deleted",))
def delete(run: Run, yes: YesOption = False, delete_data: DeleteDataOption = False) -> None:
    """Delete the connections table.

    Deletes it with all its rows, and only if it carries the stack's tag.

    Example: whatschat-ops table delete
    """
    from whatschat_ops.stack.parts.connections import CONNECTIONS_TABLE

    stack = run.stack()
    made = stack.plan_destroy(delete_data=delete_data, addresses={CONNECTIONS_TABLE})
    destroy_planned(run, stack, made, yes=yes)


def _render_table(description: TableDescription) -> Facts:
    indexes = ", ".join(
        f"{index.name} on {index.key} ({index.projection}, {index.status})" for index in description.indexes
    )
    rows = {
        "Table": description.table,
        "ARN": description.arn,
        "Status": description.status,
        "Key": description.key,
        "Indexes": indexes or "none",
        "Billing": description.billing_mode,
        "TTL": f"{description.ttl_attribute or 'none'} ({description.ttl_status})",
        "Point-in-time recovery": "on" if description.point_in_time_recovery else "off",
        "Deletion protection": "on" if description.deletion_protection else "off",
        "Items": f"{description.item_count} (updated about every six hours)",
        "Size": f"{description.size_bytes} bytes",
        "Tags": ", ".join(f"{key}={value}" for key, value in description.tags.items()) or "none",
    }
    return Facts(rows)

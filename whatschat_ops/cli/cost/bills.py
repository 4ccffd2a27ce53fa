"""A bill for the commands that read one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.usage.bills.bill import Bill

BillOption = Annotated[
    str,
    typer.Option(
        "--bill", metavar="PATH", help="File, folder, glob or s3:// of a CUR, FOCUS or Cost Explorer's answer"
    ),
]
ApiIdOption = Annotated[
    str | None,
    typer.Option(
        "--api-id", metavar="API", help="The WebSocket API's id: rows of other APIs are not the stack's"
    ),
]


def bill_at(run: Run, path: str, api_id: str | None) -> Bill:
    """The bill, with the stack's rows marked. Makes no request unless the path is in S3."""
    from whatschat_ops.usage.bills.owned import Owned
    from whatschat_ops.usage.bills.reading import read_bill

    names = run.names
    own = [
        *names.functions, names.connections_table, names.ledger_table, names.lock_table, names.audit_table,
        *(f"/aws/lambda/{function}" for function in names.functions),
        names.access_log_group, names.chime_event_log_group, names.broadcast_state_machine,
    ]  # fmt: skip
    return read_bill(path, Owned.of(names.stack, own, api_id), lambda: run.aws)

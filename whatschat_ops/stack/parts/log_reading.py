"""What reading the logs of the stack needs: a policy of its own, for operators and for whoever is on call. Pure."""

from __future__ import annotations

from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.parts.blueprint import Blueprint


def log_reading_policy(blueprint: Blueprint) -> Document:
    """FilterLogEvents of the functions' log groups and of the access log, also while the settings switch that off.

    AWS knows a log group with and without `:*` at its end (Service Authorization Reference, Amazon CloudWatch Logs).
    """
    names = blueprint.names
    groups = [*map(names.function_log_group, ROUTE_FUNCTIONS.values()), names.access_log_group]
    arns = [LogGroup.arn.of(blueprint.place, group) for group in groups]
    return document(
        allow("ReadLogs", ["logs:FilterLogEvents"], [form for arn in arns for form in (arn, f"{arn}:*")])
    )

"""$disconnect: deletes the connection's row.

API Gateway invokes it after the connection is closed, on a best-effort basis: a remaining row is deleted when a
message to it fails (`delivery`), or expires.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from .aws_api import AwsApi, AwsCallFailed, NotConfigured
from .connections_table import ConnectionsTable, table_name
from .log import Log, line_of


def disconnect(event: Mapping[str, Any], table: ConnectionsTable, log: Log) -> dict[str, Any]:
    """Delete the row, if it exists. Raises AwsCallFailed."""
    context = event["requestContext"]
    log.closed(context.get("disconnectStatusCode"), str(context.get("disconnectReason") or ""))
    user_id = table.delete(context["connectionId"])
    if user_id is not None:
        log.user(user_id)
    log.ends("deleted" if user_id is not None else "absent")
    return {"statusCode": 200}


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point of the Lambda function."""
    with line_of("disconnect", event, context) as log:
        try:
            return disconnect(event, _table(), log)
        except (AwsCallFailed, NotConfigured) as failure:
            log.problem(str(failure))
            return {"statusCode": 500}


@cache
def _table() -> ConnectionsTable:
    return ConnectionsTable(AwsApi(os.environ), table_name(os.environ))

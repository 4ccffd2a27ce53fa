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
from .log import Log


def disconnect(event: Mapping[str, Any], table: ConnectionsTable, log: Log) -> dict[str, Any]:
    """Delete the row, if it exists. Raises AwsCallFailed."""
    context = event["requestContext"]
    table.delete(context["connectionId"])
    log.info("disconnect", "deleted", code=context.get("disconnectStatusCode"))
    return {"statusCode": 200}


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point of the Lambda function."""
    log = Log(context.aws_request_id, event["requestContext"]["connectionId"])
    try:
        return disconnect(event, _table(), log)
    except (AwsCallFailed, NotConfigured) as failure:
        log.error("disconnect", "failed", reason=str(failure))
        return {"statusCode": 500}


@cache
def _table() -> ConnectionsTable:
    return ConnectionsTable(AwsApi(os.environ), table_name(os.environ))

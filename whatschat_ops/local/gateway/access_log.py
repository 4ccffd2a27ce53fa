"""Access logs: a stage's log format with its `$context` variables filled in, one line per exchange.

The variables are those of websocket-api-logging; an unknown or absent one is "-".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from whatschat_ops.local.gateway.exchange import Exchange
from whatschat_ops.local.interfaces import LogWriter

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")
ABSENT = "-"


def render(log_format: str, variables: Mapping[str, Any]) -> str:
    """The log line."""
    return _VARIABLE.sub(lambda match: _text(variables, match.group(1)), log_format)


def write(log_writer: LogWriter, exchange: Exchange) -> None:
    """Write the access log line of the exchange, if its stage has an access log."""
    stage = exchange.stage
    if not stage.access_log_format or not stage.access_log_group_arn:
        return
    group = stage.access_log_group_arn.removesuffix(":*")
    stream = uuid.uuid5(uuid.NAMESPACE_URL, f"{exchange.api.id}/{stage.name}").hex
    line = render(stage.access_log_format, exchange.variables())
    log_writer.write(group, stream, [(int(exchange.context["requestTimeEpoch"]), line)])


def _text(variables: Mapping[str, Any], name: str) -> str:
    value: Any = variables
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return ABSENT if isinstance(value, Mapping) or value == "" else str(value)

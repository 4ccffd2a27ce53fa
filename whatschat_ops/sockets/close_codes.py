"""What close codes mean on API Gateway.

Sources: RFC 6455 section 7.4.1; API Gateway developer guide, WebSocket quotas (idle and maximum duration, sizes).
"""

from __future__ import annotations

from typing import Final

from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_FRAME_BYTES, MAX_IDLE_S, MAX_MESSAGE_BYTES

NORMAL: Final = 1000

_MEANINGS: Final = {
    NORMAL: "normal closure",
    1001: f"going away: {MAX_IDLE_S // 60} minutes without a message, {MAX_CONNECTION_S // 3600} hours of age, or the stage was "
    "deployed again",
    1002: "protocol error",
    1003: "binary message: API Gateway accepts text only",
    1005: "no close code",
    1006: "connection lost without a close frame: a network failure, or the server went away",
    1007: "text message that is not UTF-8",
    1008: "policy violation",
    1009: f"message too large: at most {MAX_MESSAGE_BYTES // 1024} KB, in frames of at most {MAX_FRAME_BYTES // 1024} KB",
    1011: "server error",
    1012: "server restart",
    1013: "server overloaded: try again later",
}


def meaning(code: int) -> str:
    """The code in words."""
    if 3000 <= code <= 4999:
        return "application-defined code"
    return _MEANINGS.get(code, "unknown code")


def describe(code: int, reason: str = "") -> str:
    """`1001 (going away: ...)`, with the server's reason if it gave one."""
    said = f', "{reason}"' if reason else ""
    return f"{code}{said} ({meaning(code)})"

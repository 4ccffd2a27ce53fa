"""What the code of a closed socket means on API Gateway, in words.

Sources: RFC 6455 section 7.4.1; API Gateway developer guide, WebSocket quotas (idle and maximum duration, sizes).
"""

from __future__ import annotations

from typing import Final

from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_FRAME_BYTES, MAX_IDLE_S, MAX_MESSAGE_BYTES

NORMAL: Final = 1000

_MEANINGS: Final = {
    NORMAL: "closed on purpose",
    1001: f"going away: {MAX_IDLE_S // 60} minutes without a message, {MAX_CONNECTION_S // 3600} hours of age, or the stage was "
    "deployed again",
    1002: "protocol error",
    1003: "a binary message: API Gateway accepts text only",
    1005: "closed without a code",
    1006: "cut without a goodbye: the network, or the server went away",
    1007: "a text message that is not UTF-8",
    1008: "refused by a policy of the server",
    1009: f"message too big: at most {MAX_MESSAGE_BYTES // 1024} KB, in frames of at most {MAX_FRAME_BYTES // 1024} KB",
    1011: "the server failed",
    1012: "the server restarts",
    1013: "the server is overloaded: try again later",
}


def meaning(code: int) -> str:
    """The code in words; for a code of the application's own, whose it is."""
    if 3000 <= code <= 4999:
        return "a code of the application's own"
    return _MEANINGS.get(code, "a code without a known meaning")


def describe(code: int, reason: str = "") -> str:
    """`1001 (going away: ...)`, with the server's own reason when it gave one."""
    said = f', "{reason}"' if reason else ""
    return f"{code}{said} ({meaning(code)})"

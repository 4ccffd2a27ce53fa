"""The size of a message: whether API Gateway accepts it, and as how many messages it is billed."""

from __future__ import annotations

from typing import Final

from whatschat_ops.errors import UsageError
from whatschat_ops.quotas import MAX_MESSAGE_BYTES, METERED_MESSAGE_BYTES

TOO_LARGE_HINT: Final = "Split it, or put it in S3 and send a link."


def check_size(data: bytes) -> None:
    """Raise UsageError when API Gateway would reject the message for its size (413, or close code 1009)."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise UsageError(
            f"The message has {len(data):,} bytes: API Gateway accepts at most {MAX_MESSAGE_BYTES:,} "
            f"({MAX_MESSAGE_BYTES // 1024} KB).",
            hint=TOO_LARGE_HINT,
        )


def metered_messages(size_bytes: int) -> int:
    """How many messages AWS bills for one message of this size: one for each 32 KB begun."""
    return max(1, -(-size_bytes // METERED_MESSAGE_BYTES))

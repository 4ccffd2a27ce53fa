"""One log event of CloudWatch Logs."""

from __future__ import annotations

from typing import NamedTuple

from whatschat_ops.choices import LogSource


class LogEvent(NamedTuple):
    """`id` is unique within its log group. Times are in ms since the epoch: what the writer says, and when AWS got it.

    `message` may be anything: of many lines, up to 1 MB, with control characters in it.
    """

    id: str
    source: LogSource
    stream: str
    time_ms: int
    ingested_ms: int
    message: str

"""The lines that Lambda itself writes to a function's log, in the text format. Pure functions.

Format: Lambda guide, "monitoring-cloudwatchlogs" (REPORT) and "telemetry-schema-reference" (Status, Error Type).
Billed Duration includes the init phase, as for all functions since August 2025.
"""

from __future__ import annotations

import math
import secrets
from datetime import UTC, datetime


def stream_name(version: str, now: datetime) -> str:
    """The log stream of one worker, e.g. `2026/11/23/[$LATEST]0c1f…`."""
    return f"{now:%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def init_start_line(runtime_version: str) -> str:
    """The first line of a worker, with the interpreter that actually runs the function."""
    return f"INIT_START Runtime Version: {runtime_version}\n"


def init_report_line(duration_ms: float, error_type: str) -> str:
    """Written when the init phase failed."""
    return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\tStatus: error\tError Type: {error_type}\n"


def start_line(request_id: str, version: str) -> str:
    """First line of an invocation."""
    return f"START RequestId: {request_id} Version: {version}\n"


def end_line(request_id: str) -> str:
    """The last line of an invocation before its report."""
    return f"END RequestId: {request_id}\n"


def report_line(
    request_id: str,
    *,
    duration_ms: float,
    memory_mb: int,
    max_memory_used_mb: int,
    init_duration_ms: float | None = None,
    status: str = "",
) -> str:
    """The figures of the invocation. `status` is empty, or for example `Status: timeout`."""
    billed_ms = math.ceil(duration_ms + (init_duration_ms or 0.0))
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {max_memory_used_mb} MB",
    ]
    if init_duration_ms is not None:
        fields.append(f"Init Duration: {init_duration_ms:.2f} ms")
    if status:
        fields.append(status)
    return "\t".join(fields) + "\t\n"


def timed_out_line(request_id: str, timeout_s: float, now: datetime) -> str:
    """Written when the function timed out."""
    stamp = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{stamp} {request_id} Task timed out after {timeout_s:.2f} seconds\n\n"

"""The two formats of a function's log: text, and JSON with levels (Lambda's LoggingConfig). Pure functions.

Sources: Lambda guide, "monitoring-cloudwatchlogs-logformat", "monitoring-cloudwatchlogs-log-level" (which events have
which level, and that output without a level counts as INFO) and "telemetry-schema-reference" (the records).
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from whatschat_ops.local.executor import log_lines
from whatschat_ops.local.executor.failures import InvocationFailure
from whatschat_ops.local.interfaces import LambdaFunction

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


class Report(NamedTuple):
    """The figures of one invocation."""

    request_id: str
    duration_ms: float
    max_memory_used_mb: int
    init_duration_ms: float | None = None
    timeout_s: float | None = None
    """Set when the function timed out."""
    failure: InvocationFailure | None = None
    """An error of the platform in this invocation, not of the handler."""
    error_type: str | None = None
    """The error of the init phase, for an invocation that it failed."""

    @property
    def status(self) -> dict[str, str]:
        """`status` and `errorType`, as in the telemetry schema."""
        if self.timeout_s is not None:
            return {"status": "timeout"}
        return _status(self.failure.error_type if self.failure else self.error_type)


class LogFormat(Protocol):
    """What Lambda writes around the output of a function, and what it keeps of that output."""

    def init_start(self, runtime_version: str) -> list[str]: ...
    def init_end(self, duration_ms: float, error_type: str | None) -> list[str]: ...
    def start(self, request_id: str) -> list[str]: ...
    def output(self, messages: list[str]) -> list[str]: ...
    def report(self, report: Report) -> list[str]: ...


def log_format(function: LambdaFunction) -> LogFormat:
    """The format of the function's LoggingConfig."""
    return JsonFormat(function) if function.logging.json else TextFormat(function)


class TextFormat:
    """START, END and REPORT."""

    def __init__(self, function: LambdaFunction) -> None:
        self._function = function

    def init_start(self, runtime_version: str) -> list[str]:
        return [log_lines.init_start_line(runtime_version)]

    def init_end(self, duration_ms: float, error_type: str | None) -> list[str]:
        return [] if error_type is None else [log_lines.init_report_line(duration_ms, error_type)]

    def start(self, request_id: str) -> list[str]:
        return [log_lines.start_line(request_id, self._function.version)]

    def output(self, messages: list[str]) -> list[str]:
        return messages

    def report(self, report: Report) -> list[str]:
        lines = []
        if report.timeout_s is not None:
            lines.append(log_lines.timed_out_line(report.request_id, report.timeout_s, datetime.now(UTC)))
        elif report.failure is not None:
            lines.append(f"{report.failure.text(report.request_id)}\n{report.failure.error_type}\n")
        line = log_lines.report_line(
            report.request_id,
            duration_ms=report.duration_ms,
            memory_mb=self._function.memory_mb,
            max_memory_used_mb=report.max_memory_used_mb,
            init_duration_ms=report.init_duration_ms,
            status=_status_fields(report.status),
        )
        return [*lines, log_lines.end_line(report.request_id), line]


class JsonFormat:
    """One JSON object a line, those below the levels left out."""

    def __init__(self, function: LambdaFunction) -> None:
        self._function = function
        self._system_level = _rank(function.logging.system_level)
        self._application_level = _rank(function.logging.application_level)

    def init_start(self, runtime_version: str) -> list[str]:
        named = {"functionName": self._function.name, "functionVersion": self._function.version}
        return self._event("INFO", "initStart", {**_INIT, "runtimeVersion": runtime_version, **named})

    def init_end(self, duration_ms: float, error_type: str | None) -> list[str]:
        level = "DEBUG" if error_type is None else "WARN"
        status = _status(error_type)
        metrics = {"durationMs": round(duration_ms, 3)}
        return [
            *self._event(level, "initRuntimeDone", {**_INIT, **status}),
            *self._event(level, "initReport", {**_INIT, **status, "metrics": metrics}),
        ]

    def start(self, request_id: str) -> list[str]:
        return self._event("INFO", "start", {"requestId": request_id, "version": self._function.version})

    def output(self, messages: list[str]) -> list[str]:
        return [message for message in messages if _level_of(message) >= self._application_level]

    def report(self, report: Report) -> list[str]:
        status = report.status
        failed = status["status"] != "success"
        init_ms = report.init_duration_ms
        metrics = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": math.ceil(report.duration_ms + (init_ms or 0.0)),
            "memorySizeMB": self._function.memory_mb,
            "maxMemoryUsedMB": report.max_memory_used_mb,
        }
        if init_ms is not None:
            metrics["initDurationMs"] = round(init_ms, 3)
        done = {
            "requestId": report.request_id,
            **status,
            "metrics": {"durationMs": round(report.duration_ms, 3)},
        }
        record = {"requestId": report.request_id, "metrics": metrics, **status}
        return [
            *self._event("WARN" if failed else "DEBUG", "runtimeDone", done),
            *self._event("WARN" if failed else "INFO", "report", record),
        ]

    def _event(self, level: str, kind: str, record: dict[str, Any]) -> list[str]:
        if _rank(level) < self._system_level:
            return []
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        document = {"time": now, "type": f"platform.{kind}", "record": record}
        return [json.dumps(document, separators=(",", ":")) + "\n"]


_INIT = {"initializationType": "on-demand", "phase": "init"}


def _status(error_type: str | None) -> dict[str, str]:
    return {"status": "success"} if error_type is None else {"status": "error", "errorType": error_type}


def _status_fields(status: dict[str, str]) -> str:
    if status["status"] == "success":
        return ""
    kind = f"\tError Type: {status['errorType']}" if "errorType" in status else ""
    return f"Status: {status['status']}{kind}"


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("INFO")


def _level_of(message: str) -> int:
    try:
        level = json.loads(message)["level"] if message.startswith("{") else ""
    except (ValueError, RecursionError, KeyError):
        level = ""
    names = {"WARNING": "WARN", "CRITICAL": "FATAL"}  # Python's
    return _rank(names.get(str(level).upper(), str(level).upper()))

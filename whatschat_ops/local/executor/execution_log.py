"""The log stream of one worker: the lines of Lambda and the output of the process, in order.

It is told when invocations start and end, and reads the process's output itself. The `LogWriter` gets one batch per
invocation, but the output of a long invocation is written while it runs (`pump`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from whatschat_ops.local.executor import log_lines
from whatschat_ops.local.executor.failures import InvocationFailure
from whatschat_ops.local.executor.log_file import LogFile
from whatschat_ops.local.interfaces import LambdaFunction, LogWriter


class ExecutionLog:
    """Writes the stream of one worker."""

    def __init__(self, logs: LogWriter, function: LambdaFunction) -> None:
        self._logs = logs
        self._function = function
        self._output: LogFile | None = None
        self.stream = log_lines.stream_name(function.version, datetime.now(UTC))
        self._unwritten: list[tuple[int, str]] = []
        self._init_messages: list[str] = []
        self._messages: list[str] = []

    def init_started(self, runtime_version: str, output: LogFile) -> None:
        """The process, which prints to `output`, is about to be started."""
        self._output = output
        self._add(log_lines.init_start_line(runtime_version))

    def init_ended(self, duration_ms: float, error_type: str | None = None) -> None:
        """The init phase has ended: the process is ready, or failed."""
        self._add(*self._read(flush=True))
        self._init_messages = self._messages[1:]  # what was pumped of a slow one too, without INIT_START
        if error_type is not None:
            self._add(log_lines.init_report_line(duration_ms, error_type))
        self._write()

    def started(self, request_id: str) -> None:
        """An invocation starts."""
        self._messages = []
        self._add(log_lines.start_line(request_id, self._function.version))

    def pump(self) -> None:
        """Write what has been printed so far."""
        self._add(*self._read(flush=False))
        self._write()

    def ended(
        self,
        request_id: str,
        *,
        duration_ms: float,
        max_memory_used_mb: int,
        init_duration_ms: float | None = None,
        failure: InvocationFailure | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """An invocation has ended. Returns its log tail. `failure` is one of the platform; `timeout_s` is set for a
        time-out.
        """
        self._add(*self._read(flush=True))
        status = ""
        if timeout_s is not None:
            self._add(log_lines.timed_out_line(request_id, timeout_s, datetime.now(UTC)))
            status = "Status: timeout"
        elif failure is not None:
            self._add(f"{failure.text(request_id)}\n{failure.error_type}\n")
            status = f"Status: error\tError Type: {failure.error_type}"
        self._report(request_id, duration_ms, max_memory_used_mb, init_duration_ms, status)
        return log_lines.tail(self._messages)

    def refused(self, request_id: str, error_type: str, duration_ms: float) -> str:
        """An invocation failed because the init phase did. Returns its log tail, with the output of the init phase."""
        self.started(request_id)
        self._add(*self._init_messages)
        self._report(request_id, duration_ms, 0, None, f"Status: error\tError Type: {error_type}")
        return log_lines.tail(self._messages)

    def close(self) -> None:
        """Write the rest, and close the process's output."""
        self._add(*self._read(flush=True))
        self._write()
        if self._output is not None:
            self._output.close()

    def _read(self, *, flush: bool) -> list[str]:
        return [] if self._output is None else self._output.read_messages(flush=flush)

    def _report(
        self, request_id: str, duration_ms: float, used_mb: int, init_duration_ms: float | None, status: str
    ) -> None:
        report = log_lines.report_line(
            request_id,
            duration_ms=duration_ms,
            memory_mb=self._function.memory_mb,
            max_memory_used_mb=used_mb,
            init_duration_ms=init_duration_ms,
            status=status,
        )
        self._add(log_lines.end_line(request_id), report)
        self._write()

    def _add(self, *messages: str) -> None:
        now_ms = int(time.time() * 1000)
        self._unwritten += [(now_ms, message) for message in messages]
        self._messages += messages

    def _write(self) -> None:
        if self._unwritten:
            function = self._function
            self._logs.write(function.log_group, self.stream, self._unwritten, function.role_arn)
            self._unwritten = []

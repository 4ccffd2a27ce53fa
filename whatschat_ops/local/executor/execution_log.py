"""The log stream of one worker: the lines of Lambda and the output of the process, in order.

It is told when invocations start and end, and reads the process's output itself. The `LogWriter` gets one batch per
invocation, but the output of a long invocation is written while it runs (`pump`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from whatschat_ops.local.executor import log_lines
from whatschat_ops.local.executor.log_file import LogFile
from whatschat_ops.local.executor.log_formats import Report, log_format
from whatschat_ops.local.interfaces import LambdaFunction, LogWriter


class ExecutionLog:
    """Writes the stream of one worker."""

    def __init__(self, logs: LogWriter, function: LambdaFunction) -> None:
        self._logs = logs
        self._function = function
        self._format = log_format(function)
        self._output: LogFile | None = None
        self.stream = log_lines.stream_name(function.version, datetime.now(UTC))
        self._unwritten: list[tuple[int, str]] = []
        self._init_output: list[str] = []
        self._before_init = 0
        self._messages: list[str] = []
        self._invoked = False

    def init_started(self, runtime_version: str, output: LogFile) -> None:
        """The process, which prints to `output`, is about to be started."""
        self._output = output
        self._add(*self._format.init_start(runtime_version))
        self._before_init = len(self._messages)

    def init_ended(self, duration_ms: float, error_type: str | None = None) -> None:
        """The init phase has ended: the process is ready, or failed."""
        self._add(*self._read(flush=True))
        self._init_output = self._messages[self._before_init :]  # what was pumped of a slow one too
        self._add(*self._format.init_end(duration_ms, error_type))
        self._write()

    def started(self, request_id: str) -> None:
        """An invocation starts. The messages of the first one begin with the init phase."""
        if self._invoked:
            self._messages = []
        self._invoked = True
        self._add(*self._format.start(request_id))

    def pump(self) -> None:
        """Write what has been printed so far."""
        self._add(*self._read(flush=False))
        self._write()

    def ended(self, report: Report) -> Sequence[str]:
        """An invocation has ended. Returns its messages."""
        self._add(*self._read(flush=True), *self._format.report(report))
        self._write()
        return self._messages

    def refused(self, request_id: str, error_type: str, duration_ms: float) -> Sequence[str]:
        """An invocation failed because the init phase did. Returns its messages, with the output of the init phase."""
        self._invoked = True
        self.started(request_id)
        self._add(*self._init_output)
        return self.ended(Report(request_id, duration_ms, 0, error_type=error_type))

    def close(self) -> None:
        """Write the rest, and close the process's output."""
        self._add(*self._read(flush=True))
        self._write()
        if self._output is not None:
            self._output.close()

    def _read(self, *, flush: bool) -> list[str]:
        messages = [] if self._output is None else self._output.read_messages(flush=flush)
        return self._format.output(messages)

    def _add(self, *messages: str) -> None:
        now_ms = int(time.time() * 1000)
        self._unwritten += [(now_ms, message) for message in messages]
        self._messages += messages

    def _write(self) -> None:
        if self._unwritten:
            function = self._function
            self._logs.write(function.log_group, self.stream, self._unwritten, function.role_arn)
            self._unwritten = []

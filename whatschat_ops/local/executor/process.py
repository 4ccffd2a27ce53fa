"""The operating system process of a worker: start, kill with its children, wait, and measure its memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

MEASURE_INTERVAL_S = 0.1
"""Reading the memory of a process costs a tenth of a short invocation."""

_BYTES_PER_MB = 1024 * 1024


class WorkerProcess:
    """A running process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._max_rss_bytes = 0
        self._measured_at = -MEASURE_INTERVAL_S
        self._statistics: psutil.Process | None = None

    @classmethod
    async def start(
        cls,
        command: tuple[str, ...],
        *,
        environment: Mapping[str, str],
        directory: Path,
        stdin_fd: int,
        output_fd: int,
    ) -> WorkerProcess:
        """Start it, in its own session on POSIX, so that Ctrl-C does not reach it. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=directory,
            stdin=stdin_fd,
            stdout=output_fd,
            stderr=output_fd,
            start_new_session=os.name == "posix",
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def kill(self) -> None:
        """Kill it and its children."""
        if self._process.returncode is not None:
            return
        # macOS returns EPERM for a process that has exited and was not waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        return await self._process.wait()

    def max_memory_used_mb(self) -> int:
        """The largest resident size measured so far, in MB. Measures at most once per interval."""
        now = time.monotonic()
        if now - self._measured_at >= MEASURE_INTERVAL_S:
            self._measured_at = now
            with contextlib.suppress(psutil.Error):  # it has exited: the last measurement counts
                self._statistics = self._statistics or psutil.Process(self._process.pid)
                self._max_rss_bytes = max(self._max_rss_bytes, self._statistics.memory_info().rss)
        return self._max_rss_bytes // _BYTES_PER_MB

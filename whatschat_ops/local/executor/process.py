"""A worker's operating system process: start, kill with all it started, wait, and how much memory it took."""

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
"""Looking at a process's memory costs a tenth of a short call."""

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
        """Start it, in a session of its own on POSIX, so that Ctrl-C does not reach it. Raises OSError."""
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
        """End it and its children at once."""
        if self._process.returncode is not None:
            return
        # Of a process that has ended but was not waited for yet, macOS says EPERM.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        return await self._process.wait()

    def max_memory_used_mb(self) -> int:
        """The largest resident size seen when this was asked, in MB. Looks at most every so often."""
        now = time.monotonic()
        if now - self._measured_at >= MEASURE_INTERVAL_S:
            self._measured_at = now
            with contextlib.suppress(psutil.Error):  # it has ended: what was seen before is the answer
                self._statistics = self._statistics or psutil.Process(self._process.pid)
                self._max_rss_bytes = max(self._max_rss_bytes, self._statistics.memory_info().rss)
        return self._max_rss_bytes // _BYTES_PER_MB

"""The operating system process of a worker: start, kill with its children, wait, and measure its memory.

On Linux the kernel keeps the largest resident size of a process; elsewhere it is the largest one that was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

MEASURE_INTERVAL_S = 0.1
"""The memory of a process is read at most that often after short invocations: it costs a tenth of one."""
SHORT_S = 0.005
"""What is shorter cannot use much memory that is not used already: a process is given about 4 MB a millisecond."""

_BYTES_PER_MB = 1024 * 1024


class WorkerProcess:
    """A running process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._max_rss_bytes = 0
        self._measured_at = -MEASURE_INTERVAL_S
        self._statistics: psutil.Process | None = None
        self._status_fd = _open_status(process.pid)

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
        self.max_memory_used_mb()  # afterwards it cannot be measured
        # macOS returns EPERM for a process that has exited and was not waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def wait(self) -> int:
        """The exit code; negative for a signal."""
        try:
            return await self._process.wait()
        finally:
            if self._status_fd is not None:
                os.close(self._status_fd)
                self._status_fd = None

    def max_memory_used_mb(self, after_s: float = math.inf) -> int:
        """The largest resident size of the process's life, in MB, after an invocation of `after_s` seconds.

        After a short one it is that of the last measurement, unless that is too old; a process that has exited keeps
        what was measured before.
        """
        now = time.monotonic()
        if after_s >= SHORT_S or now - self._measured_at >= MEASURE_INTERVAL_S:
            self._measured_at = now
            with contextlib.suppress(OSError, ValueError, psutil.Error):  # it has exited
                self._max_rss_bytes = max(self._max_rss_bytes, self._measure())
        return self._max_rss_bytes // _BYTES_PER_MB

    def _measure(self) -> int:
        if self._status_fd is not None:
            return _peak_bytes(os.pread(self._status_fd, 4096, 0))
        self._statistics = self._statistics or psutil.Process(self._process.pid)
        return int(self._statistics.memory_info().rss)


def _open_status(pid: int) -> int | None:
    try:
        return os.open(f"/proc/{pid}/status", os.O_RDONLY)
    except OSError:  # no Linux, or it has exited
        return None


def _peak_bytes(status: bytes) -> int:
    """The field VmHWM (proc(5)). Raises ValueError when there is none, as of a zombie."""
    begin = status.index(b"VmHWM:") + len(b"VmHWM:")
    return int(status[begin : status.index(b"kB", begin)]) * 1024

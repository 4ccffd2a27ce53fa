"""What a worker needs from the executor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from whatschat_ops.local.executor.sandbox import Launch
from whatschat_ops.local.interfaces import LambdaFunction, LogWriter


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """What a worker needs from the executor."""

    logs: LogWriter
    directory: Path
    """Workers make their home directories in it."""
    lifeline_fd: int
    """Read end of a pipe whose write end only the executor has; workers end when it closes."""
    launch: Callable[[LambdaFunction], Awaitable[Launch]]
    """Prepares the code. Raises CannotStart."""
    release: Callable[[LambdaFunction], None]
    """Releases the code; called once for each `launch` that did not raise."""
    enforce_memory: bool = False
    """Kill a process that uses more memory than its function has."""

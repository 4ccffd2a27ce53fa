"""What a worker needs from the executor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from whatschat_ops.local.executor.sandbox import Launch
from whatschat_ops.local.interfaces import LambdaFunction, LogWriter

MAX_INVOCATIONS = 20_000
"""Of one process. Each leaves some 150 bytes in it, as on AWS: setenv(3) keeps every value of _X_AMZN_TRACE_ID."""


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
    max_invocations: int = MAX_INVOCATIONS
    """A process that has served that many is replaced, which bounds what it collects."""

"""Back-pressure: how many invocations of a function the gateway begins at once. The others wait, first come, first served.

AWS starts another execution environment for each. This machine has a few processors, so a load that it cannot take waits here: it is
neither counted as concurrent executions of the account nor timed out, since it has not begun. While the gateway is busy, a socket with a
message in progress is read up to 16 KiB of messages that wait (`protocol`); what clients send beyond that waits in the buffers of their
connections.

A function with reserved concurrency is not held back: what exceeds that is throttled, as on AWS.
"""

from __future__ import annotations

import asyncio

from whatschat_ops.local.interfaces import LambdaFunction


class Turns:
    """The invocations that have begun and those that wait, of every function."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._of: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._waiting: set[asyncio.Task[object] | None] = set()

    async def take(self, function: LambdaFunction) -> None:
        """Wait until the function may be invoked. To be given back when it has run."""
        if function.reserved_concurrency is not None:
            return
        own = self._of.setdefault((function.arn, function.version), asyncio.Semaphore(self._at_once))
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            await own.acquire()
        finally:
            self._waiting.discard(task)

    def give_back(self, function: LambdaFunction) -> None:
        """The function has run."""
        if function.reserved_concurrency is None:
            self._of[function.arn, function.version].release()

    def abandon(self, task: asyncio.Task[None]) -> None:
        """Cancel a task that waits, since its client has gone. One that has begun goes on."""
        if task in self._waiting:
            task.cancel()

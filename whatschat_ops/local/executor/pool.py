"""The workers of one function: which one runs the next invocation, when to start another, when to stop one.

Invocations are served first come, first served; the most recently used worker is used first, so that the others
become idle and can be stopped. Starting a worker costs a tenth of a second of processor time, an invocation about a
thousandth, so a waiting invocation gets a new worker only when it has waited for some time *and* another process
would help: when there are fewer workers than processors, or when all of them have been busy for some time, which
means that their handlers wait for something.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from whatschat_ops.local.executor.invocation import Invocation
from whatschat_ops.local.interfaces import InvocationThrottled, LambdaFunction


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The limits of a pool."""

    max_workers: int
    max_waiting: int
    """More waiting invocations than this are throttled."""
    processors: int
    spawn_after_s: float
    """A waiting invocation gets a new worker after this time at the earliest."""


class PoolWorker(Protocol):
    """What a pool needs of a worker; implemented by `worker.Worker`."""

    idle_since: float
    was_ready: bool
    lifecycle: asyncio.Task[None]

    @property
    def waiting(self) -> bool: ...
    @property
    def failed_to_start(self) -> bool: ...
    def busy_for_s(self) -> float: ...
    def run(self, invocation: Invocation) -> None: ...
    def refuse(self, invocation: Invocation) -> None: ...
    def stop(self) -> None: ...


class Pool:
    """The workers for one configuration of one version of a function."""

    def __init__(
        self,
        function: LambdaFunction,
        start_worker: Callable[[Pool], PoolWorker],
        limits: PoolLimits,
        clock: Callable[[], float],
    ) -> None:
        self._function = function
        self._start = start_worker
        self._limits = limits
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._workers: set[PoolWorker] = set()
        self._idle: list[PoolWorker] = []
        self._waiting: deque[Invocation] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False

    @property
    def worker_count(self) -> int:
        """Workers that are running or starting."""
        return len(self._workers)

    @property
    def empty(self) -> bool:
        """Whether the pool can be removed."""
        return not self._workers and not self._waiting

    def serves(self, function: LambdaFunction) -> bool:
        """Whether the workers of this pool can run that function.

        A different ARN (the qualifier may be an alias) or timeout makes no difference to a worker.
        """
        own = self._function
        return own is function or (
            own.code_sha256 == function.code_sha256
            and own.version == function.version
            and own.credentials == function.credentials
            and own.environment == function.environment
            and (own.runtime, own.handler, own.memory_mb)
            == (function.runtime, function.handler, function.memory_mb)
            and (own.log_group, own.logging, own.region)
            == (function.log_group, function.logging, function.region)
        )

    def submit(self, invocation: Invocation) -> None:
        """Run the invocation as soon as possible. Raises InvocationThrottled when too many are waiting."""
        while self._idle:
            worker = self._idle.pop()
            if worker.waiting:  # else its process is exiting, and `worker_ended` follows
                worker.run(invocation)
                return
        if len(self._waiting) >= self._limits.max_waiting:
            raise InvocationThrottled(
                f"{len(self._waiting)} invocations of {invocation.function.name} are waiting"
            )
        self._waiting.append(invocation)
        if self._workers:
            self._watch_queue()
        else:
            self._start_worker()

    def reap(self, idle_timeout_s: float) -> None:
        """Stop workers that have been idle for that long."""
        oldest = self._clock() - idle_timeout_s
        for worker in [worker for worker in self._idle if worker.idle_since <= oldest]:
            self._idle.remove(worker)
            worker.stop()

    def retire(self) -> None:
        """Finish the submitted invocations, and end."""
        self._retired = True
        while self._idle:
            self._idle.pop().stop()

    async def close(self) -> None:
        """Drop the waiting invocations, stop all workers and wait for them."""
        self._retired = True
        while self._waiting:
            self._waiting.popleft().drop()
        if self._timer is not None:
            self._timer.cancel()
        workers = tuple(self._workers)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*(worker.lifecycle for worker in workers))

    # Called by workers (WorkerOwner).

    def worker_ready(self, worker: PoolWorker) -> None:
        invocation = self._next_invocation()
        if invocation is not None:
            worker.run(invocation)
        elif self._retired:
            worker.stop()
        else:
            worker.idle_since = self._clock()
            self._idle.append(worker)

    def worker_ended(self, worker: PoolWorker) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if self._workers:
            return
        if worker.failed_to_start:
            # No worker is left, and another one would most likely fail in the same way.
            while (invocation := self._next_invocation()) is not None:
                worker.refuse(invocation)
        elif self._waiting:
            self._start_worker()

    # Growth

    def _start_worker(self) -> None:
        self._workers.add(self._start(self))

    def _next_invocation(self) -> Invocation | None:
        while self._waiting:
            invocation = self._waiting.popleft()
            if not invocation.is_abandoned(self._clock()):
                return invocation
            invocation.expire()
        return None

    def _watch_queue(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.spawn_after_s, self._look_at_queue)

    def _look_at_queue(self) -> None:
        self._timer = None
        now = self._clock()
        while self._waiting and self._waiting[0].is_abandoned(now):
            self._waiting.popleft().expire()
        if not self._waiting:
            return
        if self._one_more_would_help(now - self._waiting[0].queued_at):
            self._start_worker()
        self._watch_queue()

    def _one_more_would_help(self, waited_s: float) -> bool:
        limits = self._limits
        ready = [worker for worker in self._workers if worker.was_ready]
        starting = len(self._workers) - len(ready)
        # A worker that is starting serves one waiting invocation.
        if waited_s < limits.spawn_after_s or starting >= min(limits.processors, len(self._waiting)):
            return False
        if len(self._workers) >= limits.max_workers:
            return False
        if len(self._workers) < limits.processors:
            return True
        return all(worker.busy_for_s() >= limits.spawn_after_s for worker in ready)

"""The executor: finds or creates the pool of a function, and removes what is no longer used.

Takes functions and payloads; gives results. It limits how many invocations of a function run at once (reserved
concurrency is exact; without it invocations queue), stops idle workers, replaces the pool when code or configuration
has changed, and owns one directory on disk.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path

from whatschat_ops.errors import LocalError
from whatschat_ops.local.executor import node_sdk, sandbox
from whatschat_ops.local.executor.code import CodeStore
from whatschat_ops.local.executor.invocation import Invocation
from whatschat_ops.local.executor.pool import Pool, PoolLimits
from whatschat_ops.local.executor.sandbox import Launch
from whatschat_ops.local.executor.worker import Worker
from whatschat_ops.local.executor.worker_seat import MAX_INVOCATIONS, WorkerSeat
from whatschat_ops.local.interfaces import InvocationResult, InvocationThrottled, LambdaFunction, LogWriter

WORKERS_PER_FUNCTION = 8
"""Of each version. More of them would not be faster on the processors of one machine."""
_OWN_DIRECTORIES = ("code", "node", "workers")


class LambdaExecutor:
    """Runs functions in warm worker processes. Belongs to one event loop; see `interfaces.Executor`."""

    def __init__(
        self,
        logs: LogWriter,
        endpoint_url: str,
        work_directory: Path,
        *,
        max_workers_per_function: int = WORKERS_PER_FUNCTION,
        max_waiting_per_function: int = 4000,
        max_invocations_per_worker: int = MAX_INVOCATIONS,
        idle_timeout_s: float = 60.0,
        spawn_after_s: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
        python_modules: Mapping[str, str] | None = None,
        node_modules: Path | None = None,
        enforce_memory: bool = False,
        api_hosts_file: Path | None = None,
    ) -> None:
        """`endpoint_url` is the endpoint of the functions' AWS clients. `work_directory` is used by this executor
        only. Connections of functions to the hosts named in `api_hosts_file` are led to the endpoint.

        `python_modules` are the directories of the modules of AWS's Python runtime on this machine (default: found),
        `node_modules` is a directory with the AWS SDK for Node. With `enforce_memory`, a function that uses more
        memory than it has is killed, as on AWS.
        """
        self._endpoint_url = endpoint_url
        self._directory = work_directory
        self._idle_timeout_s = idle_timeout_s
        self._clock = clock
        self._api_hosts_file = api_hosts_file
        self._python_modules = sandbox.host_python_modules() if python_modules is None else python_modules
        self._limits = PoolLimits(
            max_workers_per_function, max_waiting_per_function, max(2, os.cpu_count() or 1), spawn_after_s
        )
        self._remove_directories()
        self._code = CodeStore(work_directory / "code", clock)
        self._node_code = CodeStore(work_directory / "node", clock)
        self._lend = (
            None if node_modules is None else partial(node_sdk.lend, node_modules, work_directory / "node")
        )
        lifeline_fd, self._lifeline_write_fd = os.pipe()
        workers = work_directory / "workers"
        self._seat = WorkerSeat(
            logs,
            workers,
            lifeline_fd,
            self._launch,
            self._release,
            enforce_memory,
            max_invocations_per_worker,
        )
        self._pools: dict[tuple[str, str], Pool] = {}
        self._retired: set[Pool] = set()
        self._running: defaultdict[str, int] = defaultdict(int)
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False

    async def invoke(
        self,
        function: LambdaFunction,
        payload: bytes,
        *,
        start_within_s: float = math.inf,
        request_id: str | None = None,
        client_context: str | None = None,
    ) -> InvocationResult:
        """Run the function once: see `interfaces.RequestExecutor`."""
        if self._closed:
            raise LocalError("the Lambda executor is closed: the embedded AWS is stopping")
        arn = _unqualified(function.arn)
        self._admit(arn, function)
        now, answer = self._clock(), asyncio.get_running_loop().create_future()
        invocation = Invocation(
            function,
            payload,
            answer,
            now,
            self._finished,
            now + start_within_s,
            request_id,
            client_context,
        )
        self._running[arn] += 1
        try:
            self._pool(arn, function).submit(invocation)
        except BaseException:
            invocation.drop()
            raise
        return await invocation.answer

    async def close(self) -> None:
        """Stop every worker and delete every temporary file. Waiting invocations are cancelled."""
        if self._closed:
            return
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.wait([self._reaper])
        await asyncio.gather(*(pool.close() for pool in (*self._pools.values(), *self._retired)))
        os.close(self._lifeline_write_fd)
        os.close(self._seat.lifeline_fd)
        for store in (self._code, self._node_code):
            await store.sweep(0.0)
        await asyncio.to_thread(self._remove_directories)

    async def reap(self) -> None:
        """Stop workers and delete code unused for `idle_timeout_s`. Called periodically."""
        for pool in (*self._pools.values(), *self._retired):
            pool.reap(self._idle_timeout_s)
        self._pools = {key: pool for key, pool in self._pools.items() if not pool.empty}
        self._retired = {pool for pool in self._retired if not pool.empty}
        for store in (self._code, self._node_code):
            await store.sweep(self._idle_timeout_s)

    def worker_count(self) -> int:
        """The number of worker processes."""
        return sum(pool.worker_count for pool in (*self._pools.values(), *self._retired))

    def _admit(self, arn: str, function: LambdaFunction) -> None:
        reserved = function.reserved_concurrency
        if reserved is not None and self._running[arn] >= reserved:
            raise InvocationThrottled(f"{function.name} has a reserved concurrency of {reserved}")

    def _finished(self, function: LambdaFunction) -> None:
        arn = _unqualified(function.arn)
        self._running[arn] -= 1
        if not self._running[arn]:
            del self._running[arn]

    def _pool(self, arn: str, function: LambdaFunction) -> Pool:
        key = (arn, function.version)
        pool = self._pools.get(key)
        if pool is not None and pool.serves(function):
            return pool
        if pool is not None:
            pool.retire()
            self._retired.add(pool)
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap_forever())
        start_worker = partial(Worker, function, self._seat)
        pool = self._pools[key] = Pool(function, start_worker, self._limits, self._clock)
        return pool

    async def _reap_forever(self) -> None:
        while True:
            await asyncio.sleep(max(self._idle_timeout_s / 4, 0.05))
            await self.reap()

    async def _launch(self, function: LambdaFunction) -> Launch:
        directory = await self._store(function).acquire(function.code_sha256, function.code_zip)
        try:
            return sandbox.launch(
                function, directory, self._endpoint_url, self._python_modules, self._api_hosts_file
            )
        except BaseException:
            self._release(function)
            raise

    def _release(self, function: LambdaFunction) -> None:
        self._store(function).release(function.code_sha256)

    def _store(self, function: LambdaFunction) -> CodeStore:
        """Where the code is unpacked: that of runtimes with the AWS SDK for Node where `node_sdk` lends it."""
        if self._lend is None or not node_sdk.has_sdk(function.runtime):
            return self._code
        self._lend()
        return self._node_code

    def _remove_directories(self) -> None:
        for name in _OWN_DIRECTORIES:
            directory = self._directory / name
            if directory.exists():
                shutil.rmtree(directory)


@lru_cache(maxsize=1024)
def _unqualified(arn: str) -> str:
    """arn:aws:lambda:REGION:ACCOUNT:function:NAME, without version or alias."""
    return ":".join(arn.split(":", 7)[:7])

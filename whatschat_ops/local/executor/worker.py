"""One worker: a process that runs one function, its Runtime API port, its log stream.

It runs one `Invocation` at a time and finishes it even if the process dies. Its states: starting → ready ⇄ busy →
ended. It notifies its `WorkerOwner` when it is ready for an invocation and when it has ended; the owner decides which
invocation is next, and how many workers there are.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable
from typing import Protocol

from whatschat_ops.local.executor import failures, sandbox
from whatschat_ops.local.executor.execution_log import ExecutionLog
from whatschat_ops.local.executor.failures import CannotStart, InvocationFailure
from whatschat_ops.local.executor.invocation import Invocation
from whatschat_ops.local.executor.log_file import LogFile
from whatschat_ops.local.executor.log_formats import Report
from whatschat_ops.local.executor.process import WorkerProcess
from whatschat_ops.local.executor.runtime_api import RuntimeConnection
from whatschat_ops.local.executor.sandbox import Launch
from whatschat_ops.local.executor.worker_seat import WorkerSeat
from whatschat_ops.local.interfaces import InvocationResult, LambdaFunction
from whatschat_ops.quotas import MAX_INIT_S, MAX_RESPONSE_BYTES

LOG_INTERVAL_S = 0.5
"""How often the output of a long invocation is written."""

MEMORY_INTERVAL_S = 0.05
"""How often the memory of a running process is compared with what its function has; it is also when it answers."""


def late_s(due: float, began: float, now: float) -> float:
    """How long of an invocation that `began` this program itself could not run: a timer of it that was `due` fires `now`.

    So long it answered no request of the function either, which is no fault of the function: it is no part of its time.
    """
    return max(0.0, now - max(due, began))


class WorkerOwner(Protocol):
    """Notified by a worker."""

    def worker_ready(self, worker: Worker) -> None:
        """The worker is ready for an invocation."""

    def worker_ended(self, worker: Worker) -> None:
        """The process has ended; its invocation has a result."""


class Worker:
    """Runs one function in one process."""

    def __init__(self, function: LambdaFunction, seat: WorkerSeat, owner: WorkerOwner) -> None:
        self._function = function
        self._seat = seat
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._home = seat.directory / uuid.uuid4().hex
        self._process: WorkerProcess | None = None
        self._connections: set[RuntimeConnection] = set()
        self._waiting_connection: RuntimeConnection | None = None
        self._invocation: Invocation | None = None
        self._began = self._loop.time()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._init_duration_ms: float | None = None
        self._init_error: Callable[[str], bytes] | None = None
        self._init_error_type = ""
        self._init_failed_after_ms = 0.0
        self._interval_s = MEMORY_INTERVAL_S if seat.enforce_memory else LOG_INTERVAL_S
        self._out_of_memory = False
        self._served = 0
        self._stopping = False
        self.was_ready = False
        self.idle_since = 0.0
        self._log = ExecutionLog(seat.logs, function)
        self.lifecycle = asyncio.create_task(self._run_lifecycle())
        """Ends when the process and all its files are gone."""

    @property
    def failed_to_start(self) -> bool:
        """Whether it ended before it was ready for the first time."""
        return self._init_error is not None

    @property
    def waiting(self) -> bool:
        """Whether the process can be given an invocation now."""
        return self._waiting_connection is not None

    def busy_for_s(self) -> float:
        """How long the current invocation has been running; 0 if there is none."""
        return 0.0 if self._invocation is None else self._loop.time() - self._began

    # Called by the owner.

    def run(self, invocation: Invocation) -> None:
        """Send an event to the waiting process."""
        connection, self._waiting_connection = self._waiting_connection, None
        if connection is None:
            raise RuntimeError("the worker is not waiting for an invocation")
        self._invocation = invocation
        self._served += 1
        self._began = self._loop.time()
        self._log.started(invocation.request_id)
        self._set_deadline(self._began, invocation.function.timeout_s)
        connection.send_event(invocation.event_headers(), invocation.payload)

    def refuse(self, invocation: Invocation) -> None:
        """Fail an invocation with the reason why this worker never became ready."""
        if self._init_error is None:
            raise RuntimeError("the worker did start")
        request_id, duration_ms = invocation.request_id, self._init_failed_after_ms
        log = self._log.refused(request_id, self._init_error_type, duration_ms)
        payload = self._init_error(request_id)
        invocation.finish(InvocationResult(payload, "Unhandled", request_id, duration_ms, None, log))

    def stop(self) -> None:
        """Stop the process."""
        self._stopping = True
        if self._process is not None:
            self._process.kill()

    # Called by the process (RuntimeOwner).

    def on_next(self, connection: RuntimeConnection) -> None:
        self._connections.add(connection)
        if self._stopping or self._uses_too_much():
            return
        if self._served >= self._seat.max_invocations:
            self.stop()
            return
        self._waiting_connection = connection
        if not self.was_ready:
            self.was_ready = True
            self._init_duration_ms = self._elapsed_ms()
            self._log.init_ended(self._init_duration_ms)
        if self._invocation is None:
            self._deadline = None
            self._owner.worker_ready(self)

    def on_response(self, request_id: str, body: bytes, size_bytes: int) -> None:
        if self._invocation is None or self._invocation.request_id != request_id:
            return
        if self._uses_too_much():
            return
        if size_bytes > MAX_RESPONSE_BYTES:
            self._fail(failures.response_too_large(size_bytes, MAX_RESPONSE_BYTES))
        else:
            self._answer(self._invocation, body, None)

    def on_error(self, request_id: str, body: bytes) -> None:
        if self._invocation is None or self._invocation.request_id != request_id:
            return
        if not self._uses_too_much():
            self._answer(self._invocation, body, "Unhandled")

    def on_init_error(self, body: bytes) -> None:
        if not self.was_ready:
            self._init_failed(failures.error_type_of(body), lambda _request_id: body)
            self.stop()

    def on_connection_lost(self, connection: RuntimeConnection) -> None:
        self._connections.discard(connection)
        if self._waiting_connection is connection:
            self._waiting_connection = None

    # Lifecycle

    async def _run_lifecycle(self) -> None:
        try:
            await self._run_process()
        except CannotStart as problem:
            self._init_failed(problem.failure.error_type, problem.failure.document)
        except OSError as error:
            failure = InvocationFailure("Runtime.InvalidEntrypoint", str(error), with_request_id=True)
            self._init_failed(failure.error_type, failure.document)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._log.close()
            # What a remaining process keeps open is deleted with the whole directory when the executor is closed.
            await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)
            self._owner.worker_ended(self)

    async def _run_process(self) -> None:
        launch = await self._seat.launch(self._function)
        try:
            server = await self._loop.create_server(lambda: RuntimeConnection(self), "127.0.0.1", 0)
            try:
                return_code = await self._start_and_wait(launch, server.sockets[0].getsockname()[1])
            finally:
                server.close()
                for connection in tuple(self._connections):
                    connection.close()
        finally:
            self._seat.release(self._function)
        self._exited(return_code)

    async def _start_and_wait(self, launch: Launch, port: int) -> int:
        self._began = self._loop.time()
        self._home.mkdir(parents=True, mode=0o700)
        output = LogFile(self._home / "output")
        self._log.init_started(launch.runtime_version, output)
        self._process = await WorkerProcess.start(
            launch.command,
            environment=sandbox.environment(launch, self._home, f"127.0.0.1:{port}", self._log.stream),
            directory=launch.code_directory,
            stdin_fd=self._seat.lifeline_fd,
            output_fd=output.write_fd,
        )
        output.close_write_end()
        # The timeout comes on top: AWS runs a slow init a second time within the first invocation.
        self._set_deadline(self._loop.time(), MAX_INIT_S + self._function.timeout_s)
        if self._stopping:
            self._process.kill()
        try:
            return await self._process.wait()
        finally:
            self._process.kill()

    def _exited(self, return_code: int) -> None:
        self._waiting_connection = None
        failure = failures.out_of_memory() if self._out_of_memory else failures.exited(return_code)
        if self._invocation is not None:
            self._fail(failure)
        elif not self.was_ready and self._init_error is None:
            self._init_failed(failure.error_type, failure.document)

    def _init_failed(self, error_type: str, document: Callable[[str], bytes]) -> None:
        self._init_error = document
        self._init_error_type = error_type
        self._init_failed_after_ms = self._elapsed_ms()
        self._log.init_ended(self._init_failed_after_ms, error_type)

    # Deadlines

    def _elapsed_ms(self) -> float:
        return (self._loop.time() - self._began) * 1000

    def _set_deadline(self, now: float, timeout_s: float) -> None:
        self._deadline = now + timeout_s
        self._arm(now, self._deadline)

    def _arm(self, now: float, deadline: float) -> None:
        """Keep one timer, which checks the deadline when it fires: invocations are much shorter than its interval."""
        when = min(now + self._interval_s, deadline)
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick, when)

    def _tick(self, due: float) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._uses_too_much():
            return
        now = self._loop.time()
        self._deadline += late_s(due, self._began, now)
        if now < self._deadline:
            self._log.pump()
            self._arm(now, self._deadline)
            return
        self._out_of_time()

    def _uses_too_much(self) -> bool:
        """Whether the process has used more memory than its function has. It is killed, which ends the invocation."""
        if self._seat.enforce_memory and self._process is not None and not self._out_of_memory:
            self._out_of_memory = self._process.max_memory_used_mb() > self._function.memory_mb
            if self._out_of_memory:
                self.stop()
        return self._out_of_memory

    def _out_of_time(self) -> None:
        self._deadline = None
        if self._invocation is not None:
            timeout_s = self._invocation.function.timeout_s
            self._fail(failures.timed_out(timeout_s), timeout_s=timeout_s)
        else:
            failure = failures.timed_out(self._function.timeout_s)
            self._init_failed(failure.error_type, failure.document)
        self.stop()

    # The end of an invocation

    def _fail(self, failure: InvocationFailure, timeout_s: float | None = None) -> None:
        if self._invocation is not None:
            document = failure.document(self._invocation.request_id)
            self._answer(self._invocation, document, "Unhandled", failure, timeout_s)

    def _answer(
        self,
        invocation: Invocation,
        payload: bytes,
        function_error: str | None,
        failure: InvocationFailure | None = None,
        timeout_s: float | None = None,
    ) -> None:
        request_id, duration_ms = invocation.request_id, self._elapsed_ms()
        self._invocation = None
        self._deadline = None
        init_duration_ms, self._init_duration_ms = self._init_duration_ms, None
        used_mb = 0 if self._process is None else self._process.max_memory_used_mb(duration_ms / 1000)
        if self._out_of_memory:
            used_mb = self._function.memory_mb
        log = self._log.ended(Report(request_id, duration_ms, used_mb, init_duration_ms, timeout_s, failure))
        result = InvocationResult(payload, function_error, request_id, duration_ms, init_duration_ms, log)
        invocation.finish(result)

"""Runs every invocation of ministack's Lambda on our executor, and corrects UpdateFunctionCode and the saving of
code.

The SDK's Invoke, event source mappings, Step Functions, subscription filters: all of them end in
`lambda_svc._execute_function_dispatch`, after ministack has checked permissions and counted concurrency and before it
records metrics. Our executor writes the log lines itself, so `_emit_lambda_logs`, which the replaced function calls,
is no longer called. Functions that the executor cannot run (container images, `provided` runtimes, layers) stay with
ministack.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from whatschat_ops.local.control.wire import Handler
from whatschat_ops.local.interfaces import Executor, InvocationResult, InvocationThrottled, LambdaFunction

Resolve = Callable[[str], LambdaFunction | None]
"""Function ARN (with qualifier) -> the version to run."""

_ran: ContextVar[list[str] | None] = ContextVar("whatschat_ran", default=None)
"""Filled with the versions that this request ran."""


class FunctionRunner:
    """Runs ministack's invocations on our executor, once it is set."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._target: tuple[Executor, asyncio.AbstractEventLoop] | None = None

    def use(self, executor: Executor) -> None:
        """Run functions on `executor`. Call it on the event loop of the executor."""
        self._target = executor, asyncio.get_running_loop()

    def install(self, lambda_svc: Any) -> None:
        """Replace the function that all invocations of ministack end in. It is called in worker threads."""
        original = lambda_svc._execute_function_dispatch

        def dispatch(func: Any, config: Any, event: Any, request_id: str, started: float) -> dict[str, Any]:
            function = None if _is_foreign(config) else self._resolve(str(config.get("FunctionArn", "")))
            if function is None or self._target is None or _on_loop(self._target[1]):
                result: dict[str, Any] = original(func, config, event, request_id, started)
                return result
            try:
                return _run(function, event, *self._target)
            except InvocationThrottled as error:
                throttled: dict[str, Any] = lambda_svc._throttle_response(
                    reason_code="ReservedFunctionConcurrentInvocationLimitExceeded",
                    msg=str(error) or "Rate Exceeded.",
                )
                return throttled

        lambda_svc._execute_function_dispatch = dispatch


def _run(
    function: LambdaFunction, event: Any, executor: Executor, loop: asyncio.AbstractEventLoop
) -> dict[str, Any]:
    if (ran := _ran.get()) is not None:
        ran.append(function.version)
    running = executor.invoke(function, json.dumps(event).encode())
    return _as_result(asyncio.run_coroutine_threadsafe(running, loop).result())


def name_executed_version(handler: Handler) -> Handler:
    """Return the version that ran in the response of Invoke; ministack returns the main one of a weighted alias."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        ran: list[str] = []
        token = _ran.set(ran)
        try:
            status, answered, payload = await handler(method, path, headers, body, query_params)
        finally:
            _ran.reset(token)
        if ran and "X-Amz-Executed-Version" in answered:
            answered = {**answered, "X-Amz-Executed-Version": ran[0]}
        return status, answered, payload

    return handle


def _is_foreign(config: Any) -> bool:
    runtime = str(config.get("Runtime") or "")
    return (
        config.get("PackageType") == "Image"
        or bool(config.get("Layers"))
        or not runtime.startswith(("python", "nodejs"))
    )


def _on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    # Cognito triggers invoke Lambda on the loop; waiting there for the executor would be a deadlock.
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _as_result(invoked: InvocationResult) -> dict[str, Any]:
    """The result in ministack's format."""
    result: dict[str, Any] = {
        "body": json.loads(invoked.payload) if invoked.payload else None,
        "log": invoked.log_tail,
    }
    if invoked.function_error:
        result |= {"error": True, "function_error": invoked.function_error}
    return result


def install_dry_run(lambda_svc: Any) -> None:
    """Make UpdateFunctionCode with DryRun change nothing; ministack 1.5.33 applies it."""
    original = lambda_svc._update_code

    def update_code(name: str, data: dict[str, Any]) -> Any:
        if not data.get("DryRun") or name not in lambda_svc._functions:
            return original(name, data)
        config = copy.deepcopy(lambda_svc._functions[name]["config"])
        refused = lambda_svc._check_revision(config, data)
        if refused is None and "ZipFile" in data:
            code = base64.b64decode(data["ZipFile"])
            refused = lambda_svc._reject_unreadable_zip(code)
            config["CodeSha256"] = base64.b64encode(hashlib.sha256(code).digest()).decode()
            config["CodeSize"] = len(code)
        return refused if refused is not None else lambda_svc.json_response(config)

    lambda_svc._update_code = update_code


class CodeBlobs:
    """Keeps the code of old function versions until a newer state is on disk.

    ministack deletes them while it copies its state, before the copy is written: a kill in between would lose the
    code of a function that was just updated.
    """

    def __init__(self) -> None:
        self._waiting: set[str] | None = None
        self._prune: Callable[[set[str]], None] | None = None

    def install(self, lambda_svc: Any) -> None:
        """Replace ministack's deletion by a record of what is still in use."""
        self._prune = lambda_svc._prune_orphan_code_blobs
        lambda_svc._prune_orphan_code_blobs = self._postpone

    def prune(self) -> None:
        """Delete the code that the last saved state does not need."""
        if self._prune is not None and self._waiting is not None:
            self._prune(self._waiting)
            self._waiting = None

    def _postpone(self, in_use: set[str]) -> None:
        self._waiting = in_use


def settle_pending(lambda_svc: Any) -> None:
    """Make restored functions Active: the thread that would have done so ended with the last process."""
    for record in list(lambda_svc._functions._data.values()):
        for version in (record, *(record.get("versions") or {}).values()):
            config = version.get("config") or {}
            if config.get("State") == "Pending":
                config |= {"State": "Active", "StateReason": "", "StateReasonCode": ""}
            if config.get("LastUpdateStatus") == "InProgress":
                config["LastUpdateStatus"] = "Successful"

"""Runs every invocation of ministack's Lambda on our executor, whoever asks for it.

The SDK's Invoke, event source mappings, Step Functions, subscription filters: all of them end in
`lambda_svc._execute_function_dispatch`, after ministack has checked permissions and counted concurrency and before it
writes metrics. That one function is replaced. It is called in worker threads; the executor lives on the event loop.
Our executor writes the log lines itself, so the replaced function's call of `_emit_lambda_logs` goes with it.

Functions that the executor cannot run (container images, `provided` runtimes, layers) stay with ministack.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from whatschat_ops.local.interfaces import Executor, InvocationResult, InvocationThrottled, LambdaFunction

Resolve = Callable[[str], LambdaFunction | None]
"""Function ARN (with qualifier) -> the version to run."""
Handler = Callable[..., Awaitable[Any]]

_ran: ContextVar[list[str] | None] = ContextVar("whatschat_ran", default=None)
"""Filled with the versions that this request ran."""


def install_executor(lambda_svc: Any, executor: Executor, resolve: Resolve) -> None:
    """Make ministack run functions on `executor`. Call it on the event loop that the executor belongs to."""
    loop = asyncio.get_running_loop()
    original = lambda_svc._execute_function_dispatch

    def dispatch(func: Any, config: Any, event: Any, request_id: str, started: float) -> dict[str, Any]:
        function = None if _is_foreign(config) else resolve(str(config.get("FunctionArn", "")))
        if function is None or _on_loop(loop):
            result: dict[str, Any] = original(func, config, event, request_id, started)
            return result
        if (ran := _ran.get()) is not None:
            ran.append(function.version)
        try:
            running = executor.invoke(function, json.dumps(event).encode())
            return _as_result(asyncio.run_coroutine_threadsafe(running, loop).result())
        except InvocationThrottled as error:
            throttled: dict[str, Any] = lambda_svc._throttle_response(
                reason_code="ReservedFunctionConcurrentInvocationLimitExceeded",
                msg=str(error) or "Rate Exceeded.",
            )
            return throttled

    lambda_svc._execute_function_dispatch = dispatch


def name_executed_version(handler: Handler) -> Handler:
    """Make Invoke name the version that ran; ministack names the main one of a weighted alias."""

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
    # Cognito triggers call Lambda on the loop; waiting there for the executor would be a deadlock.
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _as_result(invocation: InvocationResult) -> dict[str, Any]:
    result: dict[str, Any] = {
        "body": json.loads(invocation.payload) if invocation.payload else None,
        "log": invocation.log_tail,
    }
    if invocation.function_error:
        result |= {"error": True, "function_error": invocation.function_error}
    return result


def install_dry_run(lambda_svc: Any) -> None:
    """Make UpdateFunctionCode with DryRun answer what it would do; ministack 1.5.33 does it."""
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


def install_blob_pruning(lambda_svc: Any) -> Callable[[], None]:
    """Make ministack keep the code of old function versions until the function returned here is called.

    It deletes them while it copies its state, before that state is on the disk: a kill in between would lose the
    code of a function that was just updated.
    """
    prune = lambda_svc._prune_orphan_code_blobs
    waiting: list[set[str]] = []
    lambda_svc._prune_orphan_code_blobs = waiting.append

    def prune_now() -> None:
        if waiting:
            prune(waiting[-1])
            waiting.clear()

    return prune_now


def settle_pending(lambda_svc: Any) -> None:
    """Make restored functions Active: the thread that would have done it ended with the last process."""
    for record in list(lambda_svc._functions._data.values()):
        for version in (record, *(record.get("versions") or {}).values()):
            config = version.get("config") or {}
            if config.get("State") == "Pending":
                config |= {"State": "Active", "StateReason": "", "StateReasonCode": ""}
            if config.get("LastUpdateStatus") == "InProgress":
                config["LastUpdateStatus"] = "Successful"

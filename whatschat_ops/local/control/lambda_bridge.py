"""Runs every invocation of ministack's Lambda on our executor, and corrects UpdateFunctionCode and the saving of
code.

The SDK's Invoke, event source mappings, Step Functions, subscription filters: all of them end in
`lambda_svc._execute_function_dispatch`, after ministack has checked permissions and counted concurrency and before it
records metrics. Our executor writes the log lines itself, so `_emit_lambda_logs`, which the replaced function calls,
is no longer called. Functions that the executor cannot run (container images, `provided` runtimes, layers) stay with
ministack; where it makes an answer up instead of running one, that is an error here.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from whatschat_ops.local.control.async_invocations import HTTP_OK, Attempt
from whatschat_ops.local.control.lambda_invoke import InvokeCall, current_call
from whatschat_ops.local.control.wire import Handler, Response
from whatschat_ops.local.interfaces import (
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
    RequestExecutor,
)

Resolve = Callable[[str], LambdaFunction | None]
"""Function ARN (with qualifier) -> the version to run."""


class FunctionRunner:
    """Runs ministack's invocations on our executor, once it is set."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._target: tuple[RequestExecutor, asyncio.AbstractEventLoop] | None = None

    def use(self, executor: RequestExecutor) -> None:
        """Run functions on `executor`. Call it on the event loop of the executor."""
        self._target = executor, asyncio.get_running_loop()

    def install(self, lambda_svc: Any) -> None:
        """Replace the function that all invocations of ministack end in. It is called in worker threads."""
        original = lambda_svc._execute_function_dispatch

        def dispatch(func: Any, config: Any, event: Any, request_id: str, started: float) -> dict[str, Any]:
            foreign, arn = _is_foreign(config), str(config.get("FunctionArn", ""))
            function = None if foreign else self._resolve(arn)
            if (
                function is None and not foreign
            ):  # deleted after the request: ministack would run its record itself
                return _not_found(arn)
            if function is None or self._target is None or _on_loop(self._target[1]):
                return _without_mocks(original(func, config, event, request_id, started), config)
            try:
                return _run(function, event, *self._target)
            except InvocationThrottled as error:
                throttled: dict[str, Any] = lambda_svc._throttle_response(
                    reason_code=_throttle_reason(function),
                    msg=str(error) or "Rate Exceeded.",
                )
                return throttled

        lambda_svc._execute_function_dispatch = dispatch


def _throttle_reason(function: LambdaFunction) -> str:
    """Lambda API Reference, TooManyRequestsException."""
    reserved = function.reserved_concurrency is not None
    return f"{'ReservedFunction' if reserved else ''}ConcurrentInvocationLimitExceeded"


def _not_found(arn: str) -> dict[str, Any]:
    document = {"errorType": "ResourceNotFoundException", "errorMessage": f"Function not found: {arn}"}
    return {"body": document, "error": True, "function_error": "Unhandled", "log": ""}


MOCK: Final = "Mock response - "
"""How ministack's answer begins for a function that it did not run."""


def _without_mocks(result: Any, config: Any) -> dict[str, Any]:
    """ministack's result; an error where it made one up."""
    made: dict[str, Any] = result
    body = made.get("body")
    text = str(body.get("body") or "") if isinstance(body, dict) else ""
    if not text.startswith(MOCK):
        return made
    reason = text.removeprefix(MOCK)
    refusal = f"{config.get('FunctionArn')} was not run: the embedded AWS does not run it ({reason})"
    if (call := current_call.get()) is not None:
        call.refused = refusal
    document = {"errorType": "InvalidParameterValueException", "errorMessage": refusal}
    return {"body": document, "error": True, "function_error": "Unhandled", "log": ""}


def _run(
    function: LambdaFunction, event: Any, executor: RequestExecutor, loop: asyncio.AbstractEventLoop
) -> dict[str, Any]:
    call = current_call.get()
    known = call or InvokeCall()
    known.version = function.version
    running = executor.invoke(
        function,
        json.dumps(event).encode(),
        request_id=known.request_id,
        client_context=known.client_context,
    )
    invoked = asyncio.run_coroutine_threadsafe(running, loop).result()
    return _as_result(invoked, raw=call is not None)


def run_attempt(lambda_svc: Any, function: Any, event: Any) -> Attempt:
    """Run a function record of ministack once for an event, as `current_call`."""
    began = time.monotonic()
    result = lambda_svc._execute_function_with_config_scope(function, event)
    if result.get("throttle"):
        return Attempt(throttled=True)
    failed = bool(result.get("error"))
    name = str(function["config"]["FunctionName"])
    lambda_svc._emit_lambda_metrics(name, (time.monotonic() - began) * 1000, failed, throttle=False)
    body = result.get("body")
    payload = json.loads(body) if isinstance(body, bytes) else body
    call = current_call.get()
    version = (call and call.version) or str(function["config"].get("Version") or "$LATEST")
    return Attempt(payload, (result.get("function_error") or "Unhandled") if failed else None, version)


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


def _as_result(invoked: InvocationResult, *, raw: bool) -> dict[str, Any]:
    """The result in ministack's format; the body as bytes with `raw`."""
    body: Any = invoked.payload if raw else json.loads(invoked.payload or b"null")
    result: dict[str, Any] = {"body": body, "log": invoked.log_tail}
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


def with_updated_event_settings(handler: Handler, lambda_svc: Any) -> Handler:
    """Lambda's handler with UpdateFunctionEventInvokeConfig: what is given replaces what was there."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        match = re.search(r"/functions/([^/]+)/event-invoke-config/?$", unquote(path))
        if method != "POST" or match is None:
            response: Response = await handler(method, path, headers, body, query_params)
            return response
        name, embedded = lambda_svc._resolve_request_scoped_name_and_qualifier(match[1])
        qualifier = lambda_svc._qualifier_from_path_or_query(embedded, query_params)
        answer: Response = lambda_svc._get_event_invoke_config(name, qualifier)
        if answer[0] == HTTP_OK:
            given = {**json.loads(answer[2]), **json.loads(body or b"{}")}
            answer = lambda_svc._put_event_invoke_config(name, qualifier, given)
        return answer

    return handle


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

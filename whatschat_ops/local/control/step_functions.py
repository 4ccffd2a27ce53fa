"""Step Functions where ministack 1.5.33 differs from AWS: the state machine's role, redriving, tags.

- A state machine has the permissions of its role: to invoke a function (`lambda:InvokeFunction`), to read the items
  of a Distributed Map (`s3:GetObject`), to run its children (`states:StartExecution` and others, listed in AWS's page
  "IAM policies for using Distributed Map states"). ministack checks none of them.
- RedriveExecution runs the failed children of a Map Run again. Here that is a new Map Run of the same execution, and
  only an execution that failed in a Distributed Map can be redriven, until the service is restarted.
- State machines are found by the tagging service.

The functions of ministack that this replaces run in the thread of their execution.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any, Final

from whatschat_ops.local.control.wire import Handler

Allows = Callable[[str, str, str], bool]
"""(role ARN, action, resource ARN) -> whether the role's policies allow it."""

_METRICS: Final = {
    "ABORTED": "ExecutionsAborted",
    "FAILED": "ExecutionsFailed",
    "SUCCEEDED": "ExecutionsSucceeded",
    "TIMED_OUT": "ExecutionsTimedOut",
}
"""How an execution ended -> its metric of AWS/States (Step Functions Developer Guide, "Execution metrics")."""

MAP_ACTIONS: Final = ("states:DescribeExecution", "states:StopExecution")
"""The permissions that the role needs on the children of a Distributed Map besides starting them."""

_execution: ContextVar[dict[str, Any] | None] = ContextVar("whatschat_execution", default=None)


class StepFunctions:
    """The corrections. `stepfunctions` is ministack's `services.stepfunctions`."""

    def __init__(self, stepfunctions: Any, allows: Allows, add_point: Callable[..., None]) -> None:
        self._stepfunctions = stepfunctions
        self._allows = allows
        self._add_point = add_point
        self._failed: dict[str, frozenset[str] | None] = {}
        """Execution that failed in a Distributed Map -> inputs of its failed children; None if no child was started."""
        self._redriven: set[str] = set()

    def install(self) -> None:
        """Replace what runs a state machine: with the permissions of its role, and redrivable."""
        self._know_the_execution()
        self._guard_functions()
        self._guard_items()
        self._guard_children()

    def completed(self, handler: Handler) -> Handler:
        """The service's handler with RedriveExecution."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
                return self._redrive(json.loads(body or b"{}").get("executionArn", ""))
            return await handler(method, path, headers, body, query_params)

        return handle

    def _redrive(self, arn: str) -> Any:
        execution = self._stepfunctions._executions.get(arn)
        if execution is None:
            return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        if execution["status"] != "FAILED" or arn not in self._failed:
            return _error("ExecutionNotRedrivable", f"Execution '{arn}' is not redrivable")
        execution.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
        self._redriven.add(arn)
        thread = threading.Thread(
            target=copy_context().run, args=(self._stepfunctions._run_execution, arn), daemon=True
        )
        thread.start()
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.0"},
            json.dumps({"redriveDate": time.time()}).encode(),
        )

    def _know_the_execution(self) -> None:
        run = self._stepfunctions._run_execution

        def run_execution(arn: str) -> None:
            _execution.set(self._stepfunctions._executions.get(arn))
            run(arn)
            if (execution := self._stepfunctions._executions.get(arn)) and execution["status"] in _METRICS:
                dimensions = {"StateMachineArn": str(execution["stateMachineArn"])}
                self._add_point("AWS/States", _METRICS[execution["status"]], 1, "Count", dimensions)

        self._stepfunctions._run_execution = run_execution

    def _guard_functions(self) -> None:
        call = self._stepfunctions._call_lambda

        def call_lambda(function: str, event: Any) -> Any:
            self._require("lambda:InvokeFunction", function)
            return call(function, event)

        self._stepfunctions._call_lambda = call_lambda

    def _guard_items(self) -> None:
        read_object, read_items = self._stepfunctions._s3_object_text, self._stepfunctions._read_map_items

        def object_text(bucket: str, key: str) -> Any:
            self._require("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", "States.ItemReaderFailed")
            return read_object(bucket, key)

        def map_items(reader: Any, effective: Any, context: Any) -> Any:
            items = read_items(reader, effective, context)
            arn = context["Execution"]["Id"]
            failed = self._failed.get(arn) if arn in self._redriven else None
            return items if failed is None else [item for item in items if json.dumps(item) in failed]

        self._stepfunctions._s3_object_text, self._stepfunctions._read_map_items = object_text, map_items

    def _guard_children(self) -> None:
        run = self._stepfunctions._run_distributed_map

        def run_map(
            state: Any, raw_input: Any, effective: Any, iterator: Any, execution: Any, context: Any
        ) -> Any:
            arn = execution["executionArn"]
            try:
                self._require_children(execution, state.get("Label", "*"), redriven=arn in self._redriven)
                return run(state, raw_input, effective, iterator, execution, context)
            except self._stepfunctions._ExecutionError:
                self._failed[arn] = self._failed_inputs(arn)
                raise
            finally:
                self._redriven.discard(arn)

        self._stepfunctions._run_distributed_map = run_map

    def _require_children(self, execution: Any, label: str, *, redriven: bool) -> None:
        machine = execution["stateMachineArn"]
        self._require("states:StartExecution", machine)
        children = f"{machine.replace(':stateMachine:', ':execution:')}/{label}:*"
        for action in (*MAP_ACTIONS, *(("states:RedriveExecution",) if redriven else ())):
            self._require(action, children)

    def _failed_inputs(self, arn: str) -> frozenset[str] | None:
        runs = [run for run in self._stepfunctions._map_runs.values() if run["executionArn"] == arn]
        if not runs:
            return None
        newest = runs[-1]["mapRunArn"]
        return frozenset(
            child["input"]
            for child in list(self._stepfunctions._executions.values())
            if child.get("mapRunArn") == newest and child["status"] == "FAILED"
        )

    def _require(self, action: str, resource: str, error: str = "AccessDeniedException") -> None:
        execution = _execution.get()
        machine = execution and self._stepfunctions._state_machines.get(execution["stateMachineArn"])
        if not machine or self._allows(machine["roleArn"], action, resource):
            return
        message = f"{machine['roleArn']} is not authorized to perform: {action} on resource: {resource}"
        cause = json.dumps({"errorType": error, "errorMessage": message})
        raise self._stepfunctions._ExecutionError(error, cause)

    def tagged(self) -> Iterator[tuple[str, list[dict[str, str]]]]:
        """ARN and tags of every state machine, in the format of the tagging service."""
        for arn, tags in list(self._stepfunctions._tags.items()):
            yield arn, [{"Key": tag["key"], "Value": tag["value"]} for tag in tags]


def _error(code: str, message: str) -> Any:
    body = json.dumps({"__type": code, "message": message}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, body

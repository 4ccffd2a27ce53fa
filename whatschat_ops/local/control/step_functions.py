"""Step Functions where ministack 1.5.33 differs from AWS: the state machine's role, redriving, tags.

- A state machine has the permissions of its role: to invoke a function (`lambda:InvokeFunction`), to read the items
  of a Distributed Map (`s3:GetObject`), to run its children (`states:StartExecution` and others, listed in AWS's page
  "IAM policies for using Distributed Map states"). ministack checks none of them.
- RedriveExecution goes on with the Map Run (`map_runs`). Only an execution that ended in a Distributed Map can be redriven.
- State machines are found by the tagging service.

The functions of ministack that this replaces run in the thread of their execution.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any, Final

from whatschat_ops.local.control.map_run_children import require_not_aborted
from whatschat_ops.local.control.map_runs import MapRuns
from whatschat_ops.local.control.step_functions_api import StepFunctionsApi
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

    def __init__(
        self, stepfunctions: Any, allows: Allows, add_point: Callable[..., None], lag_s: float
    ) -> None:
        """`lag_s`: how long DescribeExecution and ListMapRuns do not show a change yet."""
        self._stepfunctions = stepfunctions
        self._allows = allows
        self._add_point = add_point
        self._map_runs = MapRuns(stepfunctions)
        self._begun: set[str] = set()
        """Executions that came to a Distributed Map, though perhaps not to its Map Run."""
        operations = {
            "DescribeExecution": self._describe,
            "RedriveExecution": self._redrive,
            "UpdateMapRun": self._map_runs.update,
        }
        self._api = StepFunctionsApi(stepfunctions, operations, lag_s)

    def install(self) -> None:
        """Replace what runs a state machine: with the permissions of its role, and redrivable."""
        self._know_the_execution()
        self._guard_functions()
        self._guard_items()
        self._run_maps()

    def completed(self, handler: Handler) -> Handler:
        """The service's handler with AWS's throttles and the operations that ministack lacks."""
        return self._api.around(handler)

    def _describe(self, data: dict[str, Any]) -> Any:
        stepfunctions = self._stepfunctions
        answer = stepfunctions._describe_execution(data)
        execution = stepfunctions._executions.get(data.get("executionArn"))
        if answer[0] != 200 or execution is None:
            return answer
        redrivable = "REDRIVABLE" if self._redrivable(execution) else "NOT_REDRIVABLE"
        redrives = {name: execution[name] for name in ("redriveCount", "redriveDate") if name in execution}
        return stepfunctions.json_response(
            {"redriveCount": 0, **json.loads(answer[2]), **redrives, "redriveStatus": redrivable}
        )

    def _redrivable(self, execution: dict[str, Any]) -> bool:
        """Only what ended in a Distributed Map: another state would begin from the start of the state machine."""
        ended = execution["status"] in ("FAILED", "ABORTED", "TIMED_OUT")
        in_map = execution["executionArn"] in self._begun or self._map_runs.of(execution["executionArn"])
        return ended and bool(in_map)

    def _redrive(self, data: dict[str, Any]) -> Any:
        stepfunctions, arn = self._stepfunctions, data.get("executionArn", "")
        execution = stepfunctions._executions.get(arn)
        if execution is None:
            return stepfunctions.error_response_json(
                "ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400
            )
        if not self._redrivable(execution):
            return stepfunctions.error_response_json(
                "ExecutionNotRedrivable", f"Execution '{arn}' is not redrivable", 400
            )
        execution.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
        execution.update(
            redriveCount=execution.get("redriveCount", 0) + 1, redriveDate=stepfunctions.now_iso()
        )
        thread = threading.Thread(
            target=copy_context().run, args=(stepfunctions._run_execution, arn), daemon=True
        )
        thread.start()
        return stepfunctions.json_response({"redriveDate": execution["redriveDate"]})

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
            require_not_aborted()
            self._require("lambda:InvokeFunction", function)
            return call(function, event)

        self._stepfunctions._call_lambda = call_lambda

    def _guard_items(self) -> None:
        read_object = self._stepfunctions._s3_object_text

        def object_text(bucket: str, key: str) -> Any:
            self._require("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", "States.ItemReaderFailed")
            return read_object(bucket, key)

        self._stepfunctions._s3_object_text = object_text

    def _run_maps(self) -> None:
        stepfunctions, run = self._stepfunctions, self._stepfunctions._run_map_items

        def run_map_items(state: Any, raw_input: Any, execution: Any, context: Any) -> Any:
            effective = stepfunctions._apply_input_path(state, raw_input, context)
            return run(self._map_runs.resolved(state, effective, context), raw_input, execution, context)

        def run_map(
            state: Any, raw_input: Any, effective: Any, iterator: Any, execution: Any, context: Any
        ) -> Any:
            self._begun.add(execution["executionArn"])
            self._require_children(execution, state.get("Label", "*"))
            return self._map_runs.run(state, raw_input, effective, iterator, execution, context)

        stepfunctions._run_map_items, stepfunctions._run_distributed_map = run_map_items, run_map

    def _require_children(self, execution: Any, label: str) -> None:
        machine, redriven = execution["stateMachineArn"], execution.get("redriveCount", 0)
        self._require("states:StartExecution", machine)
        children = f"{machine.replace(':stateMachine:', ':execution:')}/{label}:*"
        for action in (*MAP_ACTIONS, *(("states:RedriveExecution",) if redriven else ())):
            self._require(action, children)

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

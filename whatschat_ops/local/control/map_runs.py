"""Map Runs of a Distributed Map, where ministack 1.5.33 differs from AWS.

- A Map Run fails when its tolerated failures are exceeded, and a stopped execution stops its Map Run: what is pending is not
  begun, children that run are aborted. A function that was invoked by one goes on to its end; nothing can stop it.
- UpdateMapRun applies while the Map Run is in progress.
- A redriven execution goes on with the same Map Run: children that did not succeed run again, the others do not.

(Step Functions Developer Guide, "Setting failure thresholds for Distributed Map states", "Redriving Map Runs"; API
reference, UpdateMapRun.) The children are in ministack's store of executions, so that all of it holds after a restart.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from whatschat_ops.local.control.map_run_children import Children, exceeded

PATHS: Final = ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage")
"""Fields of a Map state that may be given as a path into its input."""
_LIMITS: Final = {
    "maxConcurrency": "MaxConcurrency",
    "toleratedFailureCount": "ToleratedFailureCount",
    "toleratedFailurePercentage": "ToleratedFailurePercentage",
}
_OTHER_COUNTS: Final = (
    *("running", "succeeded", "failed", "timedOut", "aborted"),
    *("resultsWritten", "failuresNotRedrivable", "pendingRedrive"),
)


class MapRuns:
    """Runs Distributed Maps. `stepfunctions` is ministack's `services.stepfunctions`."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions

    def of(self, execution_arn: str) -> dict[str, Any] | None:
        """The newest Map Run of an execution."""
        runs = self._stepfunctions._map_runs.values()
        return next((run for run in reversed(list(runs)) if run["executionArn"] == execution_arn), None)

    def run(
        self, state: Any, raw_input: Any, effective: Any, iterator: Any, execution: Any, context: Any
    ) -> Any:
        """Run a Distributed Map: begun, or gone on with when its execution is redriven."""
        stepfunctions, items = self._stepfunctions, self._items(state, effective, context)
        record = self._record(state, execution, len(items))
        arn = record["mapRunArn"]
        children = {child["_index"]: child for child in self._children(arn)}
        undone = [
            index
            for index in range(len(items))
            if index not in children or children[index]["status"] != "SUCCEEDED"
        ]

        def context_of(index: int) -> dict[str, Any]:
            return {
                **json.loads(json.dumps(context)),
                "Map": {"Item": {"Index": index, "Value": items[index]}},
            }

        def new_child(index: int) -> dict[str, Any]:
            selector = state.get("ItemSelector") or state.get("Parameters")
            chosen = (
                stepfunctions._resolve_params_obj(selector, effective, context_of(index))
                if selector
                else items[index]
            )
            return self._child(record, children.get(index), index, chosen, execution)

        def run_child(child: dict[str, Any], index: int) -> Any:
            states, first = iterator.get("States", {}), iterator.get("StartAt")
            return stepfunctions._run_sub_machine(
                states, first, json.loads(child["input"]), child, context_of(index)
            )

        Children(
            record,
            execution,
            {index: child for index, child in children.items() if index not in undone},
            deque(undone),
            run_child,
            new_child,
            stepfunctions.now_iso,
        ).until_ended()
        return self._ended(state, raw_input, record, execution, context)

    def update(self, data: dict[str, Any]) -> Any:
        """UpdateMapRun."""
        record = self._stepfunctions._map_runs.get(data.get("mapRunArn"))
        if record is None:
            text = f"Map Run Does Not Exist: '{data.get('mapRunArn')}'"
            return self._stepfunctions.error_response_json("ResourceNotFound", text, 400)
        if record["status"] != "RUNNING":
            text = f"Map Run is not in progress: '{record['mapRunArn']}'"
            return self._stepfunctions.error_response_json("ValidationException", text, 400)
        given = {name: data[name] for name in _LIMITS if data.get(name) is not None}
        record.update(given, _limits=sorted({*record["_limits"], *given} - {"maxConcurrency"}))
        return self._stepfunctions.json_response({})

    def resolved(self, state: Mapping[str, Any], effective: Any, context: Any) -> dict[str, Any]:
        """A Map state with the values that its paths select. Raises ministack's _ExecutionError."""
        stepfunctions, found = self._stepfunctions, dict(state)
        for name in PATHS:
            if (path := found.pop(f"{name}Path", None)) is None:
                continue
            value = found[name] = stepfunctions._resolve_path_or_ctx(path, effective, context)
            whole = name != "ToleratedFailurePercentage"
            valid = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not valid or value < 0 or (not whole and value > 100):
                raise stepfunctions._ExecutionError(
                    "States.Runtime", f"{name}Path {path} selects {json.dumps(value)}"
                )
        return found

    def _items(self, state: Any, effective: Any, context: Any) -> list[Any]:
        stepfunctions = self._stepfunctions
        reader = state.get("ItemReader")
        items = (
            stepfunctions._read_map_items(reader, effective, context)
            if reader
            else stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)
        )
        return items if isinstance(items, list) else [items]

    def _record(self, state: Any, execution: Any, total: int) -> dict[str, Any]:
        """The Map Run: that of a redriven execution, or a new one."""
        stepfunctions, before = self._stepfunctions, self.of(execution["executionArn"])
        if before is not None and before["status"] != "SUCCEEDED":
            before.pop("stopDate", None)
            before.update(
                status="RUNNING",
                redriveCount=before["redriveCount"] + 1,
                redriveDate=stepfunctions.now_iso(),
            )
            return before
        machine = execution["stateMachineArn"]
        base, label = (
            machine.replace(":stateMachine:", ":mapRun:"),
            state.get("Label") or stepfunctions.new_uuid(),
        )
        zero = dict.fromkeys(_OTHER_COUNTS, 0)
        record = {
            "mapRunArn": f"{base}/{label}:{stepfunctions.new_uuid()}",
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": stepfunctions.now_iso(),
            **{name: state.get(field) or 0 for name, field in _LIMITS.items()},
            "itemCounts": {**zero, "total": total, "pending": total},
            "executionCounts": {**zero, "total": total, "pending": total},
            "redriveCount": 0,
            "_stateMachineArn": f"{machine}/{label}",
            "_limits": [
                name for name, field in _LIMITS.items() if field in state and field != "MaxConcurrency"
            ],
        }
        stepfunctions._map_runs[record["mapRunArn"]] = record
        return record

    def _children(self, map_run_arn: str) -> Iterator[dict[str, Any]]:
        for child in list(self._stepfunctions._executions.values()):
            if child.get("mapRunArn") == map_run_arn:
                yield child

    def _child(
        self, record: Any, before: dict[str, Any] | None, index: int, chosen: Any, execution: Any
    ) -> dict[str, Any]:
        """The execution of an item; that which did not succeed, when it is redriven."""
        stepfunctions = self._stepfunctions
        if before is not None:
            del stepfunctions._executions[
                before["executionArn"]
            ]  # so that what still runs of it changes nothing any more
            before = {**before, "error": None, "cause": None, "stopDate": None, "status": "RUNNING"}
            child = {
                **before,
                "redriveCount": before.get("redriveCount", 0) + 1,
                "redriveDate": stepfunctions.now_iso(),
            }
        else:
            name, machine = stepfunctions.new_uuid(), record["_stateMachineArn"]
            child = {
                "executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}",
                "stateMachineArn": machine,
                "name": name,
                "status": "RUNNING",
                "startDate": stepfunctions.now_iso(),
                "stopDate": None,
                "input": json.dumps(chosen),
                "inputDetails": {"included": True},
                "output": None,
                "outputDetails": {"included": True},
                "mapRunArn": record["mapRunArn"],
                "events": [],
                "testCase": execution.get("testCase"),
                "mockAttempts": {},
                "_index": index,
            }
        stepfunctions._executions[child["executionArn"]] = child
        return child

    def _ended(self, state: Any, raw_input: Any, record: Any, execution: Any, context: Any) -> Any:
        stepfunctions = self._stepfunctions
        record["stopDate"] = stepfunctions.now_iso()
        if execution["status"] != "RUNNING":
            record["status"] = "ABORTED"
            return raw_input, None
        if exceeded(record, record["itemCounts"]["failed"]):
            record["status"] = "FAILED"
            text = "The specified tolerated failure threshold was exceeded"
            raise stepfunctions._ExecutionError("States.ExceedToleratedFailureThreshold", text)
        record["status"] = "SUCCEEDED"
        children = sorted(self._children(record["mapRunArn"]), key=lambda child: int(child["_index"]))
        results = [json.loads(child["output"]) if child["output"] else None for child in children]
        chosen = stepfunctions._apply_result_selector(state, results)
        made = stepfunctions._apply_output_path(
            state, stepfunctions._apply_result_path(state, raw_input, chosen), context
        )
        return made, stepfunctions._next_or_end(state)

"""The API of Step Functions as AWS answers: throttled, idempotent where AWS is, and eventually consistent on request.

- Calls are throttled by token buckets per account and Region (Developer Guide, "Quotas related to API action throttling").
- StartExecution with the name and input of a running execution responds with that execution (API reference).
- DescribeExecution is eventually consistent (API reference). With a lag, an execution does not exist for so long after it was
  started, and is what it was before for so long after it was redriven or stopped; ListMapRuns likewise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.local.control.wire import Handler
from whatschat_ops.local.gateway.throttle import TokenBucket
from whatschat_ops.local.interfaces import Throttle

BUCKETS: Final = {
    "StartExecution": Throttle(rate_limit=300, burst_limit=1_300),
    "RedriveExecution": Throttle(rate_limit=300, burst_limit=1_300),
    "StopExecution": Throttle(rate_limit=200, burst_limit=1_000),
    "DescribeExecution": Throttle(rate_limit=15, burst_limit=300),
    "ListExecutions": Throttle(rate_limit=5, burst_limit=200),
    "DescribeMapRun": Throttle(rate_limit=1, burst_limit=200),
    "ListMapRuns": Throttle(rate_limit=1, burst_limit=100),
    "UpdateMapRun": Throttle(rate_limit=1, burst_limit=100),
}
"""Of the operations that a Distributed Map is followed with; the values of us-east-1, in every Region."""
_LAGGING: Final = ("DescribeExecution", "ListMapRuns")
_CHANGING: Final = ("StartExecution", "RedriveExecution", "StopExecution")


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What is answered about an execution until `until_s`: by operation."""

    until_s: float
    answers: dict[str, Any]


class StepFunctionsApi:
    """Wraps the service's handler. `operations` are those that ministack lacks or has otherwise, with their data."""

    def __init__(
        self,
        stepfunctions: Any,
        operations: Mapping[str, Callable[[dict[str, Any]], Any]],
        lag_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stepfunctions = stepfunctions
        self._operations = {"StartExecution": self._start, **operations}
        self._lag_s = lag_s
        self._clock = clock
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._earlier: dict[str, _Earlier] = {}

    def around(self, handler: Handler) -> Handler:
        """The service's handler as AWS's."""

        async def own(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            operation = headers.get("x-amz-target", "").rpartition(".")[2]
            if not self._admits(operation):
                return self._error("ThrottlingException", "Rate exceeded")
            data = _read(body)
            if operation in self._operations and data is not None:
                return self._stepfunctions._finalize_response(self._operations[operation](data))
            return await handler(method, path, headers, body, query_params)

        async def lagging(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
            operation, data = headers.get("x-amz-target", "").rpartition(".")[2], _read(body) or {}
            arn = str(data.get("executionArn") or _execution_arn(data))
            if operation in _LAGGING and (earlier := self._current(arn)):
                return earlier.answers[operation]
            begun = operation in _CHANGING and not (
                operation == "StartExecution" and arn in self._stepfunctions._executions
            )
            before = self._answers(arn) if begun else {}
            answer = await own(method, path, headers, body, query_params)
            if begun and answer[0] == 200 and not self._current(arn):
                self._earlier[arn] = _Earlier(self._clock() + self._lag_s, before)
            return answer

        return lagging if self._lag_s else own

    def _current(self, arn: str) -> _Earlier | None:
        earlier = self._earlier.get(arn)
        return earlier if earlier and self._clock() < earlier.until_s else None

    def _answers(self, arn: str) -> dict[str, Any]:
        stepfunctions = self._stepfunctions
        answers = {
            "DescribeExecution": stepfunctions._describe_execution,
            "ListMapRuns": stepfunctions._list_map_runs,
        }
        return {
            name: stepfunctions._finalize_response(answer({"executionArn": arn}))
            for name, answer in answers.items()
        }

    def _admits(self, operation: str) -> bool:
        limit, now_s = BUCKETS.get(operation), self._clock()
        if limit is None:
            return True
        key = (self._stepfunctions.get_region(), operation)
        bucket = self._buckets.get(key) or self._buckets.setdefault(key, TokenBucket(limit, now_s))
        return bucket.take(now_s)

    def _start(self, data: dict[str, Any]) -> Any:
        stepfunctions = self._stepfunctions
        answer = stepfunctions._start_execution(data)
        if answer[0] == 200 or json.loads(answer[2]).get("__type") != "ExecutionAlreadyExists":
            return answer
        execution = stepfunctions._executions.get(_execution_arn(data))
        if (
            execution is None
            or execution["status"] != "RUNNING"
            or execution["input"] != data.get("input", "{}")
        ):
            return answer
        same = {"executionArn": execution["executionArn"], "startDate": execution["startDate"]}
        return stepfunctions.json_response(same)

    def _error(self, code: str, message: str) -> Any:
        return self._stepfunctions.error_response_json(code, message, 400)


def _execution_arn(data: dict[str, Any]) -> str:
    """That of StartExecution's request, if it has a name."""
    machine = str(data.get("stateMachineArn", "")).replace(":stateMachine:", ":execution:")
    return f"{machine}:{data.get('name')}"


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""AWS/Lambda metrics for invocations that do not come from ministack, which records its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from whatschat_ops.local.interfaces import (
    ControlPlane,
    Executor,
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
)
from whatschat_ops.local.monitoring.lambda_metrics import CONCURRENCY, LAMBDA


class MeteredExecutor:
    """An executor that records the metrics of AWS/Lambda."""

    def __init__(self, executor: Executor, control_plane: ControlPlane) -> None:
        self._executor = executor
        self._control_plane = control_plane

    async def invoke(
        self, function: LambdaFunction, payload: bytes, *, start_within_s: float = math.inf
    ) -> InvocationResult:
        """Run the function once. Raises InvocationThrottled and InvocationExpired (not counted: it did not run)."""
        try:
            result = await self._executor.invoke(function, payload, start_within_s=start_within_s)
        except InvocationThrottled:
            self._put(function, "Throttles", 1)
            raise
        self._put(function, "Invocations", 1)
        self._put(function, "Errors", 1 if result.function_error else 0)
        self._put(function, "Throttles", 0)
        self._put(function, "Duration", result.duration_ms, "Milliseconds")
        return result

    async def close(self) -> None:
        """Stop every worker."""
        await self._executor.close()

    def _put(self, function: LambdaFunction, name: str, value: float, unit: str = "Count") -> None:
        """Under the alias or version that was invoked: `control.cloudwatch` adds up those of the function and of all."""
        dimensions = {"FunctionName": function.name}
        if qualifier := function.arn.partition(f":function:{function.name}:")[2]:
            dimensions["Resource"] = f"{function.name}:{qualifier}"
        self._control_plane.record_metric("AWS/Lambda", name, value, unit, dimensions)


def record_concurrency(
    record_in: Callable[[str, str, str, float, Mapping[str, str]], None],
    region: str,
    function: str | None,
    running: int,
) -> None:
    """Record ConcurrentExecutions of a function, or of all of the Region without a name.

    Without dimensions for the account, by FunctionName for a function (Lambda Developer Guide, "Types of metrics for Lambda
    functions", concurrency metrics: view them with Max).
    """
    dimensions = {} if function is None else {"FunctionName": function}
    record_in(region, LAMBDA, CONCURRENCY, running, dimensions)

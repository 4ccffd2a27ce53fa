"""The metrics of an invocation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.component.local.executor_functions import make_function
from whatschat_ops.local.interfaces import InvocationResult
from whatschat_ops.local.metered_executor import MeteredExecutor

ANSWER = InvocationResult(
    payload=b"", function_error=None, request_id="id", duration_ms=1.0, init_duration_ms=None, log=()
)


class OneAnswer:
    """An executor and a control plane in one."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, dict[str, str]]] = []

    async def invoke(self, *_: Any, **__: Any) -> InvocationResult:
        return ANSWER

    def record_metric(self, _namespace: str, name: str, _value: float, _unit: str, dimensions: Any) -> None:
        self.recorded.append((name, dict(dimensions)))


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html")
def test_invocation_of_an_alias_is_counted_under_it() -> None:
    parts = OneAnswer()
    for qualifier in ("", ":live"):
        asyncio.run(MeteredExecutor(parts, parts).invoke(make_function(qualifier=qualifier), b"{}"))  # type: ignore[arg-type]
    assert [dimensions for name, dimensions in parts.recorded if name == "Invocations"] == [
        {"FunctionName": "probe"},
        {"FunctionName": "probe", "Resource": "probe:live"},
    ]

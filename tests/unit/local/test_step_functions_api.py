"""Step Functions' throttles and eventual consistency, by a clock that stands until a test moves it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.local.control.step_functions_api import BUCKETS, StepFunctionsApi

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:m:run"


def answer(document: dict[str, Any], status: int = 200) -> Any:
    return status, {}, json.dumps(document).encode()


def refused(code: str, message: str = "", status: int = 400) -> Any:
    return answer({"__type": code, "message": message}, status)


@dataclass
class Service:
    """Step Functions with one execution at most, as ministack keeps it, called `lag_s` behind a corrected API."""

    lag_s: float
    now_s: float = 1_000.0
    region: str = "us-east-1"
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stepfunctions = SimpleNamespace(
            _executions=self.executions,
            _start_execution=self.start,
            _describe_execution=self.describe,
            _list_map_runs=self.describe,
            _finalize_response=lambda found: found,
            error_response_json=refused,
            json_response=answer,
            get_region=lambda: self.region,
        )
        operations = {"RedriveExecution": self.redrive, "DescribeExecution": self.describe}
        api = StepFunctionsApi(stepfunctions, operations, self.lag_s, lambda: self.now_s)
        self.handle = api.around(self.other)

    def start(self, data: dict[str, Any]) -> Any:
        if EXECUTION in self.executions:
            return refused("ExecutionAlreadyExists")
        self.executions[EXECUTION] = {
            "executionArn": EXECUTION,
            "startDate": "then",
            "status": "RUNNING",
            "input": data.get("input", "{}"),
        }
        return answer({"executionArn": EXECUTION})

    def describe(self, data: dict[str, Any]) -> Any:
        found = self.executions.get(data["executionArn"])
        return answer(found) if found else refused("ExecutionDoesNotExist")

    def redrive(self, _data: dict[str, Any]) -> Any:
        self.executions[EXECUTION]["status"] = "RUNNING"
        return answer({})

    async def other(self, *_: Any) -> Any:
        return answer({})

    def call(self, operation: str, **data: Any) -> Any:
        """The status or the error code of a response."""
        headers = {"x-amz-target": f"AWSStepFunctions.{operation}"}

        async def called() -> Any:
            return await self.handle("POST", "/", headers, json.dumps(data).encode(), {})

        status, _, body = asyncio.run(called())
        found = json.loads(body)
        return found.get("status", "") if status == 200 else found["__type"]


@pytest.mark.aws("https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html")
@pytest.mark.parametrize(("operation", "bucket"), [("ListMapRuns", 100), ("DescribeMapRun", 200)])
def test_questions_about_map_runs_are_throttled_beyond_one_a_second(operation: str, bucket: int) -> None:
    service = Service(0.0)
    data = {"executionArn": EXECUTION}
    assert {service.call(operation, **data) for _ in range(bucket)} == {""}
    assert service.call(operation, **data) == "ThrottlingException"
    service.now_s += 1
    assert [service.call(operation, **data) for _ in range(2)] == ["", "ThrottlingException"]
    service.region = "eu-west-1"
    assert service.call(operation, **data) == ""


@pytest.mark.aws("https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html")
def test_buckets_are_those_of_the_service_quotas() -> None:
    found = {name: (each.burst_limit, each.rate_limit) for name, each in BUCKETS.items()}
    assert found == {
        "StartExecution": (1_300, 300),
        "RedriveExecution": (1_300, 300),
        "StopExecution": (1_000, 200),
        "DescribeExecution": (300, 15),
        "ListExecutions": (200, 5),
        "DescribeMapRun": (200, 1),
        "ListMapRuns": (100, 1),
        "UpdateMapRun": (100, 1),
    }


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html: eventually consistent"
)
def test_started_execution_does_not_exist_until_the_lag_is_over() -> None:
    service = Service(2.0)
    assert service.call("StartExecution", stateMachineArn=MACHINE, name="run") == ""
    for operation in ("DescribeExecution", "ListMapRuns"):
        assert service.call(operation, executionArn=EXECUTION) == "ExecutionDoesNotExist"
    service.now_s += 1.9
    assert service.call("StartExecution", stateMachineArn=MACHINE, name="run") == ""  # and changes nothing
    assert service.call("DescribeExecution", executionArn=EXECUTION) == "ExecutionDoesNotExist"
    service.now_s += 0.1
    assert service.call("DescribeExecution", executionArn=EXECUTION) == "RUNNING"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html: eventually consistent"
)
def test_redriven_execution_has_failed_until_the_lag_is_over() -> None:
    service = Service(2.0)
    service.call("StartExecution", stateMachineArn=MACHINE, name="run")
    service.now_s += 2
    service.executions[EXECUTION]["status"] = "FAILED"
    assert service.call("RedriveExecution", executionArn=EXECUTION) == ""
    assert service.call("DescribeExecution", executionArn=EXECUTION) == "FAILED"
    service.now_s += 2
    assert service.call("DescribeExecution", executionArn=EXECUTION) == "RUNNING"


def test_without_a_lag_every_change_shows_at_once() -> None:
    service = Service(0.0)
    service.call("StartExecution", stateMachineArn=MACHINE, name="run")
    assert service.call("DescribeExecution", executionArn=EXECUTION) == "RUNNING"

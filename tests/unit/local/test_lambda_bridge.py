"""ministack's invocations on our executor, where ministack would make an answer up, and what is sent nowhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.local.control.async_invocations import EventSettings
from whatschat_ops.local.control.destinations import Destinations
from whatschat_ops.local.control.lambda_bridge import FunctionRunner
from whatschat_ops.local.control.lambda_invoke import InvokeCall, current_call, refused
from whatschat_ops.local.interfaces import InvocationThrottled

ARN = "arn:aws:lambda:us-east-1:000000000000:function:probe"
CONFIG = {"FunctionArn": ARN, "FunctionName": "probe", "Runtime": "python3.12"}


FOREIGN = {**CONFIG, "Runtime": "provided.al2023"}


def dispatched(body: Any, config: dict[str, str] = FOREIGN) -> dict[str, Any]:
    """What an invocation comes to when ministack, which has no code, answers with `body`."""
    lambda_svc = SimpleNamespace(_execute_function_dispatch=lambda *_: {"body": body})
    FunctionRunner(lambda _arn: None).install(lambda_svc)
    result: dict[str, Any] = lambda_svc._execute_function_dispatch({}, config, {}, "id", 0.0)
    return result


@pytest.mark.parametrize("reason", ["no code deployed", "no bootstrap binary found"])
def test_answer_that_ministack_makes_up_is_an_error(reason: str) -> None:
    call = InvokeCall()
    token = current_call.set(call)
    try:
        result = dispatched({"statusCode": 200, "body": f"Mock response - {reason}"})
    finally:
        current_call.reset(token)
    assert result["function_error"] == "Unhandled"
    assert result["body"]["errorType"] == "InvalidParameterValueException"
    assert call.refused == f"{ARN} was not run: the embedded AWS does not run it ({reason})"


def test_answer_of_a_function_is_left_alone() -> None:
    assert dispatched({"statusCode": 200, "body": "mine"}) == {"body": {"statusCode": 200, "body": "mine"}}


def test_function_that_was_deleted_between_two_attempts_is_not_run_by_ministack() -> None:
    result = dispatched("run from the captured record", CONFIG)
    assert result["function_error"] == "Unhandled"
    assert result["body"] == {
        "errorType": "ResourceNotFoundException",
        "errorMessage": f"Function not found: {ARN}",
    }


@contextlib.contextmanager
def scope(_account: str, _region: str) -> Iterator[None]:
    yield


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html (DestinationDeliveryFailures)"
)
@pytest.mark.parametrize(("allowed", "reason"), [(False, "its role may not sqs:SendMessage"), (True, "gone")])
def test_record_that_cannot_be_sent_is_a_metric_and_a_line_of_the_log(
    caplog: pytest.LogCaptureFixture, allowed: bool, reason: str
) -> None:
    metrics: list[tuple[Any, ...]] = []

    def fail(*_: Any) -> None:
        raise ValueError("gone")

    modules: Any = SimpleNamespace(
        responses=SimpleNamespace(request_scope=scope),
        cloudwatch=SimpleNamespace(record_metric=lambda *datum: metrics.append(datum)),
        sqs=SimpleNamespace(_act_send_message=fail),
    )
    destinations = Destinations(modules, lambda *_: allowed, lambda *_: None, lambda: None)
    destinations.send_record(
        EventSettings(f"{ARN}:$LATEST", "role"), "arn:aws:sqs:us-east-1:000000000000:records", {}
    )
    assert metrics == [("AWS/Lambda", "DestinationDeliveryFailures", 1, "Count", {"FunctionName": "probe"})]
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("reserved", "reason"),
    [(None, "ConcurrentInvocationLimitExceeded"), (1, "ReservedFunctionConcurrentInvocationLimitExceeded")],
)
def test_throttled_invocation_says_which_limit_it_exceeds(reserved: int | None, reason: str) -> None:
    async def throttle(*_: Any, **__: Any) -> Any:
        raise InvocationThrottled

    function: Any = SimpleNamespace(version="$LATEST", reserved_concurrency=reserved)
    lambda_svc = SimpleNamespace(
        _execute_function_dispatch=None, _throttle_response=lambda reason_code, msg: {"Reason": reason_code}
    )

    async def scenario() -> Any:
        runner = FunctionRunner(lambda _arn: function)
        runner.use(SimpleNamespace(invoke=throttle, close=throttle))
        runner.install(lambda_svc)
        return await asyncio.to_thread(lambda_svc._execute_function_dispatch, {}, CONFIG, {}, "id", 0.0)

    assert asyncio.run(scenario()) == {"Reason": reason}


def test_deeply_nested_client_context_is_refused() -> None:
    refusal = refused({"x-amz-client-context": base64.b64encode(b"[" * 2_500).decode()}, b"{}")
    assert refusal is not None and refusal[0] == "InvalidRequestContentException"

"""Executions of a run over a Step Functions that answers late, throttles or loses its answers; the clock is the test's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.broadcast.distributed.executions import SETTLE_S, Execution, Executions, ExecutionStatus
from whatschat_ops.config import Settings
from whatschat_ops.errors import AwsError, Missing, NotFound, PermissionDenied, Throttled, Unavailable

RUN = "20261123-101502-7f3a"
MAP_RUN = "arn:aws:states:us-east-1:000000000000:mapRun:machine/Shards:1"
SETTINGS = Settings.of(
    {"broadcast": {"distributed": {"enabled": True, "workers": 7, "tolerated_failure_percentage": 2.5}}}
)
RUNNING: dict[str, Any] = {"status": "RUNNING"}
FAILED: dict[str, Any] = {"status": "FAILED", "error": "States.ExceedToleratedFailureThreshold"}
REDRIVEN: dict[str, Any] = {"status": "RUNNING", "redriveCount": 1}


def refusal(code: str, kind: type[AwsError] = AwsError) -> AwsError:
    return kind(code, aws_code=code)


ABSENT = refusal("ExecutionDoesNotExist")
BUSY = refusal("ThrottlingException", Throttled)


@dataclass
class Client:
    """Answers questions about an execution one after the other, the last one for ever; remembers what was called."""

    answers: list[dict[str, Any] | AwsError] = field(default_factory=lambda: [RUNNING])
    refuses: dict[str, AwsError] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=lambda: {"MaxConcurrencyPath": "$.workers"})
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            self.calls.append((operation, given))
            if operation in self.refuses:
                raise self.refuses[operation]
            if (answer := getattr(type(self), f"_{operation}", None)) is None:
                return {}
            return answer(self, **given)

        return call

    def named(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == operation]

    def _describe_execution(self, executionArn: str) -> dict[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AwsError):
            raise answer
        return {"executionArn": executionArn, **answer}

    def _describe_state_machine(self, **_: Any) -> dict[str, Any]:
        shards = {**self.definition, "ItemReader": {"Parameters": {"Bucket": "runs"}}}
        return {"definition": json.dumps({"States": {"Shards": shards}})}

    def _list_map_runs(self, **_: Any) -> dict[str, Any]:
        return {"mapRuns": [{"mapRunArn": MAP_RUN, "startDate": datetime(2026, 1, 1, tzinfo=UTC)}]}

    def _describe_map_run(self, **_: Any) -> dict[str, Any]:
        counts = {"pending": 1, "running": 2, "succeeded": 3, "failed": 1, "timedOut": 0, "aborted": 1}
        return {"itemCounts": counts}


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


def executions_of(client: Client, clock: Clock | None = None) -> Executions:
    clock = clock or Clock()
    aws: Any = SimpleNamespace(client=lambda _: client, region="us-east-1", account_id="000000000000")
    return Executions(SETTINGS, aws, RUN, clock_s=clock, sleep=clock.pass_s)


def failed_one(**given: Any) -> Execution:
    arn = f"arn:aws:states:us-east-1:000000000000:execution:whatschat-local-broadcast:{RUN}"
    return Execution(1, arn, ExecutionStatus.FAILED, **given)


def test_execution_is_started_with_its_limits_as_input() -> None:
    client = Client()
    started = executions_of(client).start(2, "runs/x/lists/2.json")
    (given,) = client.named("start_execution")
    assert given["name"] == f"{RUN}-2"
    assert json.loads(given["input"]) == {
        "shards": "runs/x/lists/2.json",
        "workers": 7,
        "tolerated_failure_percentage": 3,  # a whole number: the command counts itself whether too many failed
    }
    assert (started.number, started.status) == (2, ExecutionStatus.RUNNING)


def test_started_execution_runs_though_it_does_not_exist_yet() -> None:
    clock, client = Clock(), Client([ABSENT, ABSENT, FAILED])
    executions = executions_of(client, clock)
    execution = executions.start(1, "key")
    for expected in (ExecutionStatus.RUNNING, ExecutionStatus.RUNNING, ExecutionStatus.FAILED):
        execution = executions.refreshed(execution)
        assert execution.status is expected
        clock.pass_s(1)


def test_execution_that_never_appears_is_missing() -> None:
    clock, client = Clock(), Client([ABSENT])
    executions = executions_of(client, clock)
    execution = executions.start(1, "key")
    clock.pass_s(SETTLE_S)
    with pytest.raises(Missing, match="does not exist any more"):
        executions.refreshed(execution)


def test_execution_that_another_process_started_is_followed() -> None:
    client = Client(refuses={"start_execution": refusal("ExecutionAlreadyExists")})
    executions = executions_of(client)
    assert executions.refreshed(executions.start(2, "key")).status is ExecutionStatus.RUNNING


def test_redriven_execution_runs_while_answers_are_from_before() -> None:
    clock, client = (
        Clock(),
        Client([FAILED, BUSY, FAILED, REDRIVEN, {"status": "SUCCEEDED", "redriveCount": 1}]),
    )
    executions = executions_of(client, clock)
    execution = failed_one()
    assert executions.redrive(execution)
    seen = []
    for _ in range(5):
        execution = executions.refreshed(execution)
        seen.append(execution.status.value)
        clock.pass_s(1)
    assert seen == ["RUNNING"] * 4 + ["SUCCEEDED"]


def test_redriven_execution_that_fails_again_has_failed() -> None:
    clock, client = Clock(), Client([{**FAILED, "redriveCount": 1}])
    executions = executions_of(client, clock)
    executions.redrive(failed_one())
    assert executions.refreshed(failed_one()).status is ExecutionStatus.FAILED


def test_execution_that_another_process_has_just_redriven_is_not_replaced() -> None:
    client = Client(
        [FAILED, FAILED, REDRIVEN], refuses={"redrive_execution": refusal("ExecutionNotRedrivable")}
    )
    executions = executions_of(client)
    assert executions.redrive(failed_one())
    assert executions.refreshed(failed_one()).is_running


@pytest.mark.parametrize(
    ("code", "may_redrive", "answer"),
    [
        ("ExecutionNotRedrivable", True, FAILED),
        ("ExecutionNotRedrivable", True, ABSENT),
        ("ExecutionNotRedrivable", True, {**FAILED, "redriveStatus": "NOT_REDRIVABLE"}),
        ("ExecutionNotRedrivable", False, FAILED),
        ("UnknownOperationException", True, REDRIVEN),
    ],
)
def test_execution_that_cannot_be_redriven_is_not(code: str, may_redrive: bool, answer: Any) -> None:
    client = Client([answer], refuses={"redrive_execution": refusal(code)})
    assert not executions_of(client).redrive(failed_one(may_redrive=may_redrive))


def test_refusal_to_redrive_is_not_hidden() -> None:
    client = Client(refuses={"redrive_execution": refusal("AccessDeniedException", PermissionDenied)})
    with pytest.raises(PermissionDenied):
        executions_of(client).redrive(failed_one())


def test_execution_is_asked_for_every_second_at_first_and_then_every_few_seconds() -> None:
    clock, client = Clock(), Client()
    executions = executions_of(client, clock)
    execution = executions.start(1, "key")
    asked = []
    for _ in range(120):
        before = len(client.named("describe_execution"))
        executions.refreshed(execution)
        executions.shards(execution)
        if len(client.named("describe_execution")) > before:
            asked.append(clock.now_s - 1_000)
        clock.pass_s(1)
    pauses = [late - early for early, late in itertools.pairwise(asked)]
    assert set(pauses[:19]) == {1.0}
    assert all(5 <= pause <= 11 for pause in pauses[21:])
    assert 11 <= len(client.named("describe_map_run")) <= 25
    assert len(client.named("list_map_runs")) == 1


@pytest.mark.parametrize("kind", [Throttled, Unavailable, PermissionDenied])
@pytest.mark.parametrize("operation", ["list_map_runs", "describe_map_run"])
def test_progress_that_may_not_be_read_keeps_the_last_counts(operation: str, kind: type[AwsError]) -> None:
    clock, client = Clock(), Client()
    executions = executions_of(client, clock)
    execution = executions.start(1, "key")
    assert str(executions.shards(execution)) == "3 of 8 shards done, 2 running, 2 failed"
    client.refuses[operation] = refusal("x", kind)
    clock.pass_s(60)
    assert str(executions.shards(execution)) == "3 of 8 shards done, 2 running, 2 failed"


@pytest.mark.parametrize("kind", [Throttled, Unavailable])
def test_throttled_question_leaves_the_execution_as_it_was(kind: type[AwsError]) -> None:
    client = Client(refuses={"describe_execution": refusal("x", kind)})
    executions = executions_of(client)
    assert executions.refreshed(executions.start(1, "key")).is_running
    assert not executions_of(client).refreshed(failed_one()).is_running


def test_refused_question_ends_the_following() -> None:
    client = Client(refuses={"describe_execution": refusal("AccessDeniedException", PermissionDenied)})
    executions = executions_of(client)
    with pytest.raises(PermissionDenied):
        executions.refreshed(executions.start(1, "key"))


@pytest.mark.parametrize(
    ("definition", "workers"),
    [({"MaxConcurrencyPath": "$.workers"}, 7), ({"MaxConcurrency": 3}, 3), ({}, 10_000)],
)
def test_workers_are_those_of_the_input_unless_the_machine_fixes_them(
    definition: dict[str, Any], workers: int
) -> None:
    assert executions_of(Client(definition=definition)).workers() == workers


def test_workers_of_a_running_execution_are_changed_at_its_map_run() -> None:
    client = Client()
    executions_of(client).set_workers(failed_one(), 40)
    assert client.named("update_map_run") == [{"mapRunArn": MAP_RUN, "maxConcurrency": 40}]


@pytest.mark.parametrize("code", ["ValidationException", "ExecutionDoesNotExist"])
def test_stop_of_an_execution_that_has_ended_is_no_error(code: str) -> None:
    executions_of(Client(refuses={"stop_execution": refusal(code)})).stop(1)


def test_stop_that_is_refused_is_an_error() -> None:
    client = Client(refuses={"stop_execution": refusal("AccessDeniedException", PermissionDenied)})
    with pytest.raises(PermissionDenied):
        executions_of(client).stop(1)


def test_why_is_said_also_when_it_may_not_be_read() -> None:
    client = Client(refuses={"list_executions": refusal("ThrottlingException", Throttled)})
    execution = failed_one(why="States.ExceedToleratedFailureThreshold exceeded")
    assert "may not be read" in executions_of(client).why(execution)[1]


def test_absent_state_machine_is_said_with_what_to_do() -> None:
    client = Client(refuses={"start_execution": refusal("StateMachineDoesNotExist")})
    with pytest.raises(NotFound, match="not provisioned"):
        executions_of(client).start(1, "key")

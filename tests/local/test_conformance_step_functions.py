"""Distributed Maps on the embedded AWS: paths in the input, failure thresholds, changed limits, stops and redrives.

The children are activities, so that a test decides when each one ends.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually

pytestmark = pytest.mark.local

LIMITS: Mapping[str, Any] = {
    "MaxConcurrencyPath": "$.at_once",
    "ToleratedFailurePercentagePath": "$.tolerated",
}


@dataclass
class Site:
    """State machines whose Distributed Map gives each item to an activity, and who works for it."""

    aws: EmbeddedAws
    role_arn: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> Any:
        return self.aws.client("stepfunctions")

    def machine(self, **fields: Any) -> str:
        """Creates a state machine. Gives its ARN and that of its activity, which have the same name."""
        name = f"map-{uuid.uuid4().hex[:8]}"
        activity = self.client.create_activity(name=name)["activityArn"]
        work = {"Type": "Task", "Resource": activity, "End": True}
        definition = {
            "StartAt": "Items",
            "States": {
                "Items": {
                    "Type": "Map",
                    "Label": "Items",
                    "ItemsPath": "$.items",
                    "ItemProcessor": {
                        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                        "StartAt": "Work",
                        "States": {"Work": work},
                    },
                    "End": True,
                    **fields,
                }
            },
        }
        created = self.client.create_state_machine(
            name=name, roleArn=self.role_arn, definition=json.dumps(definition)
        )
        return str(created["stateMachineArn"])

    def start(self, machine: str, **given: Any) -> str:
        started = self.client.start_execution(stateMachineArn=machine, input=json.dumps(given))
        return str(started["executionArn"])

    def take(self, machine: str, items: int) -> dict[str, str]:
        """As a worker: take so many items. Gives the token of each."""
        taken = {}
        activity = machine.replace(":stateMachine:", ":activity:")
        for _ in range(items):
            task = self.client.get_activity_task(activityArn=activity)
            taken[json.loads(task["input"])] = task["taskToken"]
        return taken

    def succeed(self, tokens: Mapping[str, str], *items: str) -> None:
        for item in items:
            self.client.send_task_success(taskToken=tokens[item], output=json.dumps(f"did {item}"))

    def fail(self, tokens: Mapping[str, str], item: str) -> None:
        self.client.send_task_failure(taskToken=tokens[item], error="Broken", cause="as arranged")

    def status(self, execution: str) -> str:
        return str(self.client.describe_execution(executionArn=execution)["status"])

    def map_run(self, execution: str) -> dict[str, Any]:
        """The only Map Run of an execution, once it has begun."""
        listed = eventually(lambda: self.client.list_map_runs(executionArn=execution)["mapRuns"])
        (only,) = listed
        found: dict[str, Any] = self.client.describe_map_run(mapRunArn=only["mapRunArn"])
        return found

    def expect_counts(self, execution: str, **expected: int) -> None:
        """Wait until so many of its items, and no others, are in these states."""

        def as_expected() -> bool:
            counts = self.map_run(execution)["itemCounts"]
            return {name: count for name, count in counts.items() if count} == expected

        eventually(as_expected)

    def children(self, execution: str) -> Counter[str]:
        arn = self.map_run(execution)["mapRunArn"]
        return Counter(child["status"] for child in self.client.list_executions(mapRunArn=arn)["executions"])


@pytest.fixture(scope="module")
def site(embedded_aws: EmbeddedAws) -> Iterator[Site]:
    iam, name = embedded_aws.client("iam"), f"maps-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    yield Site(embedded_aws, str(role["Arn"]))


@pytest.fixture(scope="module")
def by_paths(site: Site) -> str:
    """A state machine whose input has the limits."""
    return site.machine(**LIMITS)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html: MaxConcurrencyPath, ToleratedFailurePercentagePath"
)
def test_limits_given_as_paths_are_those_of_the_map_run(site: Site, by_paths: str) -> None:
    execution = site.start(by_paths, items=["a", "b", "c"], at_once=2, tolerated=34)
    tokens = site.take(by_paths, 2)
    run = site.map_run(execution)
    assert (run["maxConcurrency"], run["toleratedFailurePercentage"]) == (2, 34)
    site.expect_counts(execution, running=2, pending=1, total=3)
    site.fail(tokens, "a")  # a third of them
    tokens |= site.take(by_paths, 1)
    site.succeed(tokens, "b", "c")
    eventually(lambda: site.status(execution) == "SUCCEEDED")
    site.expect_counts(execution, succeeded=2, failed=1, total=3)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html: the path must select a number between zero and 100"
)
@pytest.mark.parametrize("tolerated", [101, -1, "many", None])
def test_path_to_no_percentage_fails_the_execution(site: Site, by_paths: str, tolerated: object) -> None:
    execution = site.start(by_paths, items=["a"], at_once=1, tolerated=tolerated)
    eventually(lambda: site.status(execution) == "FAILED")
    assert site.client.describe_execution(executionArn=execution)["error"] == "States.Runtime"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/dg/maprun-fail-threshold.html: the Map Run fails when the threshold is exceeded; "
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_MapRunItemCounts.html: aborted are those that Step Functions stopped"
)
def test_exceeded_threshold_aborts_what_runs_and_what_is_pending(site: Site, by_paths: str) -> None:
    execution = site.start(by_paths, items=["a", "b", "c", "d"], at_once=2, tolerated=0)
    tokens = site.take(by_paths, 2)
    site.fail(tokens, "a")
    eventually(lambda: site.status(execution) == "FAILED")
    failed = site.client.describe_execution(executionArn=execution)
    assert failed["error"] == "States.ExceedToleratedFailureThreshold"
    assert failed["redriveStatus"] == "REDRIVABLE"
    assert site.map_run(execution)["status"] == "FAILED"
    site.expect_counts(execution, failed=1, aborted=3, total=4)
    assert site.children(execution) == {"FAILED": 1, "ABORTED": 1}
    site.succeed(tokens, "b")  # who worked for it did not notice
    assert site.children(execution) == {"FAILED": 1, "ABORTED": 1}


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html: the same Map Run; children that succeeded do not run again"
)
def test_redriven_execution_goes_on_with_its_map_run(site: Site, by_paths: str) -> None:
    execution = site.start(by_paths, items=["a", "b", "c", "d"], at_once=2, tolerated=0)
    tokens = site.take(by_paths, 2)
    site.succeed(tokens, "a")
    tokens |= site.take(by_paths, 1)
    site.fail(tokens, "b")
    eventually(lambda: site.status(execution) == "FAILED")
    before = site.map_run(execution)

    site.client.redrive_execution(executionArn=execution)
    described = site.client.describe_execution(executionArn=execution)
    assert (described["status"], described["redriveCount"]) == ("RUNNING", 1)
    assert described["redriveDate"] > described["startDate"]
    again = site.take(by_paths, 2)
    assert set(again) == {"b", "c"}
    site.succeed(again, "b", "c")
    site.succeed(site.take(by_paths, 1), "d")
    eventually(lambda: site.status(execution) == "SUCCEEDED")
    output = json.loads(site.client.describe_execution(executionArn=execution)["output"])
    assert output == ["did a", "did b", "did c", "did d"]
    after = site.map_run(execution)
    assert (after["mapRunArn"], after["redriveCount"]) == (before["mapRunArn"], 1)
    site.expect_counts(execution, succeeded=4, total=4)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html: ExecutionNotRedrivable, of what succeeded or runs"
)
def test_running_execution_is_not_redrivable(site: Site, by_paths: str) -> None:
    execution = site.start(by_paths, items=["a"], at_once=1, tolerated=0)
    tokens = site.take(by_paths, 1)
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        site.client.redrive_execution(executionArn=execution)
    site.succeed(tokens, "a")
    eventually(lambda: site.status(execution) == "SUCCEEDED")
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        site.client.redrive_execution(executionArn=execution)
    assert site.client.describe_execution(executionArn=execution)["redriveStatus"] == "NOT_REDRIVABLE"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html; https://docs.aws.amazon.com/step-functions/latest/apireference/API_MapRunItemCounts.html: aborted, stopped by the user"
)
def test_stopped_execution_aborts_its_map_run_and_can_be_redriven(site: Site, by_paths: str) -> None:
    execution = site.start(by_paths, items=["a", "b"], at_once=1, tolerated=0)
    site.take(by_paths, 1)
    site.client.stop_execution(executionArn=execution)
    assert site.status(execution) == "ABORTED"
    eventually(lambda: site.map_run(execution)["status"] == "ABORTED")
    site.expect_counts(execution, aborted=2, total=2)
    site.client.redrive_execution(executionArn=execution)
    site.succeed(site.take(by_paths, 1), "a")
    site.succeed(site.take(by_paths, 1), "b")
    eventually(lambda: site.status(execution) == "SUCCEEDED")


@pytest.mark.aws("https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateMapRun.html")
def test_limits_of_a_map_run_in_progress_are_changed(site: Site) -> None:
    machine = site.machine(MaxConcurrency=1)
    execution = site.start(machine, items=["a", "b", "c"])
    tokens = site.take(machine, 1)
    arn = site.map_run(execution)["mapRunArn"]
    site.client.update_map_run(mapRunArn=arn, maxConcurrency=3, toleratedFailureCount=1)
    tokens |= site.take(machine, 2)
    site.expect_counts(execution, running=3, total=3)
    site.fail(tokens, "a")
    site.succeed(tokens, "b", "c")
    eventually(lambda: site.status(execution) == "SUCCEEDED")
    run = site.map_run(execution)
    assert (run["maxConcurrency"], run["toleratedFailureCount"]) == (3, 1)
    with pytest.raises(ClientError, match="ValidationException"):
        site.client.update_map_run(mapRunArn=arn, maxConcurrency=1)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        site.client.update_map_run(mapRunArn=f"{arn}0", maxConcurrency=1)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: idempotent for STANDARD workflows"
)
def test_running_execution_is_the_answer_to_the_same_start(site: Site, by_paths: str) -> None:
    given = {"items": ["a"], "at_once": 1, "tolerated": 0}
    same = {"stateMachineArn": by_paths, "name": uuid.uuid4().hex, "input": json.dumps(given)}
    first = site.client.start_execution(**same)
    second = site.client.start_execution(**same)
    assert (second["executionArn"], second["startDate"]) == (first["executionArn"], first["startDate"])
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        site.client.start_execution(**{**same, "input": "{}"})
    site.succeed(site.take(by_paths, 1), "a")
    eventually(lambda: site.status(first["executionArn"]) == "SUCCEEDED")
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        site.client.start_execution(**same)

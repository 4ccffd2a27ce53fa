"""The executions of one run: RUN, and RUN-2, RUN-3 ... where an earlier one could not be redriven.

Step Functions keeps a name for 90 days after its execution has ended, and StartExecution with the same name and input
is idempotent while it runs (StartExecution in the API reference).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import PROVISION, AwsError, Hint, Missing, NotFound, PermissionDenied
from whatschat_ops.quotas import MAX_MAP_CHILDREN
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.state_machine import StateMachine, execution_arn
from whatschat_ops.stack.parts.state_machine import MAP_LABEL

NOT_REDRIVABLE: Final = ("ExecutionNotRedrivable", "InvalidAction", "UnknownOperationException")
"""The second and third are an emulator's, which does not know the operation."""
_ABSENT: Final = ("ExecutionDoesNotExist", "StateMachineDoesNotExist")


class ExecutionStatus(StrEnum):
    """Where an execution is (DescribeExecution in the API reference)."""

    RUNNING = "RUNNING"
    PENDING_REDRIVE = "PENDING_REDRIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution. `number` counts those of the run from 1; `why` is the error and cause of a failed one."""

    number: int
    arn: str
    status: ExecutionStatus
    why: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.status in (ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE)

    @property
    def is_too_many_failures(self) -> bool:
        """Whether it ended because more of its shards failed than are tolerated."""
        return self.why.startswith("States.ExceedToleratedFailureThreshold")


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """The shards of an execution as DescribeMapRun counts them."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """`12 of 40 shards done, 10 running, 0 failed`; empty while there are none."""
        total = self.pending + self.running + self.succeeded + self.failed
        done = f"{self.succeeded:,} of {total:,} shards done"
        return f"{done}, {self.running:,} running, {self.failed:,} failed" if total else ""


@dataclass(frozen=True, slots=True)
class DeployedMachine:
    """What a state machine does: shards at once (its MaxConcurrency), and the bucket that it reads them from."""

    workers: int
    bucket: str


class Executions:
    """The executions of the run `run_id`, on the state machine of the stack of `settings`."""

    def __init__(self, settings: Settings, aws: Aws, run_id: str) -> None:
        self._client = aws.client("stepfunctions")
        self._place = Place(aws.region, aws.account_id)
        self._machine = Names(settings).broadcast_state_machine
        self.worker_role = Names(settings).broadcast_worker_role
        self._run_id = run_id

    def latest(self) -> Execution | None:
        """The newest execution, or None when there is none."""
        found, number = None, 1
        while (execution := self._describe(number)) is not None:
            found, number = execution, number + 1
        return found

    def workers(self) -> int:
        """How many shards the state machine works on at once. Raises NotFound when there is no state machine."""
        return self.machine().workers

    def machine(self) -> DeployedMachine:
        """The state machine as it was provisioned, which may have been with other settings. Raises NotFound."""
        with self._explaining_absence():
            found = self._client.describe_state_machine(
                stateMachineArn=StateMachine.arn.of(self._place, self._machine)
            )
        shards = json.loads(found["definition"])["States"][MAP_LABEL]
        workers = int(shards.get("MaxConcurrency", 0)) or MAX_MAP_CHILDREN
        return DeployedMachine(workers, shards["ItemReader"]["Parameters"]["Bucket"])

    def start(self, number: int, shards_key: str) -> Execution:
        """Start the execution with this number. Raises NotFound when there is no state machine."""
        with self._explaining_absence():
            answer = self._client.start_execution(
                stateMachineArn=StateMachine.arn.of(self._place, self._machine),
                name=self._name(number),
                input=json.dumps({"shards": shards_key}),
            )
        return Execution(number, answer["executionArn"], ExecutionStatus.RUNNING)

    @contextmanager
    def _explaining_absence(self) -> Iterator[None]:
        try:
            yield
        except AwsError as error:
            if error.aws_code != "StateMachineDoesNotExist":
                raise
            raise NotFound(
                f"There is no state machine {self._machine}: distributed broadcasts are not provisioned.",
                hint=Hint(PROVISION.argv, "Set broadcast.distributed.enabled to true, then"),
            ) from error

    def redrive(self, execution: Execution) -> bool:
        """Run its failed shards again; False when Step Functions cannot."""
        try:
            self._client.redrive_execution(executionArn=execution.arn)
        except AwsError as error:
            if error.aws_code not in NOT_REDRIVABLE:
                raise
            return False
        return True

    def refreshed(self, execution: Execution) -> Execution:
        """The same execution as it is now. Raises Missing when Step Functions does not know it any more."""
        found = self._describe(execution.number)
        if found is None:
            raise Missing(f"The execution {execution.arn} does not exist any more.")
        return found

    def shards(self, execution: Execution) -> ShardCounts:
        """How its shards stand; all zero while the Map Run has not begun."""
        run = self._map_run(execution)
        if run is None:
            return ShardCounts()
        counts = self._client.describe_map_run(mapRunArn=run)["itemCounts"]
        return ShardCounts(
            pending=counts["pending"],
            running=counts["running"],
            succeeded=counts["succeeded"],
            failed=counts["failed"] + counts["timedOut"] + counts["aborted"],
        )

    def why(self, execution: Execution) -> tuple[str, str]:
        """Why an execution failed, or shards of it: the error and cause of a shard, or of the execution itself."""
        run = self._map_run(execution)
        if run is None or not (
            execution.is_too_many_failures or execution.status is ExecutionStatus.SUCCEEDED
        ):
            return "", execution.why
        try:
            return self._why_of_a_shard(run) or ("", execution.why)
        except PermissionDenied as refused:  # that must not hide that the run failed
            return "", f"{execution.why} (why may not be read: {refused.message})"

    def _why_of_a_shard(self, map_run: str) -> tuple[str, str] | None:
        failed = self._client.list_executions(mapRunArn=map_run, statusFilter="FAILED", maxResults=1)
        for child in failed["executions"]:
            found = self._client.describe_execution(executionArn=child["executionArn"])
            return str(found.get("error", "")), _cause(found)
        return None

    def _name(self, number: int) -> str:
        return self._run_id if number == 1 else f"{self._run_id}-{number}"

    def _describe(self, number: int) -> Execution | None:
        arn = execution_arn(self._place, self._machine, self._name(number))
        try:
            found = self._client.describe_execution(executionArn=arn)
        except AwsError as error:
            if error.aws_code in _ABSENT:
                return None
            raise
        why = f"{found.get('error', '')} {_cause(found)}".strip()
        return Execution(number, arn, ExecutionStatus(found["status"]), why)

    def _map_run(self, execution: Execution) -> str | None:
        found = self._client.list_map_runs(executionArn=execution.arn)["mapRuns"]
        newest = max(found, key=lambda run: run["startDate"], default=None)
        return str(newest["mapRunArn"]) if newest else None


def _cause(found: Mapping[str, Any]) -> str:
    """The message: a function's failure is JSON with `errorMessage`."""
    text = str(found.get("cause", ""))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return str(document.get("errorMessage", text)) if isinstance(document, dict) else text

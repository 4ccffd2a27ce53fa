"""The executions of one run: RUN, and RUN-2, RUN-3 ... where an earlier one could not be redriven.

Step Functions keeps a name for 90 days after its execution has ended, and StartExecution with the same name and input
is idempotent while it runs. DescribeExecution is eventually consistent (both: API reference): an execution that was just started may
not exist yet, one that was just redriven may still have failed. What is known to have been done is believed for SETTLE_S.

DescribeMapRun and ListMapRuns refill at one a second in an account (Step Functions Developer Guide, "Service quotas"), for everyone
who follows a broadcast: so they are rarely asked, and no answer of theirs is needed.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.distributed.execution import (
    DeployedMachine,
    Execution,
    ExecutionStatus,
    ShardCounts,
    cause,
    execution_of,
    machine_of,
)
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import (
    PROVISION,
    AwsError,
    Hint,
    Missing,
    NotFound,
    PermissionDenied,
    Throttled,
    Unavailable,
)
from whatschat_ops.quotas import MAX_MAP_CHILDREN
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.state_machine import StateMachine, execution_arn
from whatschat_ops.stack.parts.state_machine import MAP_LABEL, execution_input

__all__ = ["Execution", "ExecutionStatus", "Executions", "ShardCounts"]

NOT_REDRIVABLE: Final = ("ExecutionNotRedrivable", "InvalidAction", "UnknownOperationException")
"""The second and third are an emulator's, which does not know the operation."""
SETTLE_S: Final = 60.0
"""For so long after a start or a redrive, an answer that does not know of it is an old one. AWS says no number."""
SOON_S: Final = 20.0
"""An execution is asked for every second at first, so that a short broadcast ends soon."""
ASK_S: Final = (5.0, 10.0)
"""Then every so many seconds, and its Map Run from the beginning: at random, so that several commands do not ask together."""
LOOK_S: Final = 1.0
_ABSENT: Final = ("ExecutionDoesNotExist", "StateMachineDoesNotExist")


@dataclass(frozen=True, slots=True)
class _Expected:
    """What was done to an execution: until `until_s`, an answer with fewer redrives is an old one."""

    since_s: float
    redrives: int


class Executions:
    """The executions of the run `run_id`, on the state machine of the stack of `settings`."""

    def __init__(
        self,
        settings: Settings,
        aws: Aws,
        run_id: str,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = aws.client("stepfunctions")
        self._place = Place(aws.region, aws.account_id)
        self._machine = Names(settings).broadcast_state_machine
        self.worker_role = Names(settings).broadcast_worker_role
        self._settings = settings.broadcast.distributed
        self._run_id = run_id
        self._clock_s = clock_s
        self._sleep = sleep
        self._expected: dict[int, _Expected] = {}
        self._map_runs: dict[str, str] = {}
        self._counts = ShardCounts()
        self._next_s = {"execution": 0.0, "map run": 0.0}

    def latest(self) -> Execution | None:
        """The newest execution, or None when there is none."""
        found, number = None, 1
        while (execution := self._described(number)) is not None:
            found, number = execution, number + 1
        return found

    def workers(self) -> int:
        """How many shards an execution works on at once. Raises NotFound when there is no state machine."""
        fixed = self.machine().workers
        return self._settings.workers if fixed is None else fixed or MAX_MAP_CHILDREN

    def machine(self) -> DeployedMachine:
        """The state machine as it was provisioned, which may have been with other settings. Raises NotFound."""
        with self._explaining_absence():
            found = self._client.describe_state_machine(
                stateMachineArn=StateMachine.arn.of(self._place, self._machine)
            )
        return machine_of(found["definition"], MAP_LABEL)

    def start(self, number: int, shards_key: str) -> Execution:
        """Start the execution with this number, unless it was started before. Raises NotFound when there is no state machine."""
        tolerated = ceil(self._settings.tolerated_failure_percentage)
        given = execution_input(shards_key, self._settings.workers, tolerated)
        with self._explaining_absence():
            try:
                self._client.start_execution(
                    stateMachineArn=StateMachine.arn.of(self._place, self._machine),
                    name=self._name(number),
                    input=json.dumps(given),
                )
            except AwsError as error:
                if error.aws_code != "ExecutionAlreadyExists":
                    raise
        self._expect(number, 0)
        return Execution(number, self._arn(number), ExecutionStatus.RUNNING)

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
        """Run again what did not succeed; True too when another process has just done so. False when Step Functions cannot."""
        try:
            self._client.redrive_execution(executionArn=execution.arn)
        except AwsError as error:
            if error.aws_code not in NOT_REDRIVABLE:
                raise
            if error.aws_code != NOT_REDRIVABLE[0] or not self._goes_on_after_all(execution):
                return False
        self._expect(execution.number, execution.redrives + 1)
        return True

    def _expect(self, number: int, redrives: int) -> None:
        self._expected[number] = _Expected(self._clock_s(), redrives)
        self._next_s = {"execution": 0.0, "map run": 0.0}

    def _goes_on_after_all(self, execution: Execution) -> bool:
        """Wait for an answer that is newer than `execution`, which says that it can be redriven, though it cannot."""
        until_s = self._clock_s() + SETTLE_S
        while execution.may_redrive and self._clock_s() < until_s:
            found = self._described(execution.number)
            if found is not None and (found.is_running or found.redrives > execution.redrives):
                return True
            if found is None or not found.may_redrive:
                return False
            self._sleep(LOOK_S)
        return False

    def refreshed(self, execution: Execution) -> Execution:
        """The same execution as it is now, or as it was a few seconds ago. A call that fails for the moment changes nothing.

        Raises Missing when Step Functions does not know it any more.
        """
        found: Execution | None = execution
        if self._is_due("execution", execution.number):
            with suppress(Throttled, Unavailable):
                found = self._described(execution.number)
        if self._is_old(found, self._expected.get(execution.number)):
            return replace(execution, status=ExecutionStatus.RUNNING, why="")
        if found is None:
            raise Missing(f"The execution {execution.arn} does not exist any more.")
        return found

    def _is_old(self, found: Execution | None, expected: _Expected | None) -> bool:
        """Whether an answer does not know yet what was done."""
        if expected is None or self._clock_s() >= expected.since_s + SETTLE_S:
            return False
        return found is None or (found.redrives < expected.redrives and not found.is_running)

    def _is_due(self, what: str, number: int) -> bool:
        """Whether it is time to ask again; the next time is set then."""
        now_s = self._clock_s()
        if now_s < self._next_s[what]:
            return False
        expected = self._expected.get(number)
        soon = what == "execution" and expected is not None and now_s < expected.since_s + SOON_S
        self._next_s[what] = now_s + (LOOK_S if soon else random.uniform(*ASK_S))
        return True

    def shards(self, execution: Execution) -> ShardCounts:
        """How its shards stood when last asked; all zero while the Map Run has not begun. No answer is no failure."""
        if not self._is_due("map run", execution.number):
            return self._counts
        with suppress(AwsError):
            if (run := self._map_run(execution)) is not None:
                counts = self._client.describe_map_run(mapRunArn=run)["itemCounts"]
                self._counts = ShardCounts(
                    pending=counts["pending"],
                    running=counts["running"],
                    succeeded=counts["succeeded"],
                    failed=counts["failed"] + counts["timedOut"] + counts["aborted"],
                )
        return self._counts

    def set_workers(self, execution: Execution, workers: int) -> None:
        """Change how many shards it works on at once, while it runs. Raises AwsError."""
        if (run := self._map_run(execution)) is not None:
            self._client.update_map_run(mapRunArn=run, maxConcurrency=workers)

    def stop(self, number: int) -> None:
        """End an execution, unless it has ended. Workers that run go on: they heed the control object. Raises AwsError."""
        try:
            self._client.stop_execution(executionArn=self._arn(number))
        except AwsError as error:
            if error.aws_code not in ("ValidationException", *_ABSENT):
                raise

    def why(self, execution: Execution) -> tuple[str, str]:
        """Why an execution failed, or shards of it: the error and cause of a shard, or of the execution itself."""
        if not (execution.is_too_many_failures or execution.status is ExecutionStatus.SUCCEEDED):
            return "", execution.why
        try:
            run = self._map_run(execution)
            return (run and self._why_of_a_shard(run)) or ("", execution.why)
        except (
            PermissionDenied,
            Throttled,
            Unavailable,
        ) as refused:  # that must not hide that the run failed
            return "", f"{execution.why} (why may not be read: {refused.message})"

    def _why_of_a_shard(self, map_run: str) -> tuple[str, str] | None:
        failed = self._client.list_executions(mapRunArn=map_run, statusFilter="FAILED", maxResults=1)
        for child in failed["executions"]:
            found = self._client.describe_execution(executionArn=child["executionArn"])
            return str(found.get("error", "")), cause(found)
        return None

    def _name(self, number: int) -> str:
        return self._run_id if number == 1 else f"{self._run_id}-{number}"

    def _arn(self, number: int) -> str:
        return execution_arn(self._place, self._machine, self._name(number))

    def _described(self, number: int) -> Execution | None:
        try:
            found = self._client.describe_execution(executionArn=self._arn(number))
        except AwsError as error:
            if error.aws_code in _ABSENT:
                return None
            raise
        return execution_of(number, found)

    def _map_run(self, execution: Execution) -> str | None:
        """The ARN of its Map Run, which is the same after a redrive."""
        if execution.arn not in self._map_runs:
            found = self._client.list_map_runs(executionArn=execution.arn)["mapRuns"]
            if not found:
                return None
            self._map_runs[execution.arn] = str(max(found, key=lambda run: run["startDate"])["mapRunArn"])
        return self._map_runs[execution.arn]

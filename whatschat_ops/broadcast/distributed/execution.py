"""One execution of a run, its shards, and the state machine that runs it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
    """One execution. `number` counts those of the run from 1; `why` is the error and cause of a failed one, `redrives` how often
    it was redriven, `may_redrive` whether Step Functions says that it can be."""

    number: int
    arn: str
    status: ExecutionStatus
    why: str = ""
    redrives: int = 0
    may_redrive: bool = True

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
    """What a state machine does: the bucket that it reads shards from, and how many at once; None: what the input says."""

    workers: int | None
    bucket: str


def machine_of(definition: str, map_label: str) -> DeployedMachine:
    """What a state machine with this definition does."""
    shards = json.loads(definition)["States"][map_label]
    fixed = None if "MaxConcurrencyPath" in shards else int(shards.get("MaxConcurrency", 0))
    return DeployedMachine(fixed, shards["ItemReader"]["Parameters"]["Bucket"])


def execution_of(number: int, found: Mapping[str, Any]) -> Execution:
    """As DescribeExecution describes it."""
    return Execution(
        number,
        found["executionArn"],
        ExecutionStatus(found["status"]),
        why=f"{found.get('error', '')} {cause(found)}".strip(),
        redrives=int(found.get("redriveCount", 0)),
        may_redrive=found.get("redriveStatus", "REDRIVABLE") == "REDRIVABLE",
    )


def cause(found: Mapping[str, Any]) -> str:
    """The message: a function's failure is JSON with `errorMessage`."""
    text = str(found.get("cause", ""))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return str(document.get("errorMessage", text)) if isinstance(document, dict) else text

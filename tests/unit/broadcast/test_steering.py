"""Stop and other workers of a run in a bucket in memory, whose workers go on writing while the clock moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.worker.shard_fakes import Bucket
from whatschat_ops.broadcast.distributed.executions import Execution, ExecutionStatus
from whatschat_ops.broadcast.distributed.steering import QUIET_S, WAIT_S, Steering
from whatschat_ops.errors import Missing
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import SEGMENT, Keys, Shard, list_bytes
from whatschat_ops.worker.parts import Part, Totals

RUN = "20261123-101502-7f3a"
KEYS = Keys(RUN)
CONTROL = Control(rate_per_s=1_000.0, burst=500, workers=10, shards=2)


@dataclass
class Executions:
    """Remembers what it was told."""

    status: ExecutionStatus | None = ExecutionStatus.RUNNING
    told: list[tuple[str, int]] = field(default_factory=list)
    while_telling: Callable[[], None] = lambda: None

    def latest(self) -> Execution | None:
        return None if self.status is None else Execution(1, "arn:1", self.status)

    def stop(self, number: int) -> None:
        self.while_telling()
        self.told.append(("stop", number))

    def set_workers(self, execution: Execution, workers: int) -> None:
        self.while_telling()
        self.told.append((execution.arn, workers))


@dataclass
class Run:
    """Two shards of which one is finished. `writes` are parts of the other one that appear, one a second."""

    bucket: Bucket = field(default_factory=Bucket)
    executions: Executions = field(default_factory=Executions)
    writes: list[Part] = field(default_factory=list)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        shards = [Shard(RUN, number, SEGMENT, segment=number - 1, segments=2) for number in (1, 2)]
        self.bucket.put(KEYS.shard_list(1), list_bytes(shards))
        self.bucket.put(KEYS.control, CONTROL.to_bytes())
        self.bucket.put(KEYS.done(1), Totals(delivered=50, gone=5, attempts=55).to_bytes())

    @property
    def control(self) -> Control:
        return Control.from_bytes(self.bucket.get(KEYS.control))

    @property
    def steering(self) -> Steering:
        executions: Any = self.executions
        return Steering(self.bucket, executions, RUN, clock_s=lambda: self.now_s, sleep=self.pass_s)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        if self.writes:
            number = len(self.bucket.keys(KEYS.parts_of(2))) + 1
            self.bucket.put(KEYS.part(2, number), self.writes.pop(0).to_bytes())


def part(delivered: int, pending: int = 0) -> Part:
    return Part("one", pending=pending, totals=Totals(delivered=delivered, attempts=delivered))


def test_stop_is_written_before_step_functions_is_told() -> None:
    run, seen = Run(), list[bool]()
    run.executions.while_telling = lambda: seen.append(run.control.stop)
    run.steering.stop()
    assert (seen, run.executions.told) == ([True], [("stop", 1)])
    assert run.control == Control(1_000.0, 500, 10, 2, stop=True)


def test_other_rate_changes_nothing_else() -> None:
    run = Run()
    run.steering.set_rate(40.0, 20)
    assert run.control == Control(40.0, 20, 10, 2)
    assert run.executions.told == []


def test_stop_counts_what_workers_write_after_it() -> None:
    run = Run(writes=[part(10, 40), part(20, 30), part(25, 7)])
    stopped = run.steering.stop()
    assert (stopped.delivered, stopped.gone, stopped.pending) == (75, 5, 7)
    assert stopped.ended and not stopped.finished
    assert 3 + QUIET_S <= run.now_s <= 4 + QUIET_S


def test_stop_waits_for_nothing_when_all_is_finished() -> None:
    run = Run()
    run.bucket.put(KEYS.done(2), Totals(delivered=1).to_bytes())
    stopped = run.steering.stop()
    assert (stopped.delivered, stopped.ended, run.now_s) == (51, True, 0.0)
    assert stopped.finished


def test_stop_of_workers_that_go_on_says_so() -> None:
    run = Run(writes=[part(number) for number in range(1, 100)])
    stopped = run.steering.stop()
    assert (stopped.ended, run.now_s) == (False, WAIT_S)


def test_stop_of_a_run_that_is_not_there_is_missing() -> None:
    run = Run()
    del run.bucket.objects[KEYS.control]
    with pytest.raises(Missing, match=RUN):
        run.steering.stop()


@pytest.mark.parametrize(
    ("status", "wanted", "told", "divided_by", "at_once"),
    [
        (ExecutionStatus.RUNNING, 40, [("arn:1", 40)], 40, True),
        (ExecutionStatus.RUNNING, 4, [("arn:1", 4)], 10, False),
        (ExecutionStatus.FAILED, 4, [], 4, True),
        (None, 40, [], 40, True),
    ],
)
def test_workers_are_changed_where_the_rate_is_divided_and_where_they_are_begun(
    status: ExecutionStatus | None, wanted: int, told: list[Any], divided_by: int, at_once: bool
) -> None:
    run = Run(executions=Executions(status))
    assert run.steering.set_workers(wanted) is at_once
    assert (run.executions.told, run.control.workers) == (told, divided_by)


def test_rate_is_divided_among_more_before_more_are_begun() -> None:
    run, seen = Run(), list[int]()
    run.executions.while_telling = lambda: seen.append(run.control.workers)
    run.steering.set_workers(40)
    assert seen == [40]


@pytest.mark.parametrize(
    ("status", "going_on"),
    [(ExecutionStatus.RUNNING, True), (ExecutionStatus.ABORTED, False), (None, True)],
)
def test_run_goes_on_while_its_execution_does(status: ExecutionStatus | None, going_on: bool) -> None:
    assert Run(executions=Executions(status)).steering.is_going_on() is going_on


def test_run_whose_execution_is_not_seen_does_not_go_on_when_it_is_finished_stopped_or_gone() -> None:
    finished, stopped, gone = (Run(executions=Executions(None)) for _ in range(3))
    finished.bucket.put(KEYS.done(2), Totals(delivered=1).to_bytes())
    stopped.steering.stop()
    gone.bucket.objects.clear()
    assert not any(run.steering.is_going_on() for run in (finished, stopped, gone))

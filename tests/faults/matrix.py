"""Every recorded call times every fault: the cases, their runs and their verdicts.

A case is one run of an operation with one fault, then (unless it said it was done) the same command again without a
fault. After that nothing may be left to do, what is there must equal what an undisturbed run leaves, and other
owners' resources must be what they were.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.faults.expected import expected, missing
from tests.faults.inventory import LOG_ROLE, Things
from tests.faults.proxy import Fault, Point
from tests.faults.world import Operation, World

WITH_EFFECT = frozenset({Fault.DROP_AFTER, Fault.KILL_AFTER})
"""Faults that differ from their `before` twin only where a call has an effect: a read is not faulted with them."""

TOLERATED = frozenset(
    {Fault.THROTTLE, Fault.ERROR_500, Fault.ERROR_503, Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.DELAY}
)
"""Faults of one call that botocore repeats: the run that meets one must itself succeed."""

NewWorld = Callable[[], World]


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One fault at one call of one operation."""

    operation: Operation
    point: Point
    fault: Fault

    def __str__(self) -> str:
        return f"{self.operation} {self.point} {self.fault}"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case. `problems` is empty when it held. `reached` is False if the call was not made this time."""

    case: Case
    reached: bool
    problems: tuple[str, ...]


@dataclass(slots=True)
class Baseline:
    """What an undisturbed cycle calls and leaves, by operation."""

    points: dict[Operation, list[Point]] = field(default_factory=dict)
    things: dict[Operation, Things] = field(default_factory=dict)


def record(world: World) -> Baseline:
    """One cycle without faults. Raises AssertionError when even that does not end as it should."""
    baseline = Baseline()
    for operation in Operation:
        _prepare(world, operation)
        ended, recording = world.run(operation)
        assert ended.code == 0, ended.output
        baseline.points[operation] = sorted(recording.points)
        baseline.things[operation] = world.ours()
        problems = _settled(world, operation)
        if operation is not Operation.DESTROY:
            problems += missing(expected(world.settings(operation)), baseline.things[operation])
        assert not problems, problems
        _finish(world, operation)
    return baseline


def all_cases(points: Mapping[Operation, Iterable[Point]]) -> list[Case]:
    """Every recorded call times every fault."""
    return sorted(
        Case(operation, point, fault)
        for operation, recorded in points.items()
        for point in recorded
        for fault in Fault
        if point.call.writes or fault not in WITH_EFFECT
    )


def sample(cases: Sequence[Case], size: int) -> list[Case]:
    """`size` cases, the same ones for the same cases, writes first: every operation and fault gets its share."""
    shuffled = Random("fault matrix").sample(sorted(cases), len(cases))
    groups: dict[tuple[Operation, Fault], list[Case]] = {}
    for case in sorted(shuffled, key=lambda case: not case.point.call.writes):
        groups.setdefault((case.operation, case.fault), []).append(case)
    chosen: list[Case] = []
    while len(chosen) < min(size, len(cases)):
        for group in groups.values():
            if group and len(chosen) < size:
                chosen.append(group.pop(0))
    return chosen


class Queue:
    """The cases that are still to run, shared by several worlds."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._lock = threading.Lock()
        self._cases: dict[Operation, list[Case]] = {operation: [] for operation in Operation}
        for case in cases:
            self._cases[case.operation].append(case)

    def take(self, operation: Operation) -> Case | None:
        """The next case of that operation."""
        with self._lock:
            return self._cases[operation].pop(0) if self._cases[operation] else None

    def clear(self) -> None:
        """Leave the rest: who works on the queue ends after the case that it is at."""
        with self._lock:
            for cases in self._cases.values():
                cases.clear()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(cases) for cases in self._cases.values())


def work(
    queue: Queue,
    new_world: NewWorld,
    report: Callable[[Result], None],
    *,
    world: World,
    baseline: Baseline,
    until: float = float("inf"),
) -> None:
    """Run cases until none is left or `until` (time.monotonic) has come. A world in which a case failed is left."""
    try:
        while len(queue) and time.monotonic() < until:
            for operation in Operation:
                result = run_case(world, operation, queue.take(operation), baseline)
                if result is not None:
                    report(result)
                if result is not None and result.problems:
                    world.close()
                    world = new_world()
                    baseline = record(world)
                    break
    finally:
        world.close()


def run_case(world: World, operation: Operation, case: Case | None, baseline: Baseline) -> Result | None:
    """Run the operation, with the case's fault if there is a case, and judge."""
    _prepare(world, operation)
    if case is None:
        ended, _ = world.run(operation)
        assert ended.code == 0, ended.output
        _finish(world, operation)
        return None
    ended, recording = world.run(operation, target=case.point, fault=case.fault)
    problems = []
    if "Traceback" in ended.output or "Something went wrong inside" in ended.output:
        problems.append(f"the faulted run does not fail cleanly: {ended.output[-600:]}")
    if ended.code != 0 and recording.fired and case.fault in TOLERATED:
        problems.append(f"the faulted run itself ends with {ended.code}: {ended.output[-600:]}")
    if ended.code != 0:
        again, _ = world.run(operation)
        if again.code != 0:
            problems.append(f"the next run fails with {again.code}: {again.output[-600:]}")
    problems += _settled(world, operation)
    problems += _differences(baseline.things[operation], world.ours())
    if not problems:
        _finish(world, operation)
    return Result(case, recording.fired, tuple(problems))


def _prepare(world: World, operation: Operation) -> None:
    if operation is Operation.UPDATE:
        world.drift()


def _finish(world: World, operation: Operation) -> None:
    if operation is Operation.DESTROY:
        world.forget_log_role()


def _settled(world: World, operation: Operation) -> list[str]:
    """What is wrong after the last run: something to do, something of ours left, something foreign changed."""
    problems = [] if world.foreign_is_untouched() else ["other owners' resources were changed"]
    if operation is Operation.DESTROY:
        left = [name for name in world.ours() if name != f"role {LOG_ROLE}"]
        return [*problems, *(f"destroy left {name}" for name in left)]
    planned = world.plan(operation)
    if planned.code != 0:
        problems.append(f"the plan is not empty: {_changes(planned.output)}")
    return problems


def _changes(output: str) -> str:
    try:
        steps = json.loads(output)["steps"]
    except (ValueError, KeyError):
        return output[-600:]
    changing = [step for step in steps if step["action"] != "no-op"]
    return json.dumps(
        [
            {key: step[key] for key in ("address", "action", "reason")}
            | {"changes": [(c["field"], c["old"], c["new"]) for c in step["changes"]]}
            for step in changing
        ]
    )[:600]


def _differences(expected: Things, found: Things) -> list[str]:
    problems = [f"missing: {name}" for name in expected if name not in found]
    problems += [f"surplus: {name}" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        for key in expected[name]:
            if expected[name][key] != found[name].get(key):
                problems.append(f"{name}: {key} is {found[name].get(key)}, not {expected[name][key]}")
    return problems

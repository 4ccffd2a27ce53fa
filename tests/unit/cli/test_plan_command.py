"""`plan --detailed-exitcode`: 0 for nothing to do, 3 for changes, a plan that is not possible among them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from tests.unit.provision.provision_fakes import OWNER, Box, World
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.stack.provision import plan as plan_command
from whatschat_ops.provision import Ownership, Plan, PlanReport, Resource, plan
from whatschat_ops.provision.report import report
from whatschat_ops.stack.stack import Stack


@dataclass
class PlannedStack:
    """A stack whose plan is known."""

    made: Plan

    def plan(self, **_: Any) -> Plan:
        return self.made

    def report(self, made: Plan) -> PlanReport:
        return report(made, OWNER)


class PlannedRun(Run):
    """A run of that stack."""

    made: Plan

    def stack(self, *, reading: bool = False) -> Stack:
        assert reading
        return cast(Stack, PlannedStack(self.made))


def exit_code(world: World, wanted: list[Resource]) -> int:
    run = PlannedRun()
    run.made = plan(wanted, {"box": Box(world)}, Ownership(OWNER))
    try:
        plan_command(run, detailed_exitcode=True)
    except typer.Exit as ended:
        return int(ended.exit_code)
    return 0


def box(owner: str, size: int) -> dict[str, Any]:
    return {"name": "a", "size": size, "tags": {"stack": owner}}


@pytest.mark.parametrize(
    ("there", "code"),
    [
        (box(OWNER, 1), 0),
        (box(OWNER, 2), 3),
        (None, 3),
        (box("whatschat-other", 1), 3),  # blocked, and nothing else
    ],
)
def test_exit_code_tells_whether_the_stack_is_as_wanted(
    there: dict[str, Any] | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world = World()
    if there is not None:
        world.things[("box", ("a",))] = {**there, "id": "1", "revision": 1}
    assert exit_code(world, [Resource("box", "a", box(OWNER, 1))]) == code

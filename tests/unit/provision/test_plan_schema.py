"""The JSON Schema of `plan --json`: what is written down is what is printed."""

from __future__ import annotations

import io
import json

import msgspec
import pytest

from tests.json_output.schemas import schema_of
from tests.unit.provision.provision_fakes import OWNER, World, box, kinds, slip
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.provision import Action, Ownership, PlanReport, Reference, apply, plan, report


def printed() -> str:
    """A plan with every action, as --json prints it."""
    world = World()
    there = [box("grown", size=1), box("painted", colour="red"), box("gone"), box("same")]
    apply(plan(there, kinds(world), Ownership(OWNER)), kinds(world), lambda event: None)
    world.things[("box", ("foreign",))] = {"name": "foreign", "id": "9", "revision": 1}
    wanted = [
        box("foreign"),
        box("grown", size=2, secret="hush"),
        box("painted", colour="blue"),
        box("same"),
        slip("new", Reference("box.painted", "id")),
    ]
    made = plan(wanted, kinds(world), Ownership(OWNER), unwanted=[box("gone")])
    stdout = io.StringIO()
    Output(as_json=True, stdout=stdout).result(report(made, OWNER), str)
    return stdout.getvalue()


def test_printed_plan_is_as_the_schema_says() -> None:
    found = msgspec.json.decode(printed(), type=PlanReport)
    assert {step.action for step in found.steps} == set(Action)
    assert [step.address for step in found.steps if step.hint] == ["box.foreign"]
    assert {step.address for step in found.steps if step.destructive} == {"box.painted", "box.gone"}


@pytest.mark.parametrize("break_", ["unknown key", "wrong action", "missing key"])
def test_anything_else_is_not(break_: str) -> None:
    document = json.loads(printed())
    step = document["steps"][0]
    if break_ == "unknown key":
        step["more"] = 1
    elif break_ == "wrong action":
        step["action"] = "explode"
    else:
        del step["id"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(document), type=PlanReport)


def test_every_field_is_described() -> None:
    schema = schema_of("plan")
    for name in ("ChangeReport", "StepReport", "PlanReport"):
        assert all("description" in field for field in schema["$defs"][name]["properties"].values())

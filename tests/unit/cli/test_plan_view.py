"""A plan and a status as a person reads them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console

from tests.unit.provision.provision_fakes import OWNER, World, box, kinds
from whatschat_ops.cli.stack.plan_view import render_plan, render_status, render_status_change
from whatschat_ops.cli.terminal.times import local_time
from whatschat_ops.provision import Ownership, Reference, Resource, apply, plan, report
from whatschat_ops.stack.status import StackStatus, changes_between, status_of


def world_with(*resources: Resource) -> World:
    world = World()
    # one after the other: ids are numbers in the order of creation
    for count in range(1, len(resources) + 1):
        apply(plan(resources[:count], kinds(world), Ownership(OWNER)), kinds(world), lambda event: None)
    return world


def lines(
    world: World, wanted: Iterable[Resource], unwanted: Iterable[Resource] = (), *, all_: bool = False
) -> list[str]:
    made = plan(wanted, kinds(world), Ownership(OWNER), unwanted=unwanted)
    return render_plan(report(made, OWNER), everything=all_).text(200, styled=False).splitlines()


def test_every_action_has_its_mark_and_changes_stand_below() -> None:
    world = world_with(box("grown", size=1), box("painted", colour="red"), box("gone"))
    wanted = [box("grown", size=2), box("painted", colour="blue"), box("new")]
    assert lines(world, wanted, [box("gone")]) == [
        "  ~ box.grown  box:1",
        "      size: 1 -> 2",
        "-/+ box.painted  box:2",
        "      because colour: paint does not come off",
        "      colour: red -> blue  (forces replacement)",
        "  + box.new",
        "  - box.gone  box:3",
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to delete.",
    ]


def test_blocked_step_says_why_and_what_to_run() -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, "size": 5}
    assert lines(world, [box("a", size=1), box("b")]) == [
        "  ! box.a  box:9",
        f"      because box:9 exists already and does not carry the tag of the stack {OWNER}",
        "      Try: Take it over with --adopt (it is tagged and changed to fit), or choose other names with prefix.",
        "  + box.b",
        "Plan: 1 to create, 1 blocked. While a step is blocked, provision changes nothing.",
    ]


def test_nothing_to_do_is_stated() -> None:
    assert lines(world_with(box("a")), [box("a")]) == ["No changes. Infrastructure is up to date."]


def test_only_the_differing_parts_of_a_value_are_shown() -> None:
    old = {"same": 1, "old": 2, "deep": [{"a": 1, "b": [1]}, "x"]}
    new = {"same": 1, "new": 3, "deep": [{"a": 2, "b": [1, 2]}, "x"]}
    shown = lines(world_with(box("a", link=old)), [box("a", link=new)])
    assert shown[1:-1] == [
        "      link.new: 3",
        "      link.deep[0].a: 1 -> 2",
        "      link.deep[0].b: [1] -> [1, 2]",
        "      link.old: 2 -> (none)",
    ]


def test_secrets_and_unknown_values_are_words() -> None:
    world = world_with(box("a", secret="hush", link="x"))
    shown = lines(world, [box("a", secret="hush-hush", link=Reference("box.b", "id")), box("b")])
    assert "      secret: (sensitive) -> (sensitive)" in shown
    assert "      link: x -> (known after apply)" in shown


def test_fields_of_a_creation_are_shown_on_demand() -> None:
    assert "      size: 1" in lines(World(), [box("a", size=1)], all_=True)
    assert "      size: 1" not in lines(World(), [box("a", size=1)])


def test_status_shows_state_identity_and_drift() -> None:
    world = world_with(box("good"), box("drifted", size=1))
    made = plan([box("good"), box("drifted", size=2), box("missing")], kinds(world), Ownership(OWNER))
    status = status_of(made, OWNER)
    assert (status.provisioned, status.in_sync) == (True, False)
    shown = io.StringIO()
    Console(file=shown, width=100).print(render_status(status))
    text = shown.getvalue()
    assert "box:2" in text and "size: 1 -> 2" in text
    assert "1 of 3 resources of whatschat-test are in sync." in text


def test_a_change_between_two_states_is_one_line() -> None:
    world = world_with(box("a", size=1), box("b"))

    def look(*wanted: Resource) -> StackStatus:
        return status_of(plan(wanted, kinds(world), Ownership(OWNER)), OWNER)

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    before = look(box("a", size=1), box("b"))
    assert changes_between(before, look(box("a", size=1), box("b")), at) == ()
    world.things[("box", ("a",))]["size"] = 7
    del world.things[("box", ("b",))]
    after = look(box("a", size=1), box("b"))
    assert [render_status_change(change) for change in changes_between(before, after, at)] == [
        f"{local_time(at)} box.a: in sync -> drifted (size: 7 -> 1)",
        f"{local_time(at)} box.b: in sync -> missing",
    ]
    nothing = StackStatus(OWNER, False, False, ())
    assert [change.old_state for change in changes_between(nothing, after, at)] == [None, None]

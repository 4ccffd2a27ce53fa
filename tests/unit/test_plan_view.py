"""A plan and a status as a person reads them."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console

from tests.unit.provision_fakes import OWNER, World, box, kinds
from whatschat_ops.cli.plan_view import render_plan, render_status
from whatschat_ops.provision import Ownership, Reference, Resource, apply, plan, report
from whatschat_ops.stack.status import status_of


def world_with(*resources: Resource) -> World:
    world = World()
    apply(plan(resources, kinds(world), Ownership(OWNER)), kinds(world), lambda event: None)
    return world


def lines(
    world: World, wanted: Iterable[Resource], unwanted: Iterable[Resource] = (), *, all_: bool = False
) -> list[str]:
    made = plan(wanted, kinds(world), Ownership(OWNER), unwanted=unwanted)
    return render_plan(report(made, OWNER), everything=all_).plain.splitlines()


def test_every_action_has_its_mark_and_changes_stand_below() -> None:
    world = world_with(box("grown", size=1), box("painted", colour="red"), box("gone"))
    wanted = [box("grown", size=2), box("painted", colour="blue"), box("new")]
    assert lines(world, wanted, [box("gone")]) == [
        "  ~ box.grown  box:1",
        "      size: 1 -> 2",
        "-/+ box.painted  box:2",
        "      because colour: paint does not come off",
        "      colour: red -> blue",
        "  + box.new",
        "  - box.gone  box:3",
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to delete.",
    ]


def test_nothing_to_do_is_said() -> None:
    assert lines(world_with(box("a")), [box("a")]) == ["No changes. Infrastructure is up to date."]


def test_only_the_differing_keys_of_a_dictionary_are_shown() -> None:
    world = world_with(box("a", link={"same": 1, "old": 2}))
    assert '      link: {"old": 2} -> {"new": 3}' in lines(world, [box("a", link={"same": 1, "new": 3})])


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

"""What must hold for every set of resources: convergence, order, and harmless death anywhere."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.provision.provision_fakes import OWNER, Killed, World, box, kinds, slip
from whatschat_ops.provision import Event, EventType, Ownership, Reference, Resource, apply, plan, text

OURS = Ownership(OWNER)


@st.composite
def stacks(draw: st.DrawFn, *, salt: int = 0) -> list[Resource]:
    """Boxes and slips (things in a box) that refer only to what comes before them."""
    resources: list[Resource] = []
    count = draw(st.integers(1, 7))
    for number in range(count):
        earlier = [r.address for r in resources if r.kind == "box"]
        refers = draw(st.booleans())
        target = draw(st.sampled_from(earlier)) if earlier and refers else None
        size = draw(st.integers(0, 2)) + salt
        inside = draw(st.booleans())
        after = frozenset(draw(st.sets(st.sampled_from([r.address for r in resources]))) if resources else ())
        if target and inside:
            resource = slip(str(number), Reference(target, "id"), size=size)
        else:
            output = draw(st.sampled_from(["id", "revision"]))
            link = text("to ", Reference(target, output)) if target else "none"
            resource = box(str(number), size=size, colour=draw(st.sampled_from(["red", "blue"])), link=link)
        resources.append(replace(resource, after=after))
    order: list[Resource] = draw(st.permutations(resources))
    return order


def names(resources: list[Resource]) -> set[str]:
    return {resource.address for resource in resources}


def converge(world: World, wanted: list[Resource], unwanted: list[Resource], concurrency: int = 4) -> None:
    apply(
        plan(wanted, kinds(world), OURS, unwanted=unwanted),
        kinds(world),
        lambda e: None,
        concurrency=concurrency,
    )


def stays_the_same(world: World, wanted: list[Resource], unwanted: list[Resource]) -> bool:
    return plan(wanted, kinds(world), OURS, unwanted=unwanted).changing == ()


@given(stacks())
def test_after_apply_the_plan_is_empty(wanted: list[Resource]) -> None:
    world = World()
    converge(world, wanted, [])
    # A link to `revision` is settled by the first run: creation makes revision 1.
    assert stays_the_same(world, wanted, [])


@given(stacks(), stacks(salt=1))
def test_from_any_stack_to_any_other(first: list[Resource], second: list[Resource]) -> None:
    world = World()
    converge(world, first, [])
    leaving = [resource for resource in first if resource.address not in names(second)]
    converge(world, second, leaving)
    assert stays_the_same(world, second, leaving)


@given(stacks())
def test_steps_start_after_those_they_need_have_ended(wanted: list[Resource]) -> None:
    world = World()
    events: list[Event] = []
    made = plan(wanted, kinds(world), OURS)
    apply(made, kinds(world), events.append)
    ended: set[str] = set()
    for event in events:
        if event.type is EventType.FINISHED:
            ended.add(event.step.address)
        else:
            assert event.step.resource.dependencies <= ended
    assert ended == names(wanted)


@given(stacks())
def test_plan_order_respects_dependencies_and_destroy_reverses_it(wanted: list[Resource]) -> None:
    world = World()
    made = plan(wanted, kinds(world), OURS)
    seen: set[str] = set()
    for step in made:
        assert step.after <= seen
        seen.add(step.address)
    converge(world, wanted, [])
    position = {step.address: n for n, step in enumerate(plan([], kinds(world), OURS, unwanted=wanted))}
    for resource in wanted:
        if resource.kind == "box":
            assert all(position[resource.address] < position[a] for a in resource.dependencies)


@given(stacks())
def test_destroy_leaves_nothing(wanted: list[Resource]) -> None:
    world = World()
    converge(world, wanted, [])
    converge(world, [], wanted)
    assert world.things == {}


@settings(max_examples=150)
@given(stacks(), stacks(salt=1), st.integers(0, 14), st.booleans(), st.sampled_from([1, 4]))
def test_killed_anywhere_the_next_run_finishes(
    first: list[Resource], second: list[Resource], at: int, after_effect: bool, concurrency: int
) -> None:
    world = World()
    converge(world, first, [])
    leaving = [resource for resource in first if resource.address not in names(second)]
    world.writes.clear()
    world.die_at, world.die_after_effect = at, after_effect
    with contextlib.suppress(Killed):
        converge(world, second, leaving, concurrency)
    world.die_at = None
    converge(world, second, leaving, concurrency)
    assert stays_the_same(world, second, leaving)
    converge(world, [], [*second, *leaving])
    assert world.things == {}


def test_kill_really_kills() -> None:
    world = World(die_at=0)
    with pytest.raises(Killed):
        converge(world, [box("a")], [])

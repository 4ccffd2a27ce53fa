"""The engine's decisions, on kinds that live in a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.provision.provision_fakes import OWNER, TAGS, Box, World, box, kinds, label, slip
from whatschat_ops.errors import (
    Blocked,
    Conflict,
    Hint,
    Interrupted,
    NotProvisioned,
    PartlyDone,
    PermissionDenied,
    Rejected,
)
from whatschat_ops.provision import (
    UNKNOWN,
    Action,
    Digest,
    Event,
    EventType,
    Live,
    Obstacle,
    Ownership,
    Plan,
    Reference,
    Resource,
    apply,
    contains,
    plan,
    report,
    text,
)

OURS = Ownership(OWNER)


def planned(world: World, resources: Iterable[Resource], **options: Any) -> Plan:
    return plan(resources, kinds(world), options.pop("ownership", OURS), **options)


def applied(world: World, resources: Iterable[Resource], **options: Any) -> list[Event]:
    events: list[Event] = []
    apply(planned(world, resources, **options), kinds(world), events.append)
    return events


def actions(made: Plan) -> dict[str, str]:
    return {step.address: step.action.value for step in made}


def test_nothing_there_plans_creates_and_writes_nothing() -> None:
    world = World()
    made = planned(world, [box("a", size=1)])
    assert actions(made) == {"box.a": "create"}
    assert world.writes == []
    assert [(c.field, c.old, c.new) for c in made.steps[0].changes] == [
        ("name", None, "a"),
        ("size", None, 1),
        ("tags", None, TAGS),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"name": "a", "colur": "red"},
            r"box\.a: wrong fields \(unknown: colur\)\. A box has name, size, colour",
        ),
        ({"size": 1}, r"box\.a: wrong fields \(missing: name\)"),
        ({"size": 1, "nmae": "a"}, r"unknown: nmae; missing: name"),
    ],
)
@pytest.mark.parametrize("role", ["wanted", "unwanted", "found"])
def test_field_that_the_kind_does_not_declare_is_a_programming_error(
    role: str, fields: dict[str, Any], message: str
) -> None:
    world, wrong = World(), Resource("box", "a", fields)
    with pytest.raises(TypeError, match=message):
        plan(
            [wrong] * (role == "wanted"),
            kinds(world),
            OURS,
            unwanted=[wrong] * (role == "unwanted"),
            search=lambda: [wrong] * (role == "found"),
        )
    assert world.reads == 0


def test_second_run_changes_nothing() -> None:
    world = World()
    applied(world, [box("a", size=1, payload=b"1")])
    world.writes.clear()
    made = planned(world, [box("a", size=1, payload=b"2")])
    assert actions(made) == {"box.a": "no-op"}
    assert applied(world, [box("a", size=1, payload=b"2")]) == []
    assert world.writes == []


def test_changed_field_updates_that_field_only() -> None:
    world = World()
    applied(world, [box("a", size=1, link="x")])
    made = planned(world, [box("a", size=2, link="x")])
    assert [(c.field, c.old, c.new) for c in made.steps[0].changes] == [("size", 1, 2)]
    applied(world, [box("a", size=2, link="x")])
    assert world.writes[-1] == "update box.a size"


def test_field_that_cannot_change_replaces_with_its_reason() -> None:
    world = World()
    applied(world, [box("a", colour="red")])
    made = planned(world, [box("a", colour="blue")])
    assert actions(made) == {"box.a": "replace"}
    assert made.steps[0].reason == "colour: paint does not come off"
    applied(world, [box("a", colour="blue")])
    assert world.writes[-2:] == ["delete box.a", "create box.a"]


def test_contents_of_a_replaced_container_are_created_again() -> None:
    world = World()
    resources = [box("a", colour="red"), slip("s", Reference("box.a", "id"), size=1)]
    applied(world, resources)
    after = [box("a", colour="blue"), resources[1]]
    assert actions(planned(world, after)) == {"box.a": "replace", "slip.s": "create"}
    applied(world, after)
    assert planned(world, after).changing == ()


def test_reference_is_unknown_until_its_target_exists_then_resolved() -> None:
    world = World()
    resources = [box("b", link=text("id=", Reference("box.a", "id"))), box("a")]
    made = planned(world, resources)
    assert [step.address for step in made] == ["box.a", "box.b"]
    assert next(c.new for c in made.steps[1].changes if c.field == "link") is UNKNOWN
    applied(world, resources)
    assert world.things[("box", ("b",))]["link"] == "id=1"


def test_volatile_output_of_an_update_is_unknown_and_stable_one_is_not() -> None:
    world = World()
    stable = box("stable", link=Reference("box.a", "id"))
    moving = box("moving", link=Reference("box.a", "revision"))
    applied(world, [box("a", size=1), stable, moving])
    made = planned(world, [box("a", size=2), stable, moving])
    assert actions(made) == {"box.a": "update", "box.stable": "no-op", "box.moving": "update"}
    applied(world, [box("a", size=2), stable, moving])
    assert world.things[("box", ("moving",))]["link"] == 2


def test_unknown_that_turns_out_equal_is_not_written() -> None:
    world = World()
    applied(world, [box("a", size=1), box("b", link=Reference("box.a", "revision"))])
    world.things[("box", ("b",))]["link"] = 2
    applied(world, [box("a", size=2), box("b", link=Reference("box.a", "revision"))])
    assert world.writes[-1] == "update box.a size"


def test_digest_follows_what_it_refers_to() -> None:
    world = World()
    resources = [box("a"), box("b", link=Digest({"routes": [Reference("box.a", "id")]}))]
    assert next(c.new for c in planned(world, resources).steps[1].changes if c.field == "link") is UNKNOWN
    applied(world, resources)
    assert planned(world, resources).changing == ()
    changed = [box("a"), box("b", link=Digest({"routes": [Reference("box.a", "id"), "more"]}))]
    assert actions(planned(world, changed))["box.b"] == "update"


def test_foreign_thing_blocks_the_plan_with_the_way_out() -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, "size": 5}
    made = planned(world, [box("a", size=1)])
    assert actions(made) == {"box.a": "blocked"}
    with pytest.raises(Blocked, match="does not carry the tag") as caught:
        apply(made, kinds(world), lambda event: None)
    assert "--adopt" in str(caught.value.hint)
    assert world.writes == []


def test_adopt_tags_what_has_no_owner() -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, "size": 1}
    applied(world, [box("a", size=1)], ownership=Ownership(OWNER, adopt=True))
    assert world.writes == ["update box.a tags"]
    assert planned(world, [box("a", size=1)]).changing == ()


def test_adopt_does_not_take_from_another_stack() -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, "tags": {"stack": "other"}}
    made = planned(world, [box("a")], ownership=Ownership(OWNER, adopt=True))
    with pytest.raises(Blocked, match="belongs to the stack other"):
        made.require_possible()


def test_unwanted_resources_are_deleted_in_reverse_with_their_fields() -> None:
    world = World()
    resources = [
        box("a", size=3),
        box("b", link=Reference("box.a", "id")),
        slip("s", Reference("box.a", "id")),
    ]
    applied(world, resources)
    made = planned(world, [], unwanted=resources)
    assert next(c.old for step in made for c in step.changes if c.field == "size") == 3
    world.writes.clear()
    apply(made, kinds(world), lambda event: None)
    assert world.writes[-1] == "delete box.a"
    assert sorted(world.writes[:-1]) == ["delete box.b", "delete slip.s"]
    assert world.things == {}


def test_what_goes_with_its_container_takes_no_call_and_counts_once_that_is_gone() -> None:
    world = World()
    a, inside = box("a"), label("l", Reference("box.a", "id"))
    user = box("user", after=("label.l",))  # uses the label, so it goes before the box that the label is on
    applied(world, [a, inside, user])
    world.writes.clear()
    events = applied(world, [], unwanted=[a, inside, user])
    assert world.writes == ["delete box.user", "delete box.a"] and not world.things
    assert [e.step.address for e in events if e.type is EventType.FINISHED] == [
        "box.user",
        "box.a",
        "label.l",
    ]


def test_two_containers_whose_contents_refer_to_each_other_are_deleted() -> None:
    world = World()
    a, b = box("a"), box("b", after=("box.a",))
    on_a = label("on-a", Reference("box.a", "id"), after=("label.on-b",))
    on_b = label("on-b", Reference("box.b", "id"))
    applied(world, [a, b, on_b, on_a])
    applied(world, [], unwanted=[a, b, on_b, on_a])
    assert not world.things


def test_what_would_go_with_a_container_that_is_wanted_is_deleted_itself() -> None:
    world = World()
    a, inside = box("a"), label("l", Reference("box.a", "id"))
    applied(world, [a, inside])
    box_id = next(iter(world.things.values()))["id"]
    world.writes.clear()
    applied(world, [a], unwanted=[label("l", box_id)])
    assert world.writes == ["delete label.l"]


def test_search_finds_more_that_is_unwanted() -> None:
    world = World()
    applied(world, [box("a"), box("old")])
    made = planned(world, [box("a")], search=lambda: [box("old")])
    assert actions(made) == {"box.a": "no-op", "box.old": "delete"}


def test_unwanted_waits_for_what_is_wanted() -> None:
    world = World()
    applied(world, [box("old"), box("user", link="old")])
    world.writes.clear()
    wanted, unwanted = [box("user", link="new")], [box("old")]
    (deletion,) = (step for step in planned(world, wanted, unwanted=unwanted) if step.address == "box.old")
    assert deletion.after == {"box.user"}
    applied(world, wanted, unwanted=unwanted)
    assert world.writes == ["update box.user link", "delete box.old"]


def test_resource_cannot_be_wanted_and_unwanted() -> None:
    with pytest.raises(ValueError, match=r"at once: box\.a"):
        planned(World(), [box("a")], unwanted=[box("a"), box("b")])


def test_destroy_leaves_foreign_and_shared_things() -> None:
    world = World()
    shared = Resource("shared", "s", {"name": "s", "tags": TAGS})
    applied(world, [shared])
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1}
    made = planned(world, [], unwanted=[box("a"), shared, box("absent")])
    assert {step.address: (step.kept, step.note) for step in made} == {
        "box.a": ("it does not carry our tag", None),
        "shared.s": ("everyone uses it", None),
        "box.absent": (None, "absent"),
    }
    world.writes.clear()
    apply(made, kinds(world), lambda event: None)
    assert world.writes == []


@pytest.mark.parametrize("wanted", [[], [box("a", colour="blue")]], ids=["destroy", "replace"])
def test_protected_thing_needs_delete_data(wanted: list[Resource]) -> None:
    world = World()
    applied(world, [box("a", colour="red")])
    world.things[("box", ("a",))]["locked"] = True
    unwanted = [] if wanted else [box("a")]
    with pytest.raises(Blocked, match="the lock is on") as caught:
        planned(world, wanted, unwanted=unwanted).require_possible()
    assert "--delete-data" in str(caught.value.hint)
    allowed = planned(world, wanted, unwanted=unwanted, ownership=Ownership(OWNER, delete_data=True))
    assert allowed.steps[0].action in (Action.DELETE, Action.REPLACE)


def test_failure_skips_dependents_and_finishes_the_rest() -> None:
    world = World(fail={"create box.bad": Rejected("no room")})
    resources = [
        box("bad"),
        box("needs-bad", after=("box.bad",)),
        box("needs-that", after=("box.needs-bad",)),
        box("fine"),
    ]
    with pytest.raises(PartlyDone, match=r"1 of 4 steps are done; 2 were skipped") as caught:
        applied(world, resources)
    assert "box.bad: no room" in caught.value.message
    assert world.writes == ["create box.fine"]


def test_failure_before_anything_is_done_is_that_failure() -> None:
    world = World(fail={"create box.bad": Rejected("no room")})
    with pytest.raises(Rejected, match="no room"):
        applied(world, [box("bad"), box("needs-bad", after=("box.bad",))])


def test_bug_in_a_kind_is_not_dressed_as_a_failure_of_aws() -> None:
    world = World(fail={"create box.bad": ValueError("a bug")})
    with pytest.raises(ValueError, match="a bug"):
        applied(world, [box("fine"), box("bad", after=("box.fine",))])


def test_stop_finishes_what_runs_and_starts_nothing_new() -> None:
    world = World()
    stop = threading.Event()
    made = planned(world, [box("a"), box("b", after=("box.a",))])

    def on_event(event: Event) -> None:
        if event.type is EventType.STARTED:
            stop.set()

    with pytest.raises(Interrupted, match="1 of 2 steps are done"):
        apply(made, kinds(world), on_event, stop=stop)
    assert world.writes == ["create box.a"]


class Meeting(Box):
    """Waits for others, and counts how many do so at once."""

    def __init__(self, world: World, others: int) -> None:
        super().__init__(world)
        self._together = threading.Barrier(others, timeout=60)

    def create(self, desired: Any) -> Any:
        with self.world.lock:
            self.world.running += 1
            self.world.most_running = max(self.world.most_running, self.world.running)
        self._together.wait()
        with self.world.lock:
            self.world.running -= 1
        return super().create(desired)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_independent_steps_run_at_once_up_to_the_limit(concurrency: int) -> None:
    world = World()
    meeting = {"box": Meeting(world, concurrency)}
    made = plan([box(str(n)) for n in range(6)], meeting, OURS)
    apply(made, meeting, lambda event: None, concurrency=concurrency)
    assert world.most_running == concurrency


def test_only_some_resources_are_planned_and_others_must_exist() -> None:
    world = World()
    resources = [box("a", size=1), box("b", link=Reference("box.a", "id")), box("c")]
    with pytest.raises(NotProvisioned, match=r"box.a does not exist yet, and box.b need it"):
        planned(world, resources, only={"box.b"})
    applied(world, resources[:1])
    drifted = [box("a", size=2), *resources[1:]]
    made = planned(world, drifted, only={"box.b"})
    assert actions(made) == {"box.b": "create"}
    apply(made, kinds(world), lambda event: None)
    assert world.things[("box", ("b",))]["link"] == "1"
    assert ("box", ("c",)) not in world.things


def test_report_hides_secrets_and_names_unknowns() -> None:
    world = World()
    applied(world, [box("s", secret="hush-1")])
    made = planned(world, [box("a"), box("s", secret="hush-2", link={"to": Reference("box.a", "id")})])
    shown = report(made, OWNER)
    assert "hush" not in repr(shown)
    changes = {
        change.field: change for step in shown.steps if step.address == "box.s" for change in step.changes
    }
    assert (changes["secret"].old, changes["secret"].new) == ("(sensitive)", "(sensitive)")
    assert changes["link"].new == {"to": "(known after apply)"}
    assert changes["link"].known_after_apply
    assert shown.summary["create"] == 1 and shown.summary["update"] == 1


def test_events_are_told_one_at_a_time_for_steps_that_write() -> None:
    world = World()
    events = applied(world, [box("a")])
    assert [event.type for event in events] == [EventType.STARTED, EventType.FINISHED]
    assert applied(world, [box("a")]) == []


def test_plan_is_a_value() -> None:
    made = planned(World(), [box("a")])
    assert replace(made) == made


def test_stop_holds_back_what_waits_for_a_free_worker() -> None:
    world = World()
    stop = threading.Event()
    made = planned(world, [box(str(n)) for n in range(5)])
    with pytest.raises(Interrupted, match="1 of 5 steps are done"):
        apply(made, kinds(world), lambda event: stop.set(), concurrency=1, stop=stop)
    assert len(world.writes) == 1


class Forgetful(Box):
    """Creates, but the answer is lost and the call repeated: what was made is in the way of itself."""

    def create(self, desired: Any) -> Any:
        super().create({**desired, "size": 0})
        raise Conflict("it exists already")


def test_create_whose_answer_was_lost_goes_on_from_what_is_there() -> None:
    world = World()
    forgetful = {"box": Forgetful(world)}
    apply(plan([box("a", size=3)], forgetful, OURS), forgetful, lambda event: None)
    assert world.writes == ["create box.a", "update box.a size"]
    assert planned(world, [box("a", size=3)]).changing == ()


def test_somebody_elses_that_appears_after_the_plan_is_not_touched() -> None:
    world = World(fail={"create box.a": Conflict("it exists already")})
    made = planned(world, [box("a", size=3)])
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, "size": 5}
    with pytest.raises(Conflict, match="exists already"):
        apply(made, kinds(world), lambda event: None)
    assert world.things[("box", ("a",))]["size"] == 5
    assert world.writes == []


class StubbornBox(Box):
    """Its size cannot change while the lid is on; a change of its link has an effect."""

    def obstacle(self, live: Live, changed: frozenset[str]) -> Obstacle | None:
        if "size" in changed and live.fields.get("link") == "lid":
            return Obstacle("the lid is on", Hint(text="Take off the lid."))
        return None

    def effect(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> str | None:
        return f"{live.fields.get('link')} is cut first" if "link" in changed else None


def test_change_that_cannot_be_made_now_is_blocked_with_the_reason() -> None:
    world = World()
    stubborn = {"box": StubbornBox(world)}
    apply(plan([box("a", size=1, link="lid")], stubborn, Ownership(OWNER)), stubborn, lambda event: None)
    (step,) = plan([box("a", size=2, link="lid")], stubborn, Ownership(OWNER))
    assert (step.action, step.reason, str(step.hint)) == (
        Action.BLOCKED,
        "the lid is on",
        "Take off the lid.",
    )
    assert [change.field for change in step.changes] == ["size"]
    (step,) = plan([box("a", size=1, link="bow")], stubborn, Ownership(OWNER))
    assert (step.action, step.note) == (Action.UPDATE, "lid is cut first")


def test_secret_of_something_that_is_deleted_is_marked_as_one() -> None:
    world = World()
    applied(world, [box("a", secret="hush")])
    (step,) = planned(world, [], unwanted=[box("a")])
    assert {change.field for change in step.changes if change.sensitive} == {"secret"}
    assert "hush" not in str(report(planned(world, [], unwanted=[box("a")]), OWNER))


def test_refused_read_is_an_error_and_never_means_that_nothing_is_there() -> None:
    class Refused(Box):
        """A kind whose reading is denied."""

        def read(self, identity: Mapping[str, Any]) -> Live | None:
            raise PermissionDenied("ReadBox: not authorized")

    with pytest.raises(PermissionDenied, match="ReadBox"):
        plan([box("a")], {"box": Refused(World())}, OURS)


@pytest.mark.parametrize("owner", [{}, {"tags": {"stack": "other"}}, {"tags": {"team": "theirs"}}])
def test_destroy_deletes_what_carries_our_tag_only(owner: dict[str, Any]) -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1, **owner}
    made = planned(world, [], unwanted=[box("a")], ownership=Ownership(OWNER, delete_data=True))
    assert [(step.action, step.kept) for step in made] == [(Action.NO_OP, "it does not carry our tag")]


def test_plan_with_blocked_steps_only_is_no_stack_as_wanted() -> None:
    world = World()
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1}
    assert report(planned(world, [box("a")]), OWNER).changes
    assert not report(planned(World(), []), OWNER).changes


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    world = World()
    applied(world, [box("b", link=Digest({"one": 1, "two": {"a": 1, "b": 2}}))])
    reordered = box("b", link=Digest({"two": {"b": 2, "a": 1}, "one": 1}))
    assert planned(world, [reordered]).changing == ()
    other = box("b", link=Digest({"one": 1, "two": {"a": 1, "b": 3}}))
    assert actions(planned(world, [other])) == {"box.b": "update"}


@pytest.mark.parametrize(
    ("live", "there"),
    [
        (TAGS, True),
        ({**TAGS, "team": "theirs"}, True),
        ({**TAGS, "stack": "other"}, False),
        ({"team": "theirs"}, False),
        (None, False),
    ],
)
def test_tags_of_others_may_stand_beside_ours_and_not_for_them(live: Any, there: bool) -> None:
    assert contains(live, TAGS) is there

"""Plans in files: the same world gives the same plan, anything else is refused, and no secret is in them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.provision.provision_fakes import OWNER, World, box, kinds, slip
from whatschat_ops.errors import Hint, OpsError, UsageError
from whatschat_ops.provision import (
    Digest,
    Ownership,
    Plan,
    Reference,
    Resource,
    apply,
    plan,
    text,
)
from whatschat_ops.provision import planfile as planfile_module
from whatschat_ops.provision.planfile import PlanOptions, load_plan, save_plan
from whatschat_ops.redaction import Secret

PLACE = "000000000000/us-east-1"
AGAIN = Hint(("plan", "--out", "p.json"))
SETTINGS = "digest-of-settings"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planfile_module, "PBKDF2_ITERATIONS", 10)


def planned(world: World, *wanted: Resource, unwanted: tuple[Resource, ...] = ()) -> Plan:
    return plan(wanted, kinds(world), Ownership(OWNER), unwanted=unwanted)


def saved(made: Plan, folder: Path) -> Path:
    save_plan(made, folder / "p.json", place=PLACE, options=PlanOptions(adopt=True, settings=SETTINGS))
    return folder / "p.json"


def example() -> tuple[Resource, ...]:
    return (
        box("a", size=1, payload=b"zip", secret=Secret("hush-hush")),
        slip("s", Reference("box.a", "id"), link=text("x", Reference("box.a", "id"))),
        box("d", link=Digest({"a": [Reference("box.a", "id")]}), after=("box.a",)),
    )


def test_unchanged_world_gives_the_saved_plan(tmp_path: Path) -> None:
    world = World()
    file = load_plan(saved(planned(world, *example()), tmp_path))
    assert file.options == PlanOptions(adopt=True, settings=SETTINGS)
    again = planned(world, *reversed(example()))
    file.require_same(again, PLACE, SETTINGS, AGAIN)
    apply(again, kinds(world), lambda event: None)
    file = load_plan(saved(planned(world, *example()), tmp_path))
    file.require_same(planned(world, *example()), PLACE, SETTINGS, AGAIN)


def test_nothing_is_left_to_do_of_what_was_applied(tmp_path: Path) -> None:
    world = World()
    made = planned(world, *example())
    file = load_plan(saved(made, tmp_path))
    assert file.require_same(made, PLACE, SETTINGS, AGAIN)
    apply(made, kinds(world), lambda event: None)
    assert not file.require_same(planned(world, *example()), PLACE, SETTINGS, AGAIN)


def test_half_of_it_that_is_left_is_another_plan(tmp_path: Path) -> None:
    world = World()
    made = planned(world, *example())
    file = load_plan(saved(made, tmp_path))
    apply(planned(world, example()[0]), kinds(world), lambda event: None)
    with pytest.raises(OpsError, match=r"stale: .* box.a") as caught:
        file.require_same(planned(world, *example()), PLACE, SETTINGS, AGAIN)
    assert caught.value.hint == AGAIN and caught.value.exit_code == 1


def test_plan_made_with_other_settings_says_with_which(tmp_path: Path) -> None:
    made, path = planned(World(), box("a")), tmp_path / "p.json"
    save_plan(
        made, path, place=PLACE, options=PlanOptions(settings="others", given={"--config": "/x/big.yaml"})
    )
    with pytest.raises(OpsError, match=r"made with other settings \(with --config /x/big.yaml, or"):
        load_plan(path).require_same(made, PLACE, SETTINGS, AGAIN)


def test_file_that_is_no_plan_is_not_overwritten(tmp_path: Path) -> None:
    settings_file = tmp_path / "production.yaml"
    settings_file.write_text("lambda: {memory_mb: 512}\n")
    with pytest.raises(UsageError, match="exists and is not a plan"):
        save_plan(planned(World(), box("a")), settings_file, place=PLACE, options=PlanOptions())
    assert settings_file.read_text() == "lambda: {memory_mb: 512}\n"


CHANGES: dict[str, dict[str, Any]] = {
    "setting": {"size": 2},
    "code that is not compared": {"payload": b"other zip"},
    "secret": {"secret": Secret("other")},
    "one more field": {"colour": "red"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
@pytest.mark.parametrize("applied", [False, True], ids=["create", "update"])
def test_other_wish_makes_it_stale(tmp_path: Path, change: dict[str, Any], applied: bool) -> None:
    world = World()
    wanted: dict[str, Any] = {"size": 1, "payload": b"zip", "secret": Secret("hush")}
    if applied:
        apply(planned(world, box("a", size=0)), kinds(world), lambda event: None)
    file = load_plan(saved(planned(world, box("a", **wanted)), tmp_path))
    with pytest.raises(OpsError, match="stale"):
        file.require_same(planned(world, box("a", **{**wanted, **change})), PLACE, SETTINGS, AGAIN)


def test_drift_since_then_makes_it_stale_though_the_plan_looks_the_same(tmp_path: Path) -> None:
    world = World()
    apply(planned(world, box("a", size=1, secret=Secret("one"))), kinds(world), lambda event: None)
    wanted = box("a", size=2, secret=Secret("three"))
    file = load_plan(saved(planned(world, wanted), tmp_path))
    world.things[("box", ("a",))]["secret"] = Secret("two")
    with pytest.raises(OpsError, match="that a plan does not show"):
        file.require_same(planned(world, wanted), PLACE, SETTINGS, AGAIN)


def test_plan_of_another_stack_or_place_is_refused(tmp_path: Path) -> None:
    made = planned(World(), box("a"))
    file = load_plan(saved(made, tmp_path))
    with pytest.raises(OpsError, match="not for whatschat-test in 000000000000/eu-west-1"):
        file.require_same(made, "000000000000/eu-west-1", SETTINGS, AGAIN)


@settings(max_examples=30, deadline=None)
@given(secret=st.text(min_size=8, alphabet=st.characters(codec="ascii", categories=["L", "N"])))
def test_file_holds_no_secret(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    secret = f"S3cr3t{secret}"
    world = World()
    apply(planned(world, box("a", secret=Secret(f"old{secret}"))), kinds(world), lambda event: None)
    path = saved(
        planned(world, box("a", secret=Secret(secret)), box("b", secret=secret)), tmp_path_factory.mktemp("p")
    )
    assert secret not in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_same_plan_has_another_fingerprint_in_every_file(tmp_path: Path) -> None:
    made = planned(World(), box("a", secret=Secret("short")))
    assert load_plan(saved(made, tmp_path)).fingerprint != load_plan(saved(made, tmp_path)).fingerprint


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b'{"format": "whatschat-ops plan 1"}'], ids=str
)
def test_something_else_is_not_a_plan(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"p.json is not a plan that this version can read"):
        load_plan(path)


def test_file_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_plan(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be written"):
        save_plan(planned(World(), box("a")), tmp_path / "no" / "p.json", place=PLACE, options=PlanOptions())


def test_file_is_json_for_people_too(tmp_path: Path) -> None:
    document = json.loads(saved(planned(World(), box("a", size=1)), tmp_path).read_text(encoding="utf-8"))
    assert document["place"] == PLACE and document["plan"]["steps"][0]["address"] == "box.a"


def test_advice_is_fingerprinted_as_it_was_when_it_was_a_text() -> None:
    command = Hint(("lambda", "promote", "f"), other=("lambda", "rollback", "f"))
    assert planfile_module._canonical(command) == (
        "whatschat-ops lambda promote f, or: whatschat-ops lambda rollback f"
    )


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def as_smaller(document: dict[str, Any]) -> None:
    """The reviewer is shown a smaller box than the one that would be made."""
    changes = document["plan"]["steps"][0]["changes"]
    next(each for each in changes if each["field"] == "size")["new"] = 0


def without_its_steps(document: dict[str, Any]) -> None:
    document["plan"]["steps"] = []


def as_another_action(document: dict[str, Any]) -> None:
    document["plan"]["steps"][0].update(action="delete", destructive=True)


EDITS: tuple[Callable[[dict[str, Any]], None], ...] = (
    as_smaller,
    without_its_steps,
    as_another_action,
    lambda document: document["plan"].update(summary={}),
    lambda document: document["options"].update(delete_data=True),
    lambda document: document.update(made_at="2030-01-01T00:00:00Z"),
)


@pytest.mark.parametrize("change", EDITS)
def test_edited_file_is_refused_before_anything_is_read(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = saved(planned(World(), box("a", size=1)), tmp_path)
    load_plan(path).require_unedited(AGAIN)
    edit(path, change)
    with pytest.raises(OpsError, match="was edited after it was saved") as caught:
        load_plan(path).require_unedited(AGAIN)
    assert caught.value.hint == AGAIN and caught.value.exit_code == 1


@pytest.mark.parametrize("change", EDITS[:4])
@pytest.mark.parametrize("reseal", [True, False], ids=["digest made again", "no digest, as in 0.1.0"])
def test_steps_that_are_not_what_would_be_done_are_refused_whatever_the_digest(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], reseal: bool
) -> None:
    made = planned(World(), box("a", size=1))
    path = saved(made, tmp_path)
    edit(path, change)
    edit(path, lambda document: document.pop("digest"))
    if reseal:
        edit(path, lambda document: document.update(digest=planfile_module.content_digest(load_plan(path))))
    file = load_plan(path)
    file.require_unedited(AGAIN)
    with pytest.raises(OpsError, match="was edited after it was saved"):
        file.require_same(made, PLACE, SETTINGS, AGAIN)


def test_plan_of_which_a_step_is_blocked_by_now_is_not_done(tmp_path: Path) -> None:
    world = World()
    made = planned(world, box("a"))
    file = load_plan(saved(made, tmp_path))
    world.things[("box", ("a",))] = {"name": "a", "id": "9", "revision": 1}
    with pytest.raises(OpsError, match=r"stale: .* box.a"):
        file.require_same(planned(world, box("a")), PLACE, SETTINGS, AGAIN)

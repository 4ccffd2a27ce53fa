"""What an operator may ask of a migration: every combination that is refused, and what holds after any that is not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from whatschat_ops.errors import Blocked, OpsError, UsageError
from whatschat_ops.migration import decisions
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.following import changed_percent, follows, of_users
from whatschat_ops.migration.phases import Phase, Shares
from whatschat_ops.migration.state import Hold, MigrationState, Place
from whatschat_ops.migration.variables import Effect, switches

STEPS = (10, 50, 100)
BOTH = tuple(Service)
WHOLE = Shares(100, 100)


def at(chime: Shares = Shares(), websocket: Shares = Shares(), *, drained: bool = False) -> MigrationState:
    return MigrationState(7, Place(chime, websocket, drained))


def test_guide_order_leads_from_nothing_to_drained() -> None:
    state, seen = decisions.start(MigrationState(), None, None, STEPS, BOTH), []
    while True:
        seen.append((state.phase.value, state.place.share(state.phase)))
        try:
            state = decisions.advance(state, None, None, STEPS, BOTH)
        except Blocked as error:
            assert "no step is left" in error.message
            break
    assert seen == [(phase, share) for phase in (1, 2, 3, 4) for share in STEPS]
    done = decisions.drained(state)
    assert (done.place.words, done.serial) == ("phase 2: 100 %, phase 4: 100 %, drained", 13)
    for share in reversed(seen[:-1]):
        done = decisions.rollback(done)
        if not done.place.drained and done.place.share(Phase.ALL_SOCKETS) == 100:
            done = decisions.rollback(done)  # the mark is a step of its own
        assert (done.phase.value, done.place.share(done.phase)) == share


def held(reason: str) -> MigrationState:
    return MigrationState(7, Place(Shares(10, 0)), hold=Hold(reason))


HELD = held("incident 512")
REFUSED: dict[str, tuple[Callable[[], MigrationState], str]] = {
    "advance before a start": (lambda: decisions.advance(at(), None, None, STEPS, BOTH), "has not started"),
    "advance of a service before its start": (
        lambda: decisions.advance(at(Shares(10, 0)), Service.WEBSOCKET, None, STEPS, BOTH),
        "websocket has not started",
    ),
    "start twice": (lambda: decisions.start(at(Shares(10, 0)), None, None, STEPS, BOTH), "has started: phase 1: 10 %"),
    "start of a service twice": (
        lambda: decisions.start(at(Shares(10, 0)), Service.CHIME, None, STEPS, BOTH), "chime has started"
    ),
    "advance while held": (lambda: decisions.advance(HELD, None, None, STEPS, BOTH), "held: incident 512"),
    "start of the other service while held": (
        lambda: decisions.start(HELD, Service.WEBSOCKET, None, STEPS, BOTH), "held: incident 512"
    ),
    "hold twice": (lambda: decisions.hold(HELD, Hold("again")), "held already: incident 512"),
    "hold over a reason of many lines": (
        lambda: decisions.hold(held("a.\n  Try: b\n\tc."), Hold("again")), "held already: a. Try: b c."
    ),
    "hold over a reason of 5,000 characters": (
        lambda: decisions.hold(held("x" * 5000), Hold("again")), f"held already: {'x' * 200}."
    ),
    "hold of nothing": (lambda: decisions.hold(at(), Hold("x")), "no migration to hold"),
    "release of nothing": (lambda: decisions.release(at(Shares(10, 0))), "not held"),
    "the same share": (lambda: decisions.advance(at(Shares(10, 0)), None, 10, STEPS, BOTH), "has 10 % of the users already"),
    "a smaller share": (lambda: decisions.advance(at(Shares(50, 0)), None, 10, STEPS, BOTH), "needs a larger share"),
    "phase 2 beyond phase 1": (
        lambda: decisions.to_phase(at(Shares(50, 10)), Phase.ALL_CALLS, 60, BOTH), "needs phase 1 for as many: it has 50 %"
    ),
    "phase 4 beyond phase 3": (
        lambda: decisions.to_phase(at(WHOLE, Shares(10, 0)), Phase.ALL_SOCKETS, 100, BOTH), "needs phase 3 for as many"
    ),
    "phase 2 without phase 1": (
        lambda: decisions.to_phase(at(), Phase.ALL_CALLS, 10, BOTH), "needs phase 1 for as many: it has 0 %"
    ),
    "start of Chime that the settings turn off": (
        lambda: decisions.start(at(), Service.CHIME, None, STEPS, [Service.WEBSOCKET]), "chime.enabled is false"
    ),
    "start with both turned off": (lambda: decisions.start(at(), None, None, STEPS, []), "chime.enabled is false"),
    "advance of sockets that the settings turn off": (
        lambda: decisions.advance(at(WHOLE, Shares(10, 0)), Service.WEBSOCKET, None, STEPS, [Service.CHIME]),
        "websocket.enabled is false",
    ),
    "drained before phase 4": (lambda: decisions.drained(at(WHOLE, Shares(100, 0))), "Phase 4 has 0 %"),
    "drained at half of phase 4": (lambda: decisions.drained(at(WHOLE, Shares(100, 50))), "Phase 4 has 50 %"),
    "drained twice": (lambda: decisions.drained(at(WHOLE, WHOLE, drained=True)), "drained already"),
    "advance after the end": (lambda: decisions.advance(at(WHOLE, WHOLE), None, None, STEPS, BOTH), "no step is left"),
    "rollback of nothing": (lambda: decisions.rollback(at()), "nothing to roll back"),
    "off of what is off": (lambda: decisions.switch_off(at(Shares(10, 0)), Service.WEBSOCKET), "No user is on websocket"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_step_that_is_not_allowed_is_refused_with_the_reason(what: str) -> None:
    decide, reason = REFUSED[what]
    with pytest.raises(Blocked) as refused:
        decide()
    assert reason in refused.value.message
    assert ".." not in refused.value.message


@pytest.mark.parametrize("share", [-1, 101, 1_000])
def test_share_that_is_no_percentage_is_an_error_of_usage(share: int) -> None:
    with pytest.raises(UsageError):
        decisions.start(at(), None, share, STEPS, BOTH)


def test_services_switch_independently() -> None:
    state = decisions.start(at(), Service.WEBSOCKET, 25, STEPS, BOTH)
    assert (state.place.words, state.place.chime.mode) == ("phase 3: 25 %", "off")
    state = decisions.advance(
        state, None, None, STEPS, BOTH
    )  # the guide's order does not start what was left out
    assert state.place.words == "phase 3: 50 %"
    state = decisions.start(state, Service.CHIME, None, STEPS, BOTH)
    assert state.place.words == "phase 1: 10 %, phase 3: 50 %"
    off = decisions.switch_off(state, Service.WEBSOCKET)
    assert off.place.words == "phase 1: 10 %"
    assert decisions.rollback(off).place.words == "phase 0"


def test_gate_hold_ends_with_the_next_step_and_an_operators_does_not() -> None:
    held = decisions.hold(at(Shares(10, 0)), Hold("410s", by_gate=True))
    assert decisions.advance(held, None, None, STEPS, BOTH).hold is None
    taken_over = decisions.hold(held, Hold("incident"))
    assert taken_over.hold == Hold("incident")
    assert decisions.rollback(decisions.advance(held, None, None, STEPS, BOTH)).place == held.place


OPERATIONS = some.one_of(
    some.tuples(
        some.just("advance"), some.sampled_from([None, *Service]), some.none() | some.integers(1, 100)
    ),
    some.tuples(some.just("start"), some.sampled_from([None, *Service]), some.none() | some.integers(1, 100)),
    some.tuples(some.just("off"), some.sampled_from(Service), some.none()),
    *(
        some.tuples(some.just(name), some.none(), some.none())
        for name in ("rollback", "drained", "hold", "release")
    ),
)


def apply(state: MigrationState, operation: tuple[str, Service | None, int | None]) -> MigrationState:
    name, service, share = operation
    if name in ("advance", "start"):
        return getattr(decisions, name)(state, service, share, STEPS, BOTH)  # type: ignore[no-any-return]
    if name == "off":
        assert service is not None
        return decisions.switch_off(state, service)
    if name == "hold":
        return decisions.hold(state, Hold("why"))
    return getattr(decisions, name)(state)  # type: ignore[no-any-return]


@given(some.lists(OPERATIONS, max_size=25))
def test_what_holds_after_any_sequence_of_steps(
    operations: list[tuple[str, Service | None, int | None]],
) -> None:
    state = MigrationState()
    for operation in operations:
        try:
            after = apply(state, operation)
        except OpsError:
            continue
        assert after.serial == state.serial + 1
        for service in Service:
            shares, before = after.place.of(service), state.place.of(service)
            assert 0 <= shares.all <= shares.new <= 100
            back = operation[0] in ("rollback", "off")
            lower = shares.new <= before.new and shares.all <= before.all
            higher = shares.new >= before.new and shares.all >= before.all
            assert lower if back else higher
        assert not after.place.drained or after.place.websocket == WHOLE
        if operation[0] not in ("rollback", "off", "hold", "release"):
            assert decisions.rollback(after).place == state.place
        assert msgspec.json.decode(msgspec.json.encode(after), type=MigrationState) == after
        state = after


def test_users_whose_mode_changes_are_those_between_the_shares() -> None:
    old, new = Place(Shares(10, 0)), Place(Shares(50, 10))
    assert changed_percent(Service.CHIME, old, new) == 50  # 40 come in, and 10 go on to the second phase
    assert changed_percent(Service.WEBSOCKET, old, new) == 0
    users = [f"user-{number}" for number in range(1_000)]
    moved = of_users([*users, *users], "whatschat-local", Service.CHIME, old, new)
    assert len(moved) == 2 * len(set(moved))
    assert 450 < len(set(moved)) < 550


def test_rollback_says_in_how_many_seconds_each_kind_of_client_follows() -> None:
    old, new = Place(Shares(100, 0), Shares(10, 0)), Place(Shares(100, 0))
    found = {each.client: each.within_s for each in follows(old, new, 10)}
    assert found["sockets that are opened, backend with the reader"] == 10
    assert found["sockets that are open on API Gateway"] == 7_200
    assert found["backends without the reader"] is None
    assert not any("calls" in client for client in found)


def test_switches_say_what_acts_at_once_what_restarts_and_what_builds() -> None:
    found = switches(Place(), Place(Shares(100, 0)))
    by_effect = {effect: [each.name for each in found if each.effect is effect] for effect in Effect}
    assert by_effect[Effect.AT_ONCE] == ["SSM parameter"]
    assert by_effect[Effect.RESTART] == ["AWS_CHIME_ENABLED", "AWS_CHIME_REGION", "AWS_CHIME_MEDIA_REGION"]
    assert by_effect[Effect.BUILD] == ["NEXT_PUBLIC_WEBRTC_MODE"]
    before = {each.name for each in found if each.before}
    assert before == {
        "AWS_CHIME_REGION",
        "AWS_CHIME_MEDIA_REGION",
    }  # `true` before the parameter would be all users
    back = {each.name: (each.old, each.new, each.before) for each in switches(Place(Shares(100, 0)), Place())}
    assert back["AWS_CHIME_ENABLED"] == ("true", "false", False)

"""What an operator may ask of a migration, and the state that follows; Blocked with the reason where it is not allowed. Pure.

Two rules hold for every state: who is in the second share of a service is in its first, and `rollback` raises no share.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace

from whatschat_ops.errors import Blocked, Hint, UsageError
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.phases import Phase, Shares
from whatschat_ops.migration.state import Hold, MigrationState, Place

LONGEST_TRAIL: Final = 50
WHOLE: Final = 100
_FIRST: Final = {Service.CHIME: Phase.NEW_CALLS, Service.WEBSOCKET: Phase.NEW_SOCKETS}
STATUS: Final = Hint(("migrate", "status"))


def start(
    state: MigrationState,
    service: Service | None,
    share: int | None,
    steps: Sequence[int],
    on: Collection[Service],
) -> MigrationState:
    """The first phase of a service (None: of the first that the settings turn on), for a share of the users."""
    if service is None and state.phase:
        raise Blocked(
            f"The migration has started: {state.place.words}.",
            hint=Hint(
                ("migrate", "advance"), "Go on with", other=("migrate", "start", "--service", "websocket")
            ),
        )
    chosen = service or next((each for each in Service if each in on), Service.CHIME)
    if state.place.of(chosen).new:
        raise Blocked(
            f"The migration of {chosen} has started: {_words(state.place.of(chosen))}.",
            hint=Hint(("migrate", "advance", "--service", chosen.value)),
        )
    return to_phase(state, _FIRST[chosen], share or steps[0], on)


def advance(
    state: MigrationState,
    service: Service | None,
    share: int | None,
    steps: Sequence[int],
    on: Collection[Service],
) -> MigrationState:
    """The next step: of the given service, else the guide's order; to a share, else to the next of `steps`."""
    phase = current_or_next(state.place, service, on)
    return to_phase(state, phase, share or next_share(state.place.share(phase), steps), on)


def next_step(
    state: MigrationState,
    service: Service | None,
    share: int | None,
    steps: Sequence[int],
    on: Collection[Service],
) -> MigrationState:
    """The first step where nothing has started, else the next one."""
    has_started = state.place.of(service).new if service else state.phase
    return (advance if has_started else start)(state, service, share, steps, on)


def current_or_next(place: Place, service: Service | None, on: Collection[Service]) -> Phase:
    """The phase whose share is to be raised: the last that has begun, or the one after it once all users are in it."""
    phases = [
        phase for phase in Phase if phase and (phase.service is service if service else phase.service in on)
    ]
    # In the guide's order, what was left out or switched off stays off.
    going = [phase for phase in phases if place.of(phase.service).new or phase > place.phase]
    waiting = [phase for phase in going if place.share(phase) < WHOLE]
    if service is not None and not place.of(service).new:
        raise Blocked(
            f"The migration of {service} has not started.",
            hint=Hint(("migrate", "start", "--service", service.value)),
        )
    if service is None and not place.phase:
        raise Blocked("The migration has not started.", hint=Hint(("migrate", "start")))
    if not waiting:
        raise Blocked("All users are in the last phase: no step is left.", hint=_after(place))
    return waiting[0]


def to_phase(state: MigrationState, phase: Phase, share: int, on: Collection[Service]) -> MigrationState:
    """A phase at a share, if that is allowed from here."""
    _require_allowed(state, phase, share, on)
    shares = state.place.of(phase.service)
    changed = Shares(shares.new, share) if phase.is_all else Shares(share, shares.all)
    return _moved(state, _with(state.place, phase.service, changed))


def _require_allowed(state: MigrationState, phase: Phase, share: int, on: Collection[Service]) -> None:
    if not 1 <= share <= WHOLE:
        raise UsageError(f"A share is from 1 to {WHOLE} percent of the users, not {share}.")
    service, now = phase.service, state.place.share(phase)
    if state.hold is not None and not state.hold.by_gate:
        raise Blocked(
            f"The migration is held: {state.hold.clause}.", hint=Hint(("migrate", "hold", "--release"))
        )
    if service not in on:
        raise Blocked(
            f"{service}.enabled is false: the backend's variables turn {service} off, whatever the share is.",
            hint=f"Set {service}.enabled to true, render the backend's variables and restart it first.",
        )
    if share <= now:
        raise Blocked(
            f"Phase {phase.value} has {now} % of the users already: a step forward needs a larger share.",
            hint=Hint(("migrate", "rollback"), "To go back"),
        )
    first = state.place.of(service).new
    if phase.is_all and share > first:
        raise Blocked(
            f"Phase {phase.value} for {share} % of the users needs phase {phase.value - 1} for as many: it has {first} %.",
            hint=Hint(("migrate", "advance", "--service", service.value)),
        )


def next_share(now: int, steps: Sequence[int]) -> int:
    """The first of the steps that is above; 100 after the last."""
    return next((step for step in steps if step > now), WHOLE)


def drained(state: MigrationState) -> MigrationState:
    """The operator's word that nothing is left on the old path of sockets."""
    if state.place.drained:
        raise Blocked("The old path is marked as drained already.", hint=STATUS)
    if (share := state.place.share(Phase.ALL_SOCKETS)) < WHOLE:
        raise Blocked(
            f"Phase 4 has {share} % of the users: the others may still open sockets on the old path.",
            hint=Hint(("migrate", "advance")),
        )
    return _moved(state, replace(state.place, drained=True))


def hold(state: MigrationState, why: Hold) -> MigrationState:
    """No step is made until it is released; a gate's hold ends with a check that passes."""
    if not state.phase:
        raise Blocked("There is no migration to hold.", hint=Hint(("migrate", "start")))
    if state.hold is not None and not state.hold.by_gate:
        raise Blocked(f"The migration is held already: {state.hold.clause}.", hint=STATUS)
    return replace(state, serial=state.serial + 1, hold=why)


def release(state: MigrationState) -> MigrationState:
    """The end of a hold."""
    if state.hold is None:
        raise Blocked("The migration is not held.", hint=STATUS)
    return replace(state, serial=state.serial + 1, hold=None)


def rollback(state: MigrationState) -> MigrationState:
    """Back to the place before. The hold stays: who rolled back looks first."""
    if not state.trail:
        raise Blocked("There is nothing to roll back: no step has been made.", hint=STATUS)
    *before, last = state.trail
    return replace(state, serial=state.serial + 1, place=last, trail=tuple(before))


def switch_off(state: MigrationState, service: Service) -> MigrationState:
    """No user is on a service any more, and no later rollback leads back to it."""
    if not state.place.of(service).new:
        raise Blocked(f"No user is on {service} through the migration.", hint=STATUS)
    places = [_with(place, service, Shares()) for place in (*state.trail, state.place)]
    *trail, now = [place for number, place in enumerate(places) if number == 0 or place != places[number - 1]]
    return replace(state, serial=state.serial + 1, place=now, trail=tuple(trail))


def _with(place: Place, service: Service, shares: Shares) -> Place:
    if service is Service.CHIME:
        return replace(place, chime=shares)
    return replace(place, websocket=shares, drained=place.drained and shares.all == WHOLE)


def _moved(state: MigrationState, place: Place) -> MigrationState:
    """A step forward, which ends a gate's hold."""
    trail = (*state.trail, state.place)[-LONGEST_TRAIL:]
    return replace(state, serial=state.serial + 1, place=place, hold=None, trail=trail)


def _words(shares: Shares) -> str:
    return f"{shares.new} % of the users in the first phase, {shares.all} % in the second"


def _after(place: Place) -> Hint:
    if place.drained or place.share(Phase.ALL_SOCKETS) < WHOLE:
        return STATUS
    return Hint(("migrate", "advance", "--drained"), "When nothing is left on the old path")

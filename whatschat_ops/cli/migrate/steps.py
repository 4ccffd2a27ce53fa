"""`migrate plan|start|advance|hold|rollback`: the steps of a migration."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.migrate.gate import ask_gate, require_passed, show_replay
from whatschat_ops.cli.migrate.view import StepResult, open_words, render_step
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.following import Affected
    from whatschat_ops.migration.gating import GateReport
    from whatschat_ops.migration.migrating import Migrating
    from whatschat_ops.migration.state import MigrationState

ServiceName = Literal["chime", "websocket"]
ServiceOption = Annotated[
    ServiceName | None, typer.Option("--service", help="Only this service, whatever the other one's phase is")
]
ShareOption = Annotated[
    int | None,
    typer.Option(
        "--share", min=1, max=100, help="Percent of the users [default: the next of migration.steps]"
    ),
]
OffOption = Annotated[
    ServiceName | None, typer.Option("--off", help="Switch this service off for all users, in one step")
]
DrainedOption = Annotated[bool, typer.Option("--drained", help="In phase 4: nothing is left on the old path")]
Decide = Callable[["MigrationState"], "MigrationState"]


def plan(
    run: Run,
    service: ServiceOption = None,
    share: ShareOption = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Plan the rollback of the last step")] = False,
    off: OffOption = None,
    drained: DrainedOption = False,
    gate: Annotated[
        bool, typer.Option("--gate", help="Ask the gate, too: what advance would be told")
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay", metavar="TIME", help="Show what the gate would have said, for example for 24h"
        ),
    ] = None,
) -> None:
    """Show what the next step would change.

    Which users move, how many sockets and meetings they have open, how soon each kind of client follows, and which
    variables take effect at once, with a restart or with a build. A step that is not allowed is refused with the reason.
    With --replay, what the gate would have said at each interval of the time that is past, and why; doctor has no past.

    Example:
        whatschat-ops migrate plan
        whatschat-ops migrate plan --off websocket
        whatschat-ops migrate plan --replay 24h
    """
    if replay is not None:
        show_replay(run, replay)
        return
    if sum([rollback, off is not None, drained, service is not None or share is not None]) > 1:
        raise UsageError(
            "--rollback, --off, --drained, and --service with --share are different steps: give one."
        )
    migrating = run.migrating()
    state = migrating.stored.state
    wanted = _decision(run, service, share, rollback=rollback, off=off, drained=drained, may_start=True)(
        state
    )
    counted = _affected(run, state, wanted)
    _warn_unpublished(run, migrating)
    asked = ask_gate(run, migrating.stored, wanted, None) if gate else None
    run.out.result(_result(run, "plan", state, wanted, counted, changed=False, gate=asked), render_step)


@audited(service="service", share="share")
def start(run: Run, service: ServiceOption = None, share: ShareOption = None, yes: YesOption = False) -> None:
    """Start a migration, or finish a change.

    The first phase, for the first share of migration.steps. Where an earlier change was decided and its parameter not
    written, because its process was killed, it writes the parameter and does nothing else.

    Example:
        whatschat-ops migrate start --share 10 --reason "CHG-1042"
        whatschat-ops migrate start --service websocket
    """
    from whatschat_ops.migration import decisions

    on, steps = _services_on(run), run.settings.migration.steps
    migrating = run.migrating()
    if _finished(run, migrating):
        return
    _make(
        run,
        _Step(migrating, lambda state: decisions.start(state, _service(service), share, steps, on)),
        yes=yes,
    )


@audited(service="service", share="share", forced="force", drained="drained")
def advance(
    run: Run,
    service: ServiceOption = None,
    share: ShareOption = None,
    drained: DrainedOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Advance whatever the gate says; the audit log has it")
    ] = False,
    comparison: Annotated[
        Path | None,
        typer.Option(
            "--comparison", metavar="FILE", help="Judge this report of `ws compare --json`, not metrics"
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Migrate more users, or the next phase.

    Without options: the next share of migration.steps, and the next phase once all users are in this one. The gate is asked
    first: one that fails holds the migration, one that is inconclusive says how long to wait; exit code 3 for both. In phase 4,
    --drained says that the old path is empty.

    Example:
        whatschat-ops migrate advance --reason "gate passed"
        whatschat-ops migrate advance --service websocket --share 25
        whatschat-ops migrate advance --comparison compared.json
    """
    migrating = run.migrating()
    if _finished(run, migrating):
        return
    step = _Step(migrating, _decision(run, service, share, drained=drained), forced=force)
    gate = None if drained else _asked(run, step, comparison)
    if gate is None or gate.verdict == "pass" or force:
        _make(run, step, yes=yes, gate=gate)
    else:
        _stopped(run, step, gate)


@audited(release="release")
def hold(
    run: Run,
    release: Annotated[bool, typer.Option("--release", help="End the hold")] = False,
) -> None:
    """Stop further steps until released.

    Shares stay as they are; rollback is possible. Say why with --reason: whoever wants to advance is told.

    Example:
        whatschat-ops migrate hold --reason "incident 512"
        whatschat-ops migrate hold --release
    """
    from whatschat_ops.migration import decisions
    from whatschat_ops.migration.state import Hold

    given = run.audit.reason if run.audit else None
    why = Hold(given or f"by {run.aws.caller_arn}, without a reason")

    def decide(state: MigrationState) -> MigrationState:
        return decisions.release(state) if release else decisions.hold(state, why)

    _make(run, _Step(run.migrating(), decide), yes=True)


@audited(off="off")
def rollback(run: Run, off: OffOption = None, yes: YesOption = False) -> None:
    """Go back to the step before.

    To the phase and share before the last step, or with --off to no users of one service. It raises no share, cuts no call
    and closes no socket. Where a service is switched off while it has open sockets or meetings, it asks first.

    Example:
        whatschat-ops migrate rollback --reason "410s"
        whatschat-ops migrate rollback --off websocket --yes
    """
    decide = _decision(run, None, None, rollback=off is None, off=off)
    _make(run, _Step(run.migrating(), decide, back=True), yes=yes)


# --- what all of them share ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to be done to the migration as it was read. `back`: towards the old paths."""

    migrating: Migrating
    decide: Decide
    forced: bool = False
    back: bool = False


def _asked(run: Run, step: _Step, comparison: Path | None) -> GateReport:
    stored = step.migrating.stored
    report = ask_gate(run, stored, step.decide(stored.state), comparison)
    run.acts_on(gate=str(report.verdict), gate_reasons=list(report.reasons[:3]))
    return report


def _stopped(run: Run, step: _Step, gate: GateReport) -> None:
    """A gate that failed holds the migration; one that is inconclusive changes nothing. Ends with exit code 3."""
    from whatschat_ops.migration import decisions
    from whatschat_ops.migration.state import Hold

    state = step.migrating.stored.state
    wanted = state
    if gate.verdict == "fail":
        wanted = decisions.hold(state, Hold(f"the gate failed: {gate.reasons[0]}", by_gate=True))
        run.acts_on(**{"from": _words(state), "to": _words(wanted), "serial": wanted.serial})
        step.migrating.change(wanted, "hold", run.aws_now())
    result = _result(run, "gate", state, wanted, (), changed=wanted is not state, gate=gate)
    run.out.result(result, render_step)
    require_passed(run, gate)


def _make(run: Run, step: _Step, *, yes: bool, gate: GateReport | None = None) -> None:
    """Decide, ask, write the row and the parameter, and show what it means."""
    state = step.migrating.stored.state
    wanted = step.decide(state)
    counted = _affected(run, state, wanted) if step.back else _uncounted(state, wanted)
    if not _confirmed(run, step, wanted, counted, yes=yes):
        run.out.note("Nothing was changed.")
        return
    action = run.command_path.rpartition(" ")[2]
    run.acts_on(**{"from": _words(state), "to": _words(wanted), "serial": wanted.serial})
    step.migrating.change(wanted, action, run.aws_now())
    result = _result(run, action, state, wanted, counted, changed=True, forced=step.forced, gate=gate)
    run.out.result(result, render_step)


def _confirmed(
    run: Run, step: _Step, wanted: MigrationState, counted: Collection[Affected], *, yes: bool
) -> bool:
    """Switching a service off under open sockets or meetings always asks; a step forward where there are other users."""
    from whatschat_ops.migration.following import is_switched_off

    state = step.migrating.stored.state
    off = [
        each for each in counted if each.is_open and is_switched_off(each.service, state.place, wanted.place)
    ]
    if off:
        about = "What is open stays open until it ends; nothing new begins there."
        services = " and ".join(f"{each.service} with {open_words(each)}" for each in off)
        return run.out.confirm(f"{about}\nSwitch off {services}?", yes=yes)
    if step.back or wanted.place == state.place:
        return True
    return run.confirm_for_users(lambda: f"{_words(state)} → {_words(wanted)}?", yes=yes)


def _finished(run: Run, migrating: Migrating) -> bool:
    """Whether there was a change to finish, which is done instead of a step: the one before it was not judged."""
    problem, state = migrating.problem, migrating.stored.state
    if problem is None or state.serial == 0:
        return False
    run.out.note(problem)
    run.acts_on(**{"from": _words(state), "to": _words(state), "serial": state.serial, "finished": True})
    migrating.finish()
    run.out.result(_result(run, "finish", state, state, (), changed=False, finished=True), render_step)
    return True


def _decision(
    run: Run,
    service: ServiceName | None,
    share: int | None,
    *,
    rollback: bool = False,
    off: ServiceName | None = None,
    drained: bool = False,
    may_start: bool = False,
) -> Decide:
    from whatschat_ops.migration import decisions

    on, steps = _services_on(run), run.settings.migration.steps
    if rollback:
        return decisions.rollback
    if off is not None:
        return lambda state: decisions.switch_off(state, _required(off))
    if drained:
        if service or share:
            raise UsageError("--drained is said of the old path as a whole: leave out --service and --share.")
        return decisions.drained
    chosen = decisions.next_step if may_start else decisions.advance
    return lambda state: chosen(state, _service(service), share, steps, on)


def _services_on(run: Run) -> Collection[Service]:
    from whatschat_ops.migration.migrating import services_on

    return services_on(run.settings)


def _service(name: ServiceName | None) -> Service | None:
    return None if name is None else _required(name)


def _required(name: ServiceName) -> Service:
    from whatschat_ops.migration.cohort import Service

    return Service(name)


def _affected(run: Run, state: MigrationState, wanted: MigrationState) -> tuple[Affected, ...]:
    from whatschat_ops.migration.open_now import affected

    with run.out.status("Counting open sockets and meetings"):
        return tuple(affected(run.aws, run.settings, state.place, wanted.place))


def _uncounted(state: MigrationState, wanted: MigrationState) -> tuple[Affected, ...]:
    """A step forward touches nothing that is open, so nothing needs to be counted."""
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.following import Affected, changed_percent

    moved = {service: changed_percent(service, state.place, wanted.place) for service in Service}
    return tuple(Affected(service, percent) for service, percent in moved.items() if percent)


def _warn_unpublished(run: Run, migrating: Migrating) -> None:
    if problem := migrating.problem:
        run.out.warn(problem)


def _words(state: MigrationState) -> str:
    return state.place.words + (" (held)" if state.hold else "")


def _result(
    run: Run,
    action: str,
    state: MigrationState,
    wanted: MigrationState,
    affected: tuple[Affected, ...],
    *,
    changed: bool,
    finished: bool = False,
    forced: bool = False,
    gate: GateReport | None = None,
) -> StepResult:
    from whatschat_ops.migration.following import follows
    from whatschat_ops.migration.variables import switches

    return StepResult(
        action=action,
        changed=changed,
        finished=finished,
        serial=wanted.serial,
        phase=wanted.phase.value,
        before=_words(state),
        after=_words(wanted),
        place=wanted.place,
        held=wanted.hold.reason if wanted.hold else None,
        forced=forced,
        affected=affected,
        switches=switches(state.place, wanted.place),
        follows=follows(state.place, wanted.place, run.settings.migration.reader_cache_seconds),
        gate=gate,
    )

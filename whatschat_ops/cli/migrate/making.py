"""How a step is made, whatever it is: the gate, the question, the row and the parameter, and what is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.migrate.gate import ask_gate, require_passed
from whatschat_ops.cli.migrate.view import StepResult, open_words, render_step
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.migration.following import Affected
    from whatschat_ops.migration.gating import GateReport
    from whatschat_ops.migration.migrating import Migrating
    from whatschat_ops.migration.state import MigrationState

Decide = Callable[["MigrationState"], "MigrationState"]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done to the migration as it was read. `back`: towards the old paths."""

    migrating: Migrating
    decide: Decide
    forced: bool = False
    back: bool = False


def judge(run: Run, step: Step, comparison: Path | None) -> GateReport:
    stored = step.migrating.stored
    report = ask_gate(run, stored, step.decide(stored.state), comparison)
    run.acts_on(gate=str(report.verdict), gate_reasons=list(report.reasons[:3]))
    return report


def stop(run: Run, step: Step, gate: GateReport) -> None:
    """A gate that failed holds the migration; one that is inconclusive changes nothing. Ends with exit code 3."""
    from whatschat_ops.migration import decisions
    from whatschat_ops.migration.state import Hold

    state = step.migrating.stored.state
    wanted = state
    if gate.verdict == "fail":
        wanted = decisions.hold(state, Hold(f"the gate failed: {gate.reasons[0]}", by_gate=True))
        run.acts_on(**{"from": _words(state), "to": _words(wanted), "serial": wanted.serial})
        step.migrating.change(wanted, "hold", run.aws_now())
    result = result_of(run, "gate", state, wanted, (), changed=wanted is not state, gate=gate)
    run.out.result(result, render_step)
    require_passed(run, gate)


def make(run: Run, step: Step, *, yes: bool, gate: GateReport | None = None) -> None:
    """Decide, ask, write the row and the parameter, and show what it means."""
    state = step.migrating.stored.state
    wanted = step.decide(state)
    counted = count_affected(run, state, wanted) if step.back else _uncounted(state, wanted)
    if not _confirmed(run, step, wanted, counted, yes=yes):
        run.out.note("Nothing was changed.")
        return
    action = run.command_path.rpartition(" ")[2]
    run.acts_on(**{"from": _words(state), "to": _words(wanted), "serial": wanted.serial})
    step.migrating.change(wanted, action, run.aws_now())
    result = result_of(run, action, state, wanted, counted, changed=True, forced=step.forced, gate=gate)
    run.out.result(result, render_step)


def _confirmed(
    run: Run, step: Step, wanted: MigrationState, counted: Collection[Affected], *, yes: bool
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


def finished(run: Run, migrating: Migrating) -> bool:
    """Whether there was a change to finish, which is done instead of a step: the one before it was not judged."""
    problem, state = migrating.problem, migrating.stored.state
    if problem is None or state.serial == 0:
        return False
    run.out.note(problem)
    run.acts_on(**{"from": _words(state), "to": _words(state), "serial": state.serial, "finished": True})
    migrating.finish()
    run.out.result(result_of(run, "finish", state, state, (), changed=False, finished=True), render_step)
    return True


def count_affected(run: Run, state: MigrationState, wanted: MigrationState) -> tuple[Affected, ...]:
    from whatschat_ops.migration.open_now import affected

    with run.out.status("Counting open sockets and meetings"):
        return tuple(affected(run.aws, run.settings, state.place, wanted.place))


def _uncounted(state: MigrationState, wanted: MigrationState) -> tuple[Affected, ...]:
    """A step forward touches nothing that is open, so nothing needs to be counted."""
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.following import Affected, changed_percent

    moved = {service: changed_percent(service, state.place, wanted.place) for service in Service}
    return tuple(Affected(service, percent) for service, percent in moved.items() if percent)


def warn_unpublished(run: Run, migrating: Migrating) -> None:
    if problem := migrating.problem:
        run.out.warn(problem)


def _words(state: MigrationState) -> str:
    return state.place.words + (" (held)" if state.hold else "")


def result_of(
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

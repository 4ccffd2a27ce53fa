"""`migrate plan|start|advance|hold|rollback`: the steps of a migration."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.migrate.gate import ask_gate, show_replay
from whatschat_ops.cli.migrate.making import (
    Decide,
    Step,
    count_affected,
    finished,
    judge,
    make,
    result_of,
    stop,
    warn_unpublished,
)
from whatschat_ops.cli.migrate.view import render_step
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from whatschat_ops.migration.cohort import Service
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
    steps = [rollback, off is not None, drained, service is not None or share is not None]
    if replay is not None:
        if gate or any(steps):
            raise UsageError("--replay judges what is past, not a step: leave out the other options.")
        show_replay(run, replay)
        return
    if sum(steps) > 1:
        raise UsageError(
            "--rollback, --off, --drained, and --service with --share are different steps: give one."
        )
    migrating = run.migrating()
    state = migrating.stored.state
    wanted = _decision(run, service, share, rollback=rollback, off=off, drained=drained, may_start=True)(
        state
    )
    counted = count_affected(run, state, wanted)
    warn_unpublished(run, migrating)
    asked = ask_gate(run, migrating.stored, wanted, None) if gate else None
    run.out.result(result_of(run, "plan", state, wanted, counted, changed=False, gate=asked), render_step)


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
    if finished(run, migrating):
        return
    make(
        run,
        Step(migrating, lambda state: decisions.start(state, _service(service), share, steps, on)),
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
    if drained and comparison is not None:
        raise UsageError("--drained asks no gate: leave out --comparison.")
    migrating = run.migrating()
    if finished(run, migrating):
        return
    step = Step(migrating, _decision(run, service, share, drained=drained), forced=force)
    gate = None if drained else judge(run, step, comparison)
    if gate is None or gate.verdict == "pass" or force:
        make(run, step, yes=yes, gate=gate)
    else:
        stop(run, step, gate)


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

    make(run, Step(run.migrating(), decide), yes=True)


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
    make(run, Step(run.migrating(), decide, back=True), yes=yes)


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

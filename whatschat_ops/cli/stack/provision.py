"""`provision`, `plan`, `destroy`, `unlock`: the whole stack at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import ExitCode, Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.provision import Applied, Plan, PlanFile, PlanReport
    from whatschat_ops.stack.locking.lease import LockHolder
    from whatschat_ops.stack.outputs import StackOutputs
    from whatschat_ops.stack.stack import Stack

AdoptOption = Annotated[
    bool,
    typer.Option("--adopt", help="Take over resources with the stack's names that carry no stack's tag"),
]
DeleteDataOption = Annotated[
    bool, typer.Option("--delete-data", help="Also delete tables that have deletion protection")
]
NEXT_COMMANDS = (
    Hint(("token", "mint", "--user", "alice")),
    Hint(("ws", "connect", "--user", "alice")),
    Hint(("status",)),
)


@dataclass(frozen=True, slots=True)
class ProvisionResult:
    """What `provision` did: `done` are the addresses of the changed resources, `seconds` the time of applying.

    `requests` were sent to AWS in all, repeated ones included.
    """

    stack: str
    changes: bool
    done: tuple[str, ...]
    seconds: float
    requests: int
    plan: PlanReport
    outputs: StackOutputs
    next_commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A resource that `destroy` did not delete, and why."""

    address: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DestroyResult:
    """What `destroy` did."""

    stack: str
    deleted: tuple[str, ...]
    kept: tuple[Kept, ...]
    seconds: float
    requests: int


@dataclass(frozen=True, slots=True)
class UnlockResult:
    """Whose lock was taken away, if anybody held it."""

    stack: str
    held: LockHolder | None


def provision(
    run: Run,
    plan_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Apply exactly this plan, saved by plan --out, without confirmation"
        ),
    ] = None,
    yes: YesOption = False,
    adopt: AdoptOption = False,
    delete_data: DeleteDataOption = False,
) -> None:
    """Create or update the stack.

    Shows the plan and asks for confirmation first. Run it again at any time, also after a failure: it reads what exists and
    makes only the changes that are missing. Resources that carry the stack's tag and are no longer wanted are deleted.

    With FILE, exactly the saved plan is applied, or nothing if it no longer holds. JWT_SECRET, if set, becomes the secret
    that signs tokens; otherwise one is generated.

    Example:
        whatschat-ops provision
        whatschat-ops provision -e staging --yes
    """
    from whatschat_ops.provision import PlanOptions
    from whatschat_ops.stack.outputs import read_outputs

    saved = _load(plan_file, adopt or delete_data) if plan_file else None
    options = saved.options if saved else PlanOptions(adopt, delete_data)
    run.fill_place(options.given)
    stack = run.stack()
    with run.out.status("Reading what is there"):
        made = stack.plan(adopt=options.adopt, delete_data=options.delete_data)
    if saved and plan_file:
        again = _plan_again(plan_file)
        if not saved.require_same(made, stack.place, _settings_digest(run), again):
            run.out.note(f"All that the plan of {saved.made_at} wanted is there.")
    question = f"Apply this to {stack.name}{_data_loss(made)}?"
    applied = show_and_apply(run, stack, made, question, yes=yes or saved is not None)
    if applied is None:
        return
    outputs = read_outputs(run.settings, run.aws, applied.outputs["api.websocket"])
    commands = tuple(map(run.out.suggestion, NEXT_COMMANDS))
    shown, requests = _report(run, stack, made), run.aws.requests
    result = ProvisionResult(
        stack.name, bool(applied.done), applied.done, applied.seconds, requests, shown, outputs, commands
    )
    run.out.result(result, _render_provisioned)


def plan(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Save the plan for provision FILE"),
    ] = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit with 3 if there are changes, blocked ones included"),
    ] = False,
    adopt: AdoptOption = False,
    delete_data: DeleteDataOption = False,
) -> None:
    """Show what provision would change.

    A step that is not possible now (a canary is running, a name is taken) is marked as blocked, with the command that
    unblocks it; provision refuses a plan with a blocked step before it changes anything, so --out does not save one.
    docs/plan-schema.json describes the output of --json.

    Example:
        whatschat-ops plan
        whatschat-ops plan -e production --out plan.json --detailed-exitcode
    """
    from whatschat_ops.cli.stack.plan_view import render_plan
    from whatschat_ops.provision import PlanOptions, require_plan_or_nothing, save_plan

    if out is not None:
        require_plan_or_nothing(out)
    stack = run.stack(reading=True)
    with run.out.status("Reading what is there"):
        made = stack.plan(adopt=adopt, delete_data=delete_data)
    _note_defaults(run, made)
    run.out.result(_report(run, stack, made), lambda result: render_plan(result, everything=run.out.verbose))
    if out is not None:
        made.require_possible()
        options = PlanOptions(adopt, delete_data, _settings_digest(run), run.full_place())
        save_plan(made, out, place=stack.place, options=options)
        run.out.note(Hint(("provision", str(out)), "Saved. Apply exactly this with"))
    if detailed_exitcode and (made.changing or made.blocked):
        raise typer.Exit(ExitCode.CHANGES)


def destroy(run: Run, yes: YesOption = False, delete_data: DeleteDataOption = False) -> None:
    """Delete the stack.

    Deletes every resource that carries the stack's tag, with all data, and nothing else. The account's CloudWatch role of
    API Gateway stays, because other APIs of the Region may use it.

    Example: whatschat-ops destroy -e staging
    """
    stack = run.stack()
    with run.out.status("Reading what is there"):
        made = stack.plan_destroy(delete_data=delete_data)
    destroy_planned(run, stack, made, yes=yes, last=True)


def unlock(run: Run, yes: YesOption = False) -> None:
    """Remove the lock of the stack.

    The run that holds it stops before its next step. Needed only if a run was killed on another machine and you cannot wait
    until its lock expires, at most 30 seconds.

    Example: whatschat-ops unlock -e staging
    """
    stack = run.stack(reading=True)
    if not run.out.confirm(f"Take the lock of {stack.name} away from whoever holds it?", yes=yes):
        run.out.note("Nothing was done.")
        return
    held = stack.unlock()
    run.out.result(UnlockResult(stack.name, held), _render_unlocked)


def show_and_apply(
    run: Run, stack: Stack, made: Plan, question: str, *, yes: bool, last: bool = False
) -> Applied | None:
    """Show a plan, ask, and do it. None when the user says no. `last`: see `Stack.apply`."""
    from whatschat_ops.cli.stack.plan_view import render_plan
    from whatschat_ops.cli.stack.provision_progress import ProgressLines
    from whatschat_ops.stack.waiting import Waiting

    _note_defaults(run, made)
    held = any(step.live is not None and step.live.held for step in made)  # left alone, which should be seen
    if (made.changing or made.blocked or held) and not (run.out.quiet or run.out.as_json):
        shown = render_plan(_report(run, stack, made), everything=run.out.verbose)
        run.out.error_console().print(shown, soft_wrap=True)
    made.require_possible()
    if made.changing and not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was done.")
        return None
    lines = ProgressLines(run.out, total=len(made.changing))
    stack.waiting = Waiting(say=lines.say)
    with lines.shown() as stop:
        return stack.apply(made, lines.on_event, stop=stop, last=last)


def destroy_planned(run: Run, stack: Stack, made: Plan, *, yes: bool, last: bool = False) -> None:
    """Show a plan of deletions, ask, do it, and say what stays. `last`: see `Stack.apply`."""
    question = f"Delete {len(made.changing)} resources of {stack.name}{_data_loss(made)}?"
    applied = show_and_apply(run, stack, made, question, yes=yes, last=last)
    if applied is None:
        return
    kept = tuple(Kept(step.address, step.live.id, step.kept) for step in made if step.live and step.kept)
    result = DestroyResult(stack.name, applied.done, kept, applied.seconds, run.aws.requests)
    run.out.result(result, _render_destroyed)


def _note_defaults(run: Run, made: Plan) -> None:
    """Say that there is no configuration file here, before what is there is changed to the defaults."""
    from whatschat_ops.provision import Action

    if run.loaded.path is None and any(step.action in (Action.UPDATE, Action.REPLACE) for step in made):
        run.out.note(
            f"There is no configs/{run.settings.environment}.yaml in this directory: these are changes to the defaults."
        )


def _report(run: Run, stack: Stack, made: Plan) -> PlanReport:
    """The plan as it is shown: its hints lead to this run's environment."""
    report = stack.report(made)
    hints = (run.out.suggestion(step.hint) if step.hint else None for step in made)
    steps = tuple(replace(shown, hint=hint) for shown, hint in zip(report.steps, hints, strict=True))
    return replace(report, steps=steps)


def _settings_digest(run: Run) -> str:
    """The same for the same settings, wherever they come from."""
    return hashlib.sha256(run.settings.canonical().encode()).hexdigest()


def _load(path: Path, has_options: bool) -> PlanFile:
    from whatschat_ops.provision import load_plan

    if has_options:
        raise UsageError(
            "--adopt and --delete-data are part of the plan in the file.",
            hint=Hint(("plan", "--adopt", "--delete-data", "--out", str(path))),
        )
    try:
        return load_plan(path)
    except UsageError as error:
        settings = path.suffix in (".yaml", ".yml")
        error.hint = Hint(("provision", "--config", str(path))) if settings else _plan_again(path)
        raise


def _plan_again(path: Path) -> Hint:
    return Hint(("plan", "--out", str(path)))


def _data_loss(made: Plan) -> str:
    """The end of a question: which tables lose their rows."""
    losing = [step.live.id.rpartition("/")[2] for step in made.changing if step.loses_data and step.live]
    return f", with all rows of {', '.join(losing)}" if losing else ""


def _render_provisioned(result: ProvisionResult) -> str:
    from whatschat_ops.cli.stack.plan_view import UP_TO_DATE

    outputs = result.outputs
    done = f"{result.stack} is provisioned: {len(result.done)} changes in {result.seconds:.1f} s, {result.requests} requests to AWS."
    lines = [done if result.changes else UP_TO_DATE]
    lines += [f"Endpoint: {outputs.websocket_url}", "", "Try next:"]
    lines += [f"  {line}" for line in result.next_commands]
    return "\n".join(lines)


def _render_destroyed(result: DestroyResult) -> str:
    lines = [f"Kept {kept.address} ({kept.id}): {kept.reason}." for kept in result.kept]
    if result.deleted:
        figures = f"in {result.seconds:.1f} s, {result.requests} requests to AWS"
        lines.append(f"Deleted {len(result.deleted)} resources of {result.stack} {figures}.")
    else:
        lines.append(f"Nothing of {result.stack} is there.")
    return "\n".join(lines)


def _render_unlocked(result: UnlockResult) -> str:
    if result.held is None:
        return f"Nobody holds the lock of {result.stack}."
    held = result.held
    return f"Took the lock of {result.stack} from {held.holder} ({held.host}, {held.command}, since {held.since})."

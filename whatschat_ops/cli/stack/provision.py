"""`provision`, `plan`, `destroy`, `unlock`: the whole stack at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.stack.applying import (
    AdoptOption,
    DeleteDataOption,
    data_loss,
    destroy_planned,
    note_defaults,
    placed_report,
    show_and_apply,
)
from whatschat_ops.cli.stack.saved_plan import load_saved, save_again, settings_digest
from whatschat_ops.errors import ExitCode, Hint
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.provision import PlanReport
    from whatschat_ops.stack.locking.lease import LockHolder
    from whatschat_ops.stack.outputs import StackOutputs

NEXT_COMMANDS = (
    Hint(("token", "mint", "--user", "alice")),
    Hint(("ws", "connect", "--user", "alice")),
    Hint(("status",)),
)


class ProvisionResult(Struct, frozen=True):
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


class UnlockResult(Struct, frozen=True):
    """The holder of the lock that was removed; None if there was no lock."""

    stack: str
    held: LockHolder | None


@audited(plan="plan_file", shows=("done",))
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
    from whatschat_ops.provision.planfile import PlanOptions
    from whatschat_ops.stack.outputs import read_outputs

    saved = load_saved(plan_file, adopt or delete_data) if plan_file else None
    options = saved.options if saved else PlanOptions(adopt, delete_data)
    run.fill_place(options.given)
    stack = run.stack()
    with run.out.status("Reading the resources"):
        made = stack.plan(adopt=options.adopt, delete_data=options.delete_data)
    if saved and plan_file:
        place, again = stack.place, save_again(plan_file)
        if not saved.require_same(made, place, settings_digest(run), again):
            run.out.note(f"The plan of {saved.made_at} is applied already.")
    question = f"Apply this to {stack.name}{data_loss(made)}?"
    applied = show_and_apply(run, stack, made, question, yes=yes or saved is not None)
    if applied is None:
        return
    outputs = read_outputs(run.settings, run.aws, applied.outputs["api.websocket"])
    commands = tuple(map(run.out.suggestion, NEXT_COMMANDS))
    shown, requests = placed_report(run, stack, made), run.aws.requests
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

    Example:
        whatschat-ops plan
        whatschat-ops plan -e production --out plan.json --detailed-exitcode
    """
    from whatschat_ops.cli.stack.plan_view import render_plan

    if out is not None:
        from whatschat_ops.provision.planfile import PlanOptions, require_plan_or_nothing, save_plan

        require_plan_or_nothing(out)
    stack = run.stack(reading=True)
    with run.out.status("Reading the resources"):
        made = stack.plan(adopt=adopt, delete_data=delete_data)
    note_defaults(run, made)
    run.out.result(
        placed_report(run, stack, made), lambda result: render_plan(result, everything=run.out.verbose)
    )
    if out is not None:
        made.require_possible()
        options = PlanOptions(adopt, delete_data, settings_digest(run), run.full_place())
        save_plan(made, out, place=stack.place, options=options)
        run.out.note(Hint(("provision", str(out)), "Saved. To apply exactly this plan"))
    if detailed_exitcode and (made.changing or made.blocked):
        raise typer.Exit(ExitCode.CHANGES)


@audited(delete_data="delete_data", shows=("deleted",))
def destroy(run: Run, yes: YesOption = False, delete_data: DeleteDataOption = False) -> None:
    """Delete the stack.

    Deletes every resource that carries the stack's tag, with all data, and nothing else. The account's CloudWatch role of
    API Gateway stays, because other APIs of the Region may use it. In an AWS account you confirm by typing the name of the stack.

    Example: whatschat-ops destroy -e staging
    """
    from whatschat_ops.cli.target import has_other_users

    stack = run.stack()
    with run.out.status("Reading the resources"):
        made = stack.plan_destroy(delete_data=delete_data)
    name = stack.name if has_other_users(run.settings) else None
    destroy_planned(run, stack, made, yes=yes, by_typing=name, last=True)


@audited()
def unlock(run: Run, yes: YesOption = False) -> None:
    """Remove the lock of the stack.

    The run that holds it stops before its next step. Needed only if a run was killed on another machine and you cannot wait
    until its lock expires, at most 30 seconds.

    Example: whatschat-ops unlock -e staging
    """
    stack = run.stack(reading=True)
    if not run.out.confirm(f"Remove the lock of {stack.name}?", yes=yes):
        run.out.note("Nothing was changed.")
        return
    held = stack.unlock()
    if held is not None:
        run.acts_on(holder=held.holder, holder_host=held.host, holder_command=held.command)
    run.out.result(UnlockResult(stack.name, held), _render_unlocked)


def _render_provisioned(result: ProvisionResult) -> str:
    from whatschat_ops.cli.stack.plan_view import UP_TO_DATE

    outputs = result.outputs
    done = f"{result.stack} is provisioned: {counted(len(result.done), 'change')} in {result.seconds:.1f} s, {counted(result.requests, 'request')} to AWS."
    lines = [done if result.changes else UP_TO_DATE]
    lines += [f"Endpoint: {outputs.websocket_url}", "", "Try next:"]
    lines += [f"  {line}" for line in result.next_commands]
    return "\n".join(lines)


def _render_unlocked(result: UnlockResult) -> str:
    if result.held is None:
        return f"{result.stack} is not locked."
    held = result.held
    return f"Removed the lock of {result.stack} held by {held.holder} ({held.host}, {held.command}, since {held.since})."

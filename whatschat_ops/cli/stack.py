"""`provision`, `plan`, `status`, `destroy`: the whole stack at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.command import Run, YesOption, command
from whatschat_ops.errors import ExitCode

if TYPE_CHECKING:
    from whatschat_ops.provision import Applied, Plan, PlanReport
    from whatschat_ops.stack.outputs import StackOutputs
    from whatschat_ops.stack.stack import Stack

AdoptOption = Annotated[
    bool,
    typer.Option("--adopt", help="Take over resources that have our names and carry no stack's tag."),
]
DeleteDataOption = Annotated[
    bool, typer.Option("--delete-data", help="Also delete tables whose deletion protection is on.")
]
NEXT_COMMANDS = (
    "whatschat-ops token mint --user alice",
    "whatschat-ops ws connect --user alice",
    "whatschat-ops status",
)


@dataclass(frozen=True, slots=True)
class ProvisionResult:
    """What `provision` did: `done` are the addresses of the changed resources."""

    stack: str
    changes: bool
    done: tuple[str, ...]
    seconds: float
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


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    command(app)(provision)
    command(app)(plan)
    command(app)(status)
    command(app)(destroy)


def provision(
    run: Run, yes: YesOption = False, adopt: AdoptOption = False, delete_data: DeleteDataOption = False
) -> None:
    """Create or update the whole stack, after showing what will be done.

    It may be run again at any time, also after a failure or a kill: it reads what is there and does what is missing.
    JWT_SECRET, if set, becomes the secret that signs tokens; else one is generated.

    Example: whatschat-ops provision --yes
    """
    from whatschat_ops.stack.outputs import read_outputs

    stack = open_stack(run)
    with run.out.status("Reading what is there"):
        made = stack.plan(adopt=adopt, delete_data=delete_data)
    applied = show_and_apply(run, stack, made, f"Apply this to {stack.name}?", yes=yes)
    if applied is None:
        return
    outputs = read_outputs(run.settings, run.aws)
    again = () if run.settings.environment == "local" else ("-e", run.settings.environment)
    commands = tuple(" ".join((line, *again)) for line in NEXT_COMMANDS)
    result = ProvisionResult(
        stack.name, bool(applied.done), applied.done, applied.seconds, stack.report(made), outputs, commands
    )
    run.out.result(result, _render_provisioned)


def plan(
    run: Run,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 when there are changes.")
    ] = False,
    adopt: AdoptOption = False,
    delete_data: DeleteDataOption = False,
) -> None:
    """Show what provision would do, without doing it.

    Example: whatschat-ops plan --detailed-exitcode && echo nothing to do
    """
    from whatschat_ops.cli.plan_view import render_plan

    stack = open_stack(run)
    with run.out.status("Reading what is there"):
        made = stack.plan(adopt=adopt, delete_data=delete_data)
    if not run.out.as_json:  # with --json the error below is the only document
        run.out.result(stack.report(made), lambda result: render_plan(result, everything=run.out.verbose))
    made.require_possible()
    if run.out.as_json:
        run.out.result(stack.report(made), render_plan)
    if detailed_exitcode and made.changing:
        raise typer.Exit(ExitCode.CHANGES)


def status(run: Run) -> None:
    """Show every resource of the stack: in sync, drifted or missing, and its identity in AWS."""
    from whatschat_ops.cli.plan_view import render_status
    from whatschat_ops.stack.status import status_of

    stack = open_stack(run)
    with run.out.status("Reading what is there"):
        made = stack.plan()
    found = status_of(made, stack.name)
    run.out.result(found, render_status)
    if not found.provisioned:
        run.out.note(f"The stack {stack.name} is not provisioned. Start with: whatschat-ops provision")


def destroy(run: Run, yes: YesOption = False, delete_data: DeleteDataOption = False) -> None:
    """Delete the whole stack with all its data: everything that carries its tag, and nothing else.

    The Region-wide log role of API Gateway stays, because other APIs may use it.
    """
    stack = open_stack(run)
    with run.out.status("Reading what is there"):
        made = stack.plan_destroy(delete_data=delete_data)
    destroy_planned(run, stack, made, yes=yes)


def open_stack(run: Run) -> Stack:
    """The stack of this run's settings, with the JWT secret of the environment."""
    from whatschat_ops.redaction import Secret
    from whatschat_ops.stack.stack import Stack

    secret = os.environ.get("JWT_SECRET")
    if secret and len(secret.encode()) < 32:
        run.out.warn("JWT_SECRET is shorter than 32 bytes, which is too short for HS256 (RFC 7518, 3.2).")
    return Stack(run.settings, run.aws, Secret(secret) if secret else None)


def show_and_apply(run: Run, stack: Stack, made: Plan, question: str, *, yes: bool) -> Applied | None:
    """Show a plan, ask, and do it. None when the user says no."""
    from whatschat_ops.cli.plan_view import render_plan
    from whatschat_ops.cli.provision_progress import ProgressLines
    from whatschat_ops.stack.waiting import Waiting

    if made.changing or made.blocked:
        shown = render_plan(stack.report(made), everything=run.out.verbose)
        if not (run.out.quiet or run.out.as_json):
            run.out.error_console().print(shown, soft_wrap=True)
    made.require_possible()
    if made.changing and not run.out.confirm(question, yes=yes):
        run.out.note("Nothing was done.")
        return None
    lines = ProgressLines(run.out)
    stack.waiting = Waiting(say=lines.say)
    with lines.shown() as stop:
        return stack.apply(made, lines.on_event, stop=stop)


def destroy_planned(run: Run, stack: Stack, made: Plan, *, yes: bool) -> None:
    """Show a plan of deletions, ask, do it, and say what stays."""
    question = f"Delete {len(made.changing)} resources of {stack.name}?"
    if any(step.note == "its data is lost" for step in made.changing):
        question = f"Delete {len(made.changing)} resources of {stack.name}, with all rows of its tables?"
    applied = show_and_apply(run, stack, made, question, yes=yes)
    if applied is None:
        return
    kept = tuple(
        Kept(step.address, step.live.id, step.note.removeprefix("kept: "))
        for step in made
        if step.live is not None and step.note is not None and step.note.startswith("kept: ")
    )
    run.out.result(DestroyResult(stack.name, applied.done, kept, applied.seconds), _render_destroyed)


def _render_provisioned(result: ProvisionResult) -> str:
    from whatschat_ops.cli.plan_view import UP_TO_DATE

    outputs = result.outputs
    done = f"{result.stack} is provisioned: {len(result.done)} changes in {result.seconds:.1f} s."
    lines = [done if result.changes else UP_TO_DATE]
    lines += [f"Endpoint: {outputs.websocket_url}", "", "Try next:"]
    lines += [f"  {line}" for line in result.next_commands]
    return "\n".join(lines)


def _render_destroyed(result: DestroyResult) -> str:
    lines = [f"Kept {kept.address} ({kept.id}): {kept.reason}." for kept in result.kept]
    if result.deleted:
        lines.append(f"Deleted {len(result.deleted)} resources of {result.stack} in {result.seconds:.1f} s.")
    else:
        lines.append(f"Nothing of {result.stack} is there.")
    return "\n".join(lines)

"""Show a plan, ask, and apply it: what the commands that change the stack have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Missing
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.pricing.rates import Rate
    from whatschat_ops.provision import Applied, Plan, PlanReport
    from whatschat_ops.provision.report import CostReport
    from whatschat_ops.stack.stack import Stack

TOPIC = "topic.alarms"
"""Wanted when `monitoring` is on."""

AdoptOption = Annotated[
    bool,
    typer.Option("--adopt", help="Take over resources with the stack's names that carry no stack's tag"),
]
DeleteDataOption = Annotated[
    bool, typer.Option("--delete-data", help="Also delete tables that have deletion protection")
]


class Kept(Struct, frozen=True):
    """A resource that `destroy` did not delete, and why."""

    address: str
    id: str
    reason: str


class DestroyResult(Struct, frozen=True):
    """What `destroy` did."""

    stack: str
    deleted: tuple[str, ...]
    kept: tuple[Kept, ...]
    seconds: float
    requests: int


def show_and_apply(
    run: Run,
    stack: Stack,
    made: Plan,
    question: str,
    *,
    yes: bool,
    by_typing: str | None = None,
    last: bool = False,
) -> Applied | None:
    """Show a plan, ask, and apply it. None when the user declines. `by_typing`: see `Output.confirm`; `last`: `Stack.apply`."""
    from whatschat_ops.cli.stack.plan_view import render_plan
    from whatschat_ops.cli.stack.provision_progress import ApplyProgress
    from whatschat_ops.stack.waiting import Waiting

    note_defaults(run, made)
    held = any(step.live is not None and step.live.held for step in made)  # unchanged, but worth showing
    if (made.changing or made.blocked or held) and not (run.out.quiet or run.out.as_json):
        run.out.notes(render_plan(placed_report(run, stack, made), everything=run.out.verbose))
    else:
        for step in made:
            for warning in step.warnings:
                run.out.warn(f"{step.address}: {warning}")
    made.require_possible()
    if made.changing and not run.out.confirm(question, yes=yes, by_typing=by_typing):
        run.out.note("Nothing was changed.")
        return None
    lines = ApplyProgress(run.out, total=len(made.changing))
    stack.waiting = Waiting(say=lines.say)
    with lines.shown() as stop:
        return stack.apply(made, lines.on_event, stop=stop, last=last)


def destroy_planned(
    run: Run, stack: Stack, made: Plan, *, yes: bool, by_typing: str | None = None, last: bool = False
) -> None:
    """Show a plan of deletions, ask, apply it, and print what was deleted and kept. Options as of `show_and_apply`."""
    question = f"Delete {counted(len(made.changing), 'resource')} of {stack.name}{data_loss(made)}?"
    applied = show_and_apply(run, stack, made, question, yes=yes, by_typing=by_typing, last=last)
    if applied is None:
        return
    kept = tuple(Kept(step.address, step.live.id, step.kept) for step in made if step.live and step.kept)
    result = DestroyResult(stack.name, applied.done, kept, applied.seconds, run.aws.requests)
    run.out.result(result, _render_destroyed)


def note_defaults(run: Run, made: Plan) -> None:
    """Say that there is no configuration file here, before existing resources are changed to the defaults."""
    from whatschat_ops.provision import Action

    if run.loaded.path is None and any(step.action in (Action.UPDATE, Action.REPLACE) for step in made):
        run.out.note(
            f"configs/{run.settings.environment}.yaml is not in this directory: these are changes to the defaults."
        )


def placed_report(run: Run, stack: Stack, made: Plan) -> PlanReport:
    """The plan as it is shown, with hints for this run's environment."""
    report = stack.report(made)
    hints = (run.out.suggestion(step.hint) if step.hint else None for step in made)
    steps = tuple(replace(shown, hint=hint) for shown, hint in zip(report.steps, hints, strict=True))
    return replace(report, steps=steps, monthly_costs=_monthly_costs(run) if TOPIC in made.known else ())


def _monthly_costs(run: Run) -> tuple[CostReport, ...]:
    """What `monitoring` costs, on the prices of the stack's Region."""
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.stack.monthly_costs import monthly_usage, priced, table_size_bytes

    rates: dict[str, Rate] = {}
    with suppress(Missing):  # the prices of this Region are not known
        rates.update(aws_card(region=run.settings.aws.region).rates.items())
    usage = monthly_usage(run.settings, table_size_bytes(run.settings, run.aws))
    return tuple(priced(each, rates) for each in usage)


def data_loss(made: Plan) -> str:
    """The end of a question: the tables whose rows are deleted."""
    losing = [step.live.id.rpartition("/")[2] for step in made.changing if step.loses_data and step.live]
    return f", with all rows of {', '.join(losing)}" if losing else ""


def _render_destroyed(result: DestroyResult) -> str:
    lines = [f"Kept {kept.address} ({kept.id}): {kept.reason}." for kept in result.kept]
    if result.deleted:
        figures = f"in {result.seconds:.1f} s, {counted(result.requests, 'request')} to AWS"
        lines.append(f"Deleted {counted(len(result.deleted), 'resource')} of {result.stack} {figures}.")
    else:
        lines.append(f"{result.stack} has no resources.")
    return "\n".join(lines)

"""`ws load --engine distributed`: the worker made on first use, its test followed, stopped and estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import SocketMode, TokenVia
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.progress import ProgressView
from whatschat_ops.cli.terminal.tables import Blocks, Facts
from whatschat_ops.cli.ws.by_workers import cost_table
from whatschat_ops.errors import PermissionDenied, UsageError
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.load.distributed.engine import FleetProgress
    from whatschat_ops.load.distributed.estimate import LoadEstimate
    from whatschat_ops.load.plan import LoadPlan
    from whatschat_ops.load.report import LoadReport


def require_own_stack(run: Run, mode: SocketMode, url: str | None) -> None:
    """Raise UsageError for what workers do not do: they connect to the API that their function is configured with, and to nothing else."""
    from whatschat_ops.broadcast.distributed.engine import require_enabled

    if url is not None or mode is not SocketMode.APIGATEWAY:
        raise UsageError(
            f"{'--endpoint' if url is not None else '--mode ' + mode.value} is for this machine's sockets: workers load "
            "the stack's own API, and no other.",
            hint="Omit --engine distributed.",
        )
    require_enabled(run.settings)


def estimate(run: Run, plan: LoadPlan, workers: int | None) -> None:
    """Print what the test would come to."""
    from whatschat_ops.load.distributed.estimate import load_estimate
    from whatschat_ops.load.plan import warnings_about
    from whatschat_ops.pricing.rates import aws_card
    from whatschat_ops.stack.concurrency import account_concurrency, starved_by

    require_own_stack(run, plan.mode, None)
    count = _bounded(plan, workers)
    obstacles = list(warnings_about(plan))
    try:
        _, unreserved = account_concurrency(run.aws)
        obstacles.append(starved_by(count, unreserved, "while the test runs"))
    except PermissionDenied as error:
        run.out.warn(f"The account's concurrent executions are not known: {error.message}")
    card = aws_card(region=run.aws.region)
    found = load_estimate(plan, count, card, run.settings, tuple(filter(None, obstacles)))
    run.out.result(found, _render)


def run_on_workers(run: Run, plan: LoadPlan, workers: int | None, via: TokenVia) -> LoadReport:
    """The whole test. Its objects are deleted at the end, however it ends: there are tokens among them."""
    from whatschat_ops.load.distributed import engine

    count = _bounded(plan, workers)
    _make_worker(run)
    run_id = engine.new_run_id()
    fleet = engine.Fleet(
        engine.bucket_of(run.settings, run.aws),
        engine.invoker(run.settings, run.aws),
        plan,
        count,
        via,
        run.tokens(),
        run_id,
    )
    run.out.note(f"Load test {run_id}: {counted(count, 'worker')}.")
    view = ProgressView(run.out)
    try:
        with (
            stop_on_interrupt(
                lambda: view.say("Interrupted: the workers wait for the last answers.")
            ) as stop,
            view.shown(f"Opening {counted(plan.sockets, 'socket')} from {counted(count, 'worker')}"),
        ):
            return fleet.run(stop, lambda it: view.update(lambda: _words(it, plan, count)))
    finally:
        engine.forget_run(run.settings, run.aws, run_id)


def stop(run: Run, run_id: str) -> None:
    """End a test that another command follows."""
    from whatschat_ops.load.distributed.engine import stop_run

    stop_run(run.settings, run.aws, run_id)
    run.out.note(f"The workers of {run_id} end within seconds; the command that began it prints the report.")


def _bounded(plan: LoadPlan, workers: int | None) -> int:
    from whatschat_ops.load.distributed.sharing import check_bounds, workers_for

    count = workers_for(plan.sockets, workers)
    check_bounds(plan, count)
    return count


def _make_worker(run: Run) -> None:
    """The worker's function, role and log group, as this version has them. Nothing is changed when they are there."""
    stack = run.stack()
    with run.out.status("Preparing the worker"):
        made = stack.plan_load_worker()
        made.require_possible()
        if made.changing:
            stack.apply(made)


def _words(it: FleetProgress, plan: LoadPlan, workers: int) -> str:
    parts = [
        f"{it.workers:,} of {workers:,} workers: {it.open_sockets:,} of {plan.sockets:,} open",
        f"{it.sent_per_s:,}/s sent, {it.arrived_per_s:,}/s arrived",
    ]
    counts = ((it.refused, "refused"), (it.lost, "lost"))
    return ", ".join([*parts, *(f"{count:,} {word}" for count, word in counts if count)])


def _render(it: LoadEstimate) -> Blocks:
    facts: dict[str, Any] = {
        "Workers": f"{it.workers:,}, each with up to {it.sockets_of_a_worker:,} of {it.sockets:,} sockets",
        "Messages": f"about {it.messages:,}",
        "Time": f"about {it.duration_s:,.0f} s, with {it.connect_rate_per_s:g} new connections per second",
        "To be raised": "\n".join(it.obstacles),
    }
    return Blocks([Facts(facts), "", cost_table(it.lines, it.total, "without functions and table")])

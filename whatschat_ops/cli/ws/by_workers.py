"""`ws prune` and `ws disconnect` with `--engine distributed`: the workers of distributed broadcasts ask about, or close, every connection."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.choices import EngineName
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, figures
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whatschat_ops.broadcast.distributed.arithmetic import Line
    from whatschat_ops.broadcast.housekeeping import HousekeepingEstimate

EngineOption = Annotated[
    EngineName,
    typer.Option("--engine", help="Work from this machine, or from Lambda functions for large tables"),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=1_000,
        help="Workers at once of --engine distributed, also of a run that is resumed [default: the settings']",
    ),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Start with --engine distributed, and do not follow it")
]
ResumeOption = Annotated[
    str | None,
    typer.Option("--resume", metavar="RUN", help="Resume a run of --engine distributed, or the latest"),
]


@dataclass(frozen=True, slots=True)
class Workers:
    """What the command line says of the run: see the options."""

    engine: EngineName
    workers: int | None
    detach: bool
    resume: str | None

    def has_run(self, run: Run, kind: str, rate_per_s: float | None, question: str, **asked: bool) -> bool:
        """Begin or resume a run of a `kind`; False when this machine is to do it. `asked`: dry_run and yes. Raises UsageError."""
        from whatschat_ops.broadcast.broadcasting import SendRate
        from whatschat_ops.broadcast.journal.summary import Tolerance
        from whatschat_ops.cli.ws.running import resume_run

        if self.resume is not None:
            resume_run(run, self.resume, SendRate(rate_per_s), Tolerance(), self.workers, kind=kind)
            return True
        if self.engine is EngineName.LOCAL:
            if self.detach or self.workers is not None:
                raise UsageError(
                    f"{'--detach' if self.detach else '--workers'} needs --engine distributed: only Lambda functions work without this command."
                )
            return False
        self._begin(run, kind, rate_per_s, question, **asked)
        return True

    def _begin(
        self, run: Run, kind: str, rate_per_s: float | None, question: str, *, dry_run: bool, yes: bool
    ) -> None:
        from whatschat_ops.broadcast.broadcasting import SendRate, send_policy
        from whatschat_ops.broadcast.distributed.engine import require_enabled
        from whatschat_ops.broadcast.journal.summary import Tolerance
        from whatschat_ops.broadcast.order import Order
        from whatschat_ops.cli.ws.running import work_on

        require_enabled(run.settings)
        work = run.broadcasts().with_workers(self.workers)
        policy = send_policy(run.settings, run.aws.region, SendRate(rate_per_s))
        if dry_run:
            run.out.result(work.estimate_of_kind(kind, policy), render_estimate)
            return
        about = f"{question} (about {work.about_how_many():,} rows)"
        if not run.confirm_for_users(lambda: about, yes=yes):
            run.out.note("Nothing was changed.")
            return
        journal = work.begin(Order.of_all(kind), policy, engine=EngineName.DISTRIBUTED)
        work_on(run, work, journal, policy, Tolerance(), detach=self.detach)


def require_distributed(given: bool, needs: str, example: tuple[str, ...]) -> None:
    """Raise UsageError unless the option that workers need is `given`."""
    if not given:
        raise UsageError(f"--engine distributed needs {needs}.", hint=Hint(example))


def render_estimate(it: HousekeepingEstimate) -> Shown:
    """What a run would come to."""
    from whatschat_ops.cli.ws.broadcast_progress import time_words

    rows = {
        "Rows": f"about {it.rows:,}, as DynamoDB last counted them",
        "Time": f"at least {time_words(it.duration_s)} ({it.rate_per_s:,.0f} requests per second)",
        "Workers": f"{it.workers:,} at once for {counted(it.shards, 'shard')}, each at {it.worker_rate_per_s:,.0f} per second",
    }
    rows |= {"To be raised": "\n".join(it.quotas)} if it.quotas else {}
    return Blocks([Facts(rows), "", cost_table(it.cost, it.total, "without deletions")])


def cost_table(cost: Iterable[Line], total: Decimal, but: str) -> Table:
    """What is metered, and the sum of the prices that are known; `but`: what the sum is without."""
    from whatschat_ops.pricing.amounts import show_amount, show_money

    lines = [
        (
            line.item,
            f"{show_amount(Decimal(line.quantity))} {line.unit}{'' if line.quantity == 1 else 's'}",
            "not found" if line.cost is None else show_money(line.cost),
        )
        for line in cost
    ]
    lines.append((f"Total {but}", "", show_money(total)))
    return Table((Column("Cost", wraps=True), *figures("Quantity", "AWS")), lines)

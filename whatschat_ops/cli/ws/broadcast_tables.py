"""How broadcasts look: a dry run, a summary, past runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from whatschat_ops.choices import BROADCAST
from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, figures
from whatschat_ops.cli.terminal.times import local_time, relative
from whatschat_ops.measure.histogram import shown
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.broadcast.estimate import BroadcastEstimate, CostLine, Distribution
    from whatschat_ops.broadcast.journal.summary import FailureGroup, RunDetails, RunSummary


REASONS = 10
"""The most reasons of failures that are shown."""


def render_summary(summary: RunSummary) -> Shown:
    """The counts in one row, and below them why connections failed."""
    counts = (summary.connections, summary.delivered, summary.gone, summary.failed, summary.pruned)
    table = Table(
        figures("Connections", "Delivered", "Gone", "Failed", "Pruned rows", "Metered messages", "Seconds"),
        [(*(f"{count:,}" for count in (*counts, summary.metered_messages)), f"{summary.duration_s:,.2f}")],
    )
    return Blocks([table, "", render_failures(summary.failures)]) if summary.failures else table


def render_failures(failures: Sequence[FailureGroup]) -> Table:
    """Reasons, how many connections each, and some of these."""
    rows: list[tuple[str | Styled, ...]] = []
    for failure in failures[:REASONS]:
        examples = ", ".join(failure.examples[:3]) + (", ..." if len(failure.examples) > 3 else "")
        rows.append((f"{failure.connections:,}", failure.reason, Styled(examples, "dim")))
    rest = sum(failure.connections for failure in failures[REASONS:])
    if rest:
        rows.append((f"{rest:,}", "other reasons: ws broadcasts show RUN --failures"))
    return Table((*figures("Failed"), Column("Reason", wraps=True), Column("For example", wraps=True)), rows)


def render_estimate(it: BroadcastEstimate) -> Shown:
    """What a broadcast would come to."""
    from whatschat_ops.cli.ws.broadcast_progress import time_words

    users = "more than 2,000,000 users" if it.users is None else counted(it.users, "user")
    rows = {
        "To": f"{it.selection}: {counted(it.connections, 'connection')} of {users}",
        "Message": f"{counted(it.size_bytes, 'byte')}, billed as "
        f"{counted(it.metered_messages // max(1, it.connections), 'message')} of 32 KB for each connection"
        if it.connections
        else counted(it.size_bytes, "byte"),
        "Time": f"at least {time_words(it.duration_s)} "
        f"({it.burst_limit:,} at once, then {it.rate_limit_per_s:,.0f} per second)",
    }
    if it.distribution is not None:
        rows |= _distribution_rows(it.distribution)
    return Blocks([Facts(rows), "", _cost_table(it)]) if it.cost else Facts(rows)


def _distribution_rows(it: Distribution) -> dict[str, str]:
    from whatschat_ops.cli.ws.broadcast_progress import time_words

    rows = {
        "Workers": f"{it.workers:,} at once for {counted(it.shards, 'shard')}, "
        f"each at {it.worker_rate_per_s:,.0f} per second",
        "Of the time": f"{time_words(it.rate_s)} at the rate, {time_words(it.dispatch_s)} until all workers are begun, "
        f"{time_words(it.starts_s)} for their starts",
    }
    return rows | ({"To be raised": "\n".join(it.quotas)} if it.quotas else {})


def _cost_table(it: BroadcastEstimate) -> Table:
    from whatschat_ops.pricing.amounts import show_money

    rows: list[list[str | Styled]] = [
        [
            line.item,
            _quantity(line),
            "-" if line.guide is None else show_money(line.guide),
            "not found" if line.aws is None else show_money(line.aws),
        ]
        for line in it.cost
    ]
    total = ("Total", "", show_money(it.guide_total), show_money(it.aws_total))
    rows.append([Styled(text, "bold") for text in total])
    return Table(
        (Column("Cost", wraps=True), *figures("Quantity", "Guide", f"AWS ({it.price_region})")), rows
    )


def _quantity(line: CostLine) -> str:
    from whatschat_ops.pricing.amounts import show_amount

    unit = line.unit if line.quantity == 1 or line.unit == "GB" else f"{line.unit}s"
    return f"{show_amount(line.quantity)} {unit}"


def render_runs(runs: Sequence[RunSummary]) -> Table:
    """Past runs, one in a row."""
    columns = (
        *(
            Column("Run"),
            Column("Kind"),
            Column("Started", optional=True),
            Column("Environment", optional=True),
        ),
        *(Column("State"), *figures("Connections", "Delivered", "Gone", "Failed")),
    )
    return Table(
        columns,
        [
            (
                run.run_id,
                run.kind,
                relative(datetime.fromisoformat(run.created_at)),
                run.environment,
                Styled(run.state.value, "" if run.state.value == "finished" else "yellow"),
                *(f"{count:,}" for count in (run.connections, run.delivered, run.gone, run.failed)),
            )
            for run in runs
        ],
        empty="No broadcasts.",
    )


def facts_of(details: RunDetails) -> Iterator[tuple[str, str]]:
    """All that is known of a run but its connections and its counts."""
    from whatschat_ops.broadcast.kinds import KINDS
    from whatschat_ops.cli.ws.conversation import printable

    sent = details.message
    message = sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False)
    run = details.summary
    yield "Run", run.run_id
    yield "Kind", run.kind
    yield "State", f"{run.state.value}{'' if run.list_complete else ', the list is not complete'}"
    yield "Stack", f"{run.stack} ({run.environment}), table {run.table}"
    yield "Started", f"{_local_time(run.created_at)} by {details.caller_arn}"
    if run.ended_at:
        yield "Ended", _local_time(run.ended_at)
    yield "To", str(details.selection)
    if run.kind == BROADCAST:
        yield "Message", _shortened(printable(message))
    yield "Rate", f"{shown(run.rate_per_s, ',.0f')}/s on average, {counted(run.attempts, 'attempt')}"
    if run.latency:
        p50, p95, p99 = (
            seconds * 1e3 for seconds in (run.latency.p50_s, run.latency.p95_s, run.latency.p99_s)
        )
        yield "Latency", f"{p50:.0f} / {p95:.0f} / {p99:.0f} ms (p50 / p95 / p99)"
    if run.resumes:
        yield "Resumed", counted(run.resumes, "time")
    if run.in_doubt:
        words = "second copies that may have arrived" if run.kind == BROADCAST else KINDS[run.kind].doubt
        yield "In doubt", f"{run.in_doubt:,}: the most {words}"
    if run.not_pruned and run.not_pruned_because:
        yield "Not deleted", f"{counted(run.not_pruned, 'row')} of gone connections: {run.not_pruned_because}"


def _local_time(moment: str) -> str:
    return local_time(datetime.fromisoformat(moment))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."

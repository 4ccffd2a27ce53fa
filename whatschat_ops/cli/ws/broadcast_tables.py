"""How broadcasts look: a dry run, a summary, past runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from whatschat_ops.measure.histogram import shown

if TYPE_CHECKING:
    from whatschat_ops.broadcast.estimate import BroadcastEstimate, CostLine, Distribution
    from whatschat_ops.broadcast.journal.summary import FailureGroup, RunDetails, RunSummary


REASONS = 10
"""The most reasons of failures that are shown."""


def render_summary(summary: RunSummary) -> Any:
    """The counts in one row, and below them why connections failed."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Connections", "Delivered", "Gone", "Failed", "Pruned rows", "Metered messages", "Seconds"):
        table.add_column(name, justify="right")
    counts = (summary.connections, summary.delivered, summary.gone, summary.failed, summary.pruned)
    table.add_row(
        *(f"{count:,}" for count in (*counts, summary.metered_messages)), f"{summary.duration_s:,.2f}"
    )
    return Group(table, "", render_failures(summary.failures)) if summary.failures else table


def render_failures(failures: Sequence[FailureGroup]) -> Any:
    """Reasons, how many connections each, and some of these."""
    from rich.table import Table
    from rich.text import Text

    table = Table("Failed", "Reason", "For example", box=None, header_style="bold", pad_edge=False)
    table.columns[0].justify = "right"
    for failure in failures[:REASONS]:
        examples = ", ".join(failure.examples[:3]) + (", ..." if len(failure.examples) > 3 else "")
        table.add_row(f"{failure.connections:,}", Text(failure.reason), Text(examples, style="dim"))
    rest = sum(failure.connections for failure in failures[REASONS:])
    if rest:
        table.add_row(f"{rest:,}", "other reasons: ws broadcasts show RUN --failures")
    return table


def render_estimate(it: BroadcastEstimate) -> Any:
    """What a broadcast would come to."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from whatschat_ops.cli.ws.broadcast_progress import time_words

    users = "more than 2,000,000 users" if it.users is None else plural(it.users, "user")
    facts = Table.grid(padding=(0, 2))
    rows = {
        "To": f"{it.selection}: {plural(it.connections, 'connection')} of {users}",
        "Message": f"{plural(it.size_bytes, 'byte')}, billed as "
        f"{plural(it.metered_messages // max(1, it.connections), 'message')} of 32 KB for each connection"
        if it.connections
        else plural(it.size_bytes, "byte"),
        "Time": f"at least {time_words(it.duration_s)} "
        f"({it.burst_limit:,} at once, then {it.rate_limit_per_s:,.0f} per second)",
    }
    if it.distribution is not None:
        rows |= _distribution_rows(it.distribution)
    for name, value in rows.items():
        facts.add_row(name, Text(value))
    return Group(facts, "", _cost_table(it)) if it.cost else facts


def _distribution_rows(it: Distribution) -> dict[str, str]:
    rows = {
        "Workers": f"{it.workers:,} at once for {plural(it.shards, 'shard')}, "
        f"each at {it.worker_rate_per_s:,.0f} per second"
    }
    return rows | ({"To be raised": "\n".join(it.quotas)} if it.quotas else {})


def _cost_table(it: BroadcastEstimate) -> Any:
    from rich.table import Table

    from whatschat_ops.pricing.amounts import show_money

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Cost")
    for name in ("Quantity", "Guide", f"AWS ({it.price_region})"):
        table.add_column(name, justify="right")
    for line in it.cost:
        guide = "-" if line.guide is None else show_money(line.guide)
        table.add_row(line.item, _quantity(line), guide, show_money(line.aws))
    table.add_row("Total", "", show_money(it.guide_total), show_money(it.aws_total), style="bold")
    return table


def _quantity(line: CostLine) -> str:
    from whatschat_ops.pricing.amounts import show_amount

    unit = line.unit if line.quantity == 1 or line.unit == "GB" else f"{line.unit}s"
    return f"{show_amount(line.quantity)} {unit}"


def render_runs(runs: Sequence[RunSummary]) -> Any:
    """Past runs, one in a row."""
    from rich.table import Table
    from rich.text import Text

    table = Table("Run", "Started", "Environment", "State", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for name in ("Connections", "Delivered", "Gone", "Failed"):
        table.add_column(name, justify="right")
    for run in runs:
        state = run.state.value
        table.add_row(
            run.run_id,
            _local_time(run.created_at),
            run.environment,
            Text(state, style="" if state == "finished" else "yellow"),
            *(f"{count:,}" for count in (run.connections, run.delivered, run.gone, run.failed)),
        )
    return table


def render_details(details: RunDetails) -> Any:
    """All that is known of a run but its connections."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(details):
        facts.add_row(name, Text(value))
    return Group(facts, "", render_summary(details.summary))


def _facts(details: RunDetails) -> Iterator[tuple[str, str]]:
    from whatschat_ops.cli.ws.conversation import printable

    sent = details.message
    message = sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False)
    run = details.summary
    yield "Run", run.run_id
    yield "State", f"{run.state.value}{'' if run.list_complete else ', the list is not complete'}"
    yield "Stack", f"{run.stack} ({run.environment}), table {run.table}"
    yield "Started", f"{_local_time(run.created_at)} by {details.caller_arn}"
    if run.ended_at:
        yield "Ended", _local_time(run.ended_at)
    yield "To", str(details.selection)
    yield "Message", _shortened(printable(message))
    yield "Rate", f"{shown(run.rate_per_s, ',.0f')}/s on average, {plural(run.attempts, 'attempt')}"
    if run.latency:
        p50, p95, p99 = (
            seconds * 1e3 for seconds in (run.latency.p50_s, run.latency.p95_s, run.latency.p99_s)
        )
        yield "Latency", f"{p50:.0f} / {p95:.0f} / {p99:.0f} ms (p50 / p95 / p99)"
    if run.resumes:
        yield "Resumed", plural(run.resumes, "time")
    if run.in_doubt:
        yield "In doubt", f"{run.in_doubt:,}: the most second copies that may have arrived"
    if run.not_pruned and run.not_pruned_because:
        yield "Not deleted", f"{plural(run.not_pruned, 'row')} of gone connections: {run.not_pruned_because}"


def plural(count: int, noun: str) -> str:
    """`1 user`, `2,000 users`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _local_time(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."

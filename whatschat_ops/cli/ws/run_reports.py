"""What came of a run, by its kind: the result of the command that began it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import BROADCAST, PRUNE
from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Facts, Table, figures
from whatschat_ops.cli.ws.broadcast_tables import facts_of, render_failures, render_summary

if TYPE_CHECKING:
    from whatschat_ops.broadcast.journal.summary import FailureGroup, RunDetails, RunSummary


@dataclass(frozen=True, slots=True)
class PruneRun:
    """A prune by workers. `scanned == live + gone + failed` when it is finished. Of the rows of `gone` connections, `pruned` are deleted, `kept`
    were written again or are less than a minute old, `not_pruned` could not be deleted.
    """

    run_id: str
    state: str
    scanned: int
    live: int
    gone: int
    pruned: int
    kept: int
    not_pruned: int
    failed: int
    in_doubt: int
    duration_s: float
    failures: tuple[FailureGroup, ...]


@dataclass(frozen=True, slots=True)
class DisconnectRun:
    """A disconnect by workers. `connections == closed + gone + failed` when it is finished; `in_doubt` of the gone may have been closed by it."""

    run_id: str
    state: str
    connections: int
    closed: int
    gone: int
    failed: int
    rows_deleted: int
    in_doubt: int
    duration_s: float
    failures: tuple[FailureGroup, ...]


def result_of(summary: RunSummary) -> tuple[Any, Callable[[Any], Shown]]:
    """The result and what shows it."""
    if summary.kind == BROADCAST:
        return summary, render_summary
    same: dict[str, Any] = {
        "run_id": summary.run_id,
        "state": summary.state.value,
        "gone": summary.gone,
        "failed": summary.failed,
        "in_doubt": summary.in_doubt,
        "duration_s": summary.duration_s,
        "failures": summary.failures,
    }
    if summary.kind == PRUNE:
        same |= {"scanned": summary.connections, "live": summary.delivered, "kept": summary.rewritten}
        return PruneRun(**same, pruned=summary.pruned, not_pruned=summary.not_pruned), _render
    same |= {"connections": summary.connections, "closed": summary.delivered}
    return DisconnectRun(**same, rows_deleted=summary.pruned), _render


def render_details(details: RunDetails) -> Blocks:
    """All that is known of a run but its connections."""
    result, render = result_of(details.summary)
    return Blocks([Facts(dict(facts_of(details))), "", render(result)])


def _render(it: PruneRun | DisconnectRun) -> Shown:
    if isinstance(it, PruneRun):
        columns = {
            "Scanned": it.scanned,
            "Live": it.live,
            "Gone": it.gone,
            "Deleted": it.pruned,
            "Kept": it.kept,
        }
    else:
        columns = {
            "Connections": it.connections,
            "Closed": it.closed,
            "Gone": it.gone,
            "Rows deleted": it.rows_deleted,
        }
    columns["Failed"] = it.failed
    counts = (f"{count:,}" for count in columns.values())
    table = Table(figures(*columns, "Seconds"), [(*counts, f"{it.duration_s:,.2f}")])
    return Blocks([table, "", render_failures(it.failures)]) if it.failures else table

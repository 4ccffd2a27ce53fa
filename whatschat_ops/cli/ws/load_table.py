"""The report of `ws load` as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatschat_ops.choices import SocketMode
from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, figures
from whatschat_ops.measure.histogram import shown

if TYPE_CHECKING:
    from whatschat_ops.load.report import LoadReport
    from whatschat_ops.measure.histogram import Latency


_MODES = {
    SocketMode.SOCKETIO: "Socket.IO: call:ice-candidate events",
    SocketMode.SIMULATED: "Simulated in this process: nothing left the machine",
}


def render(report: LoadReport) -> Blocks:
    """The whole report: what happened, latencies, what became of the messages."""
    parts: list[Shown | str] = [_facts(report)]
    if report.sockets.opened:
        parts += ["", _latencies(report), "", _deliveries(report)]
    if report.workers:
        parts += ["", _workers(report)]
    return Blocks(parts)


def _facts(report: LoadReport) -> Facts:
    from whatschat_ops.load.report import in_words, missing_workers, overload, unmatched_answers

    sockets, tool = report.sockets, report.tool
    return Facts(
        {
            "Mode": _MODES.get(report.plan.mode, ""),
            "Sockets": f"{sockets.opened:,} of {report.plan.sockets:,} opened, {shown(sockets.opened_per_s, ',.0f')}/s",
            "Refused": in_words(sockets.refused),
            "Cut by the other side": in_words(sockets.cut),
            "Not closed in time": f"{sockets.not_closed:,}" if sockets.not_closed else "",
            "Messages": f"{report.ping.sent + report.message.sent:,} sent ({shown(report.sent_per_s, ',.0f')}/s), "
            f"{report.ping.arrived + report.message.arrived:,} arrived ({shown(report.arrived_per_s, ',.0f')}/s)",
            "Not known": unmatched_answers(report),
            "Answered with an error": in_words(report.errors),
            "Not sent": f"{tool.not_sent:,} on closed sockets, {tool.skipped:,} on busy ones"
            if tool.not_sent or tool.skipped
            else "",
            "This program": f"{tool.cpu_share:.0%} of a core; sent {shown(tool.send_delay.p99_ms, ',.1f')} ms late (p99)",
            "Workers": missing_workers(report) or (f"{len(report.workers):,}" if report.workers else ""),
            "Note": overload(report),
        }
    )


def _workers(report: LoadReport) -> Table:
    return Table(
        figures("Worker", "Opened", "Sent", "Arrived", "Lost", "CPU", "Sent late (p99, ms)"),
        [
            (f"{it.worker}", "missing")
            if it.missing
            else (
                *(f"{count:,}" for count in (it.worker, it.opened, it.sent, it.arrived, it.lost)),
                f"{it.cpu_share:.0%}",
                shown(it.send_delay_p99_ms, ",.1f"),
            )
            for it in report.workers
        ],
    )


def _latencies(report: LoadReport) -> Table:
    from whatschat_ops.load.report import latencies

    return Table(
        (Column("Latency (ms)"), *figures("Count", "Mean", "p50", "p90", "p95", "p99", "Max")),
        [(name, f"{latency.count:,}", *_percentiles(latency)) for name, latency in latencies(report)],
    )


def _percentiles(latency: Latency) -> list[str]:
    figures_ms = (
        latency.mean_ms,
        latency.p50_ms,
        latency.p90_ms,
        latency.p95_ms,
        latency.p99_ms,
        latency.max_ms,
    )
    return [shown(figure, ",.1f") for figure in figures_ms]


def _deliveries(report: LoadReport) -> Table:
    from whatschat_ops.load.report import deliveries

    return Table(
        (
            Column("Messages"),
            *figures("Sent", "Expected", "Arrived", "Late", "Lost", "Loss", "Duplicates"),
        ),
        [
            (
                name,
                *(f"{count:,}" for count in (kind.sent, kind.expected, kind.arrived, kind.late, kind.lost)),
                f"{shown(kind.loss_percent, '.3g')} %",
                f"{kind.duplicates:,}",
            )
            for name, kind in deliveries(report)
        ],
    )

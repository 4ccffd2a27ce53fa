"""The report of `ws load` as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import SocketMode
from whatschat_ops.measure.histogram import shown

if TYPE_CHECKING:
    from whatschat_ops.load.report import LoadReport


_MODES = {
    SocketMode.SOCKETIO: "Socket.IO: call:ice-candidate events",
    SocketMode.SIMULATED: "Simulated in this process: nothing left the machine",
}


def render(report: LoadReport) -> Any:
    """The whole report: what happened, latencies, what became of the messages."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [_facts(report)]
    if report.sockets.opened:
        parts += [Text(), _latencies(report), Text(), _deliveries(report)]
    return Group(*parts)


def _facts(report: LoadReport) -> Any:
    from rich.table import Table
    from rich.text import Text

    from whatschat_ops.load.report import in_words, overload, unmatched_answers

    sockets, tool = report.sockets, report.tool
    rows = {
        "Mode": _MODES.get(report.plan.mode, ""),
        "Sockets": f"{sockets.opened:,} of {report.plan.sockets:,} opened, {shown(sockets.opened_per_s, ',.0f')}/s",
        "Refused": in_words(sockets.refused),
        "Cut by the other side": in_words(sockets.cut),
        "Messages": f"{report.ping.sent + report.message.sent:,} sent ({shown(report.sent_per_s, ',.0f')}/s), "
        f"{report.ping.arrived + report.message.arrived:,} arrived ({shown(report.arrived_per_s, ',.0f')}/s)",
        "Not known": unmatched_answers(report),
        "Answered with an error": in_words(report.errors),
        "Not sent": f"{tool.not_sent:,} on closed sockets, {tool.skipped:,} on busy ones"
        if tool.not_sent or tool.skipped
        else "",
        "This program": f"{tool.cpu_share:.0%} of a core; sent {shown(tool.send_delay.p99_ms, ',.1f')} ms late (p99)",
        "Note": overload(report),
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        if text:
            table.add_row(Text(name, "bold"), Text(text))
    return table


def _latencies(report: LoadReport) -> Any:
    from rich.table import Table

    from whatschat_ops.load.report import latencies

    table = Table("Latency (ms)", box=None, header_style="bold", pad_edge=False)
    for name in ("Count", "Mean", "p50", "p90", "p95", "p99", "Max"):
        table.add_column(name, justify="right")
    for name, latency in latencies(report):
        figures = (
            latency.mean_ms,
            latency.p50_ms,
            latency.p90_ms,
            latency.p95_ms,
            latency.p99_ms,
            latency.max_ms,
        )
        table.add_row(name, f"{latency.count:,}", *(shown(figure, ",.1f") for figure in figures))
    return table


def _deliveries(report: LoadReport) -> Any:
    from rich.table import Table

    from whatschat_ops.load.report import deliveries

    table = Table("Messages", box=None, header_style="bold", pad_edge=False)
    for name in ("Sent", "Expected", "Arrived", "Late", "Lost", "Loss", "Duplicates"):
        table.add_column(name, justify="right")
    for name, kind in deliveries(report):
        table.add_row(
            name,
            *(f"{count:,}" for count in (kind.sent, kind.expected, kind.arrived, kind.late, kind.lost)),
            f"{shown(kind.loss_percent, '.3g')} %",
            f"{kind.duplicates:,}",
        )
    return table

"""The report as one HTML file, without scripts or external resources; dark or light as the reader's system. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from whatschat_ops import __version__
from whatschat_ops.load.report import LoadReport, deliveries, in_words, latencies, overload, unmatched_answers
from whatschat_ops.load.timeline import Point
from whatschat_ops.measure.histogram import shown
from whatschat_ops.report.charts import Series, distribution, lines
from whatschat_ops.report.page import document, figures, table


def page(report: LoadReport, *, command: str) -> str:
    """The whole document. `command` is the command line that made it; it must not contain a secret."""
    plan = report.plan
    title = f"Load test of {plan.url}"
    warning = overload(report)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{report.started_at:%Y-%m-%d %H:%M:%S} UTC · whatschat-ops {escape(__version__)} · '
        f"{plan.sockets:,} sockets of {plan.users:,} users, one message of {plan.message_size_bytes:,} bytes "
        f"every {plan.interval_s:g} s each ({escape(plan.traffic.value)}), for {plan.duration_s:g} s</p>",
        f"<p><code>{escape(command)}</code></p>",
        '<p class="warn">Interrupted: the figures are of what was done until then.</p>'
        if report.interrupted
        else "",
        f'<p class="warn">{escape(warning)}</p>' if warning else "",
        _figures(report),
        f"<h2>Latency</h2>{_latency_table(report)}",
        f'<div class="charts">{_distributions(report)}</div>',
        f'<h2>Over time</h2><div class="charts">{_over_time(report)}</div>',
        f"<h2>Messages</h2>{_message_table(report)}",
        f"<h2>Refusals, cuts and errors</h2>{_failures(report)}",
    ]
    return document(title, body)


def _figures(report: LoadReport) -> str:
    sockets = report.sockets
    duplicates = report.ping.duplicates + report.message.duplicates
    values = (
        (f"{sockets.opened:,} / {report.plan.sockets:,}", "sockets opened"),
        (f"{shown(sockets.opened_per_s, ',.0f')} /s", "opened per second"),
        (f"{shown(report.sent_per_s, ',.0f')} /s", "messages sent"),
        (f"{shown(report.arrived_per_s, ',.0f')} /s", "messages arrived"),
        (f"{shown(report.loss_percent, '.3g')} %", "lost"),
        (f"{duplicates:,}", "duplicates"),
        (f"{report.tool.cpu_share:.0%}", "of a core for this program"),
    )
    return figures(values)


def _latency_table(report: LoadReport) -> str:
    rows = [
        (name, f"{of.count:,}", *(shown(ms, ",.1f") for ms in (of.mean_ms, of.p50_ms, of.p90_ms, of.p95_ms, of.p99_ms, of.max_ms)))
        for name, of in (*latencies(report), ("This program: late with sending", report.tool.send_delay))
    ]  # fmt: skip
    return table(("milliseconds", "count", "mean", "p50", "p90", "p95", "p99", "max"), rows)


def _distributions(report: LoadReport) -> str:
    charts = report.charts
    return (
        distribution("Handshakes", charts.handshake, "c4")
        + distribution("Round trips of pings", charts.ping, "c1")
        + distribution("Deliveries of messages to users", charts.message, "c2")
    )


def _over_time(report: LoadReport) -> str:
    points = report.timeline
    at_s = [point.at_s for point in points]
    charts = [
        ("Messages per second", "per second", (("sent", "c1", "sent"), ("arrived", "c4", "arrived"))),
        (
            "Latency of what arrived",
            "milliseconds",
            (("p50", "c1", "p50_ms"), ("p95", "c2", "p95_ms"), ("max", "c3", "max_ms")),
        ),
        ("Open sockets", "sockets", (("open", "c4", "open_sockets"),)),
    ]
    if any(point.refused or point.cut or point.errors for point in points):
        failures = (
            ("refused", "c2", "refused"),
            ("cut", "c3", "cut"),
            ("answered with an error", "c1", "errors"),
        )
        charts.append(("Refusals, cuts and errors", "per second", failures))
    return "".join(
        lines(title, at_s, [Series(name, css, _values(points, field)) for name, css, field in series], unit)
        for title, unit, series in charts
    )


def _values(points: Sequence[Point], field: str) -> list[float | None]:
    """A field of every second. Where nothing arrived there is no latency."""
    return [getattr(point, field) for point in points]


def _message_table(report: LoadReport) -> str:
    rows = [
        (name, *(f"{count:,}" for count in (of.sent, of.expected, of.arrived, of.late, of.lost)), f"{shown(of.loss_percent, '.3g')} %", f"{of.duplicates:,}")
        for name, of in deliveries(report)
    ]  # fmt: skip
    return table(("", "sent", "expected", "arrived", "late", "lost", "loss", "duplicates"), rows)


def _failures(report: LoadReport) -> str:
    found = (
        ("Handshakes refused", in_words(report.sockets.refused)),
        ("First refusal", report.sockets.first_refusal),
        ("Sockets cut by the other side, by close code", in_words(report.sockets.cut)),
        ("Not closed in time", f"{report.sockets.not_closed:,}" if report.sockets.not_closed else ""),
        ("Answered with an error", in_words(report.errors)),
        ("Not known", unmatched_answers(report)),
        ("Not sent: socket closed", f"{report.tool.not_sent:,}" if report.tool.not_sent else ""),
        ("Not sent: socket busy", f"{report.tool.skipped:,}" if report.tool.skipped else ""),
    )
    lines_ = [f"<p>{escape(name)}: {escape(text)}</p>" for name, text in found if text]
    return "".join(lines_) or "<p>None.</p>"

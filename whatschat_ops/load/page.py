"""The report as one HTML file, without scripts or external resources; dark or light as the reader's system. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from whatschat_ops import __version__
from whatschat_ops.load.report import LoadReport, deliveries, in_words, latencies, overload, unmatched_answers
from whatschat_ops.load.timeline import Point
from whatschat_ops.measure.histogram import shown
from whatschat_ops.report.charts import Series, distribution, lines

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --card: #f5f6f8; --ink: #1b1f24; --soft: #57606a; --grid: #d8dee4;
  --c1: #0b63c5; --c2: #b45309; --c3: #a0247a; --c4: #0f766e; --warn: #9a3412; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f1318; --card: #191f27; --ink: #e6e9ed; --soft: #9aa4af; --grid: #323b46;
  --c1: #6cb2ff; --c2: #f5a742; --c3: #ee7fc8; --c4: #4fd1c0; --warn: #fdba74; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1180px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 12px; }
p { margin: 4px 0; } .soft, .label { color: var(--soft); fill: var(--soft); } code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.warn { color: var(--warn); font-weight: 600; margin: 12px 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-top: 20px; }
.figures div { background: var(--card); border-radius: 8px; padding: 12px 14px; } .figures b { display: block; font-size: 20px; line-height: 1.3; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 16px; margin-top: 16px; }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 12px 14px; } figcaption { font-weight: 600; margin-bottom: 4px; }
svg { display: block; width: 100%; height: auto; } .label { font: 11px system-ui, sans-serif; } .grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); }
.fill { stroke: none; } .fill.c1, .key.c1 { fill: var(--c1); background: var(--c1); } .fill.c2, .key.c2 { fill: var(--c2); background: var(--c2); }
.fill.c3, .key.c3 { fill: var(--c3); background: var(--c3); } .fill.c4, .key.c4 { fill: var(--c4); background: var(--c4); }
.legend { display: flex; gap: 16px; flex-wrap: wrap; font-size: 13px; color: var(--soft); } .key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
"""


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
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Even if a text got through unescaped, nothing would be loaded or run.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>{''.join(body)}</body></html>\n"
    )


def _figures(report: LoadReport) -> str:
    sockets = report.sockets
    duplicates = report.ping.duplicates + report.message.duplicates
    figures = (
        (f"{sockets.opened:,} / {report.plan.sockets:,}", "sockets opened"),
        (f"{shown(sockets.opened_per_s, ',.0f')} /s", "opened per second"),
        (f"{shown(report.sent_per_s, ',.0f')} /s", "messages sent"),
        (f"{shown(report.arrived_per_s, ',.0f')} /s", "messages arrived"),
        (f"{shown(report.loss_percent, '.3g')} %", "lost"),
        (f"{duplicates:,}", "duplicates"),
        (f"{report.tool.cpu_share:.0%}", "of a core for this program"),
    )
    cells = "".join(f"<div><b>{escape(value)}</b>{escape(name)}</div>" for value, name in figures)
    return f'<div class="figures">{cells}</div>'


def _latency_table(report: LoadReport) -> str:
    rows = [
        (name, f"{of.count:,}", *(shown(ms, ",.1f") for ms in (of.mean_ms, of.p50_ms, of.p90_ms, of.p95_ms, of.p99_ms, of.max_ms)))
        for name, of in (*latencies(report), ("This program: late with sending", report.tool.send_delay))
    ]  # fmt: skip
    return _table(("milliseconds", "count", "mean", "p50", "p90", "p95", "p99", "max"), rows)


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
    return _table(("", "sent", "expected", "arrived", "late", "lost", "loss", "duplicates"), rows)


def _failures(report: LoadReport) -> str:
    found = (
        ("Handshakes refused", in_words(report.sockets.refused)),
        ("First refusal", report.sockets.first_refusal),
        ("Sockets cut by the other side, by close code", in_words(report.sockets.cut)),
        ("Answered with an error", in_words(report.errors)),
        ("Not known", unmatched_answers(report)),
        ("Not sent: socket closed", f"{report.tool.not_sent:,}" if report.tool.not_sent else ""),
        ("Not sent: socket busy", f"{report.tool.skipped:,}" if report.tool.skipped else ""),
    )
    lines_ = [f"<p>{escape(name)}: {escape(text)}</p>" for name, text in found if text]
    return "".join(lines_) or "<p>None.</p>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

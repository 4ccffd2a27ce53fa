"""The reports of `call test` as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatschat_ops.measure.histogram import shown

if TYPE_CHECKING:
    from whatschat_ops.calls.meeting import MeetingReport
    from whatschat_ops.calls.report import AudioFlow, CallReport
    from whatschat_ops.calls.simulated import SimulatedReport


def render(report: CallReport) -> Any:
    """Stages with their times, then what was measured of the media."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [_stages(report)]
    if report.audio:
        parts += [Text(), _audio(report.audio)]
    if report.data is not None:
        latency = report.data.round_trip
        parts += [
            Text(),
            Text(
                f"Data: {report.data.sent:,} messages sent, {report.data.returned:,} came back, "
                f"round trip p50 {shown(latency.p50_ms, ',.1f')} ms, max {shown(latency.max_ms, ',.1f')} ms"
            ),
        ]
    counts = ", ".join(f"{each.kind} {each.arrived} of {each.sent}" for each in report.signals)
    parts.append(Text(f"Signals that arrived ({report.vocabulary} vocabulary): {counts}"))
    if report.setup_ms is not None:
        parts.append(Text(f"Set-up: {report.setup_ms:,.0f} ms until both heard each other"))
    parts += [Text(f"Note: {remark}") for remark in report.remarks]
    return Group(*parts)


def render_meeting(report: MeetingReport) -> Any:
    """Stages with their times, the servers that were probed, and what was not tested."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [_stages(report)]
    if report.reached:
        table = _table("Check", "Server", "Port", "Outcome", numbers=False)
        for reach in report.reached:
            endpoint = reach.endpoint
            table.add_row(
                endpoint.check, endpoint.host, f"{endpoint.protocol.upper()} {endpoint.port}", reach.outcome
            )
        parts += [Text(), table]
    if report.deleted is not None:
        state = "deleted" if report.deleted else "NOT deleted"
        parts += [Text(), Text(f"Meeting {report.meeting_id} ({report.media_region}): {state}")]
    parts += [Text(f"Note: {remark}") for remark in report.remarks]
    return Group(*parts, *(Text(f"Not tested: {each}") for each in report.not_tested))


def _stages(report: CallReport | MeetingReport) -> Any:
    table = _table("Stage", "Took (ms)", "At (ms)")
    for time in report.stages:
        table.add_row(time.stage, f"{time.took_ms:,.1f}", f"{time.at_ms:,.1f}")
    if report.failure is not None:
        table.add_row(report.failure.stage, "FAILED", "")
    return table


def _audio(flows: tuple[AudioFlow, ...]) -> Any:
    table = _table(
        "Audio",
        "Tone (Hz)",
        "Sent",
        "Pkts",
        "Lost",
        "Pkt. Loss",
        "Jitter (ms)",
        "Bitrate (kbps)",
        "Level (dBFS)",
    )
    for flow in flows:
        table.add_row(
            flow.direction,
            f"{flow.tone_hz}",
            f"{flow.sent:,}",
            f"{flow.packets:,}",
            f"{flow.lost:,}",
            f"{shown(flow.loss_percent, '.3g')} %",
            shown(flow.jitter_ms, ",.1f"),
            shown(flow.bitrate_kbps, ",.0f"),
            shown(flow.level_dbfs, ",.1f"),
        )
    return table


def render_simulated(report: SimulatedReport) -> Any:
    """Every message and what became of it."""
    from rich.console import Group
    from rich.text import Text

    table = _table("Message", "To", "Outcome", numbers=False)
    for message in report.messages:
        table.add_row(message.type, message.to, message.outcome)
    return Group(table, Text(), Text(report.note))


def _table(first: str, *names: str, numbers: bool = True) -> Any:
    from rich.table import Table

    table = Table(first, box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if numbers else "left")
    return table

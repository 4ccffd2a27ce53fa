"""The reports of `call test` as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.measure.histogram import shown
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.calls.meeting import MeetingReport
    from whatschat_ops.calls.report import AudioFlow, CallReport
    from whatschat_ops.calls.simulated import SimulatedReport


def render(report: CallReport) -> Blocks:
    """Stages with their times, then what was measured of the media."""
    parts: list[Shown | str] = [_stages(report)]
    if report.audio:
        parts += ["", _audio(report.audio)]
    if report.data is not None:
        latency = report.data.round_trip
        parts += [
            "",
            f"Data: {counted(report.data.sent, 'message')} sent, {report.data.returned:,} came back, "
            f"round trip p50 {shown(latency.p50_ms, ',.1f')} ms, max {shown(latency.max_ms, ',.1f')} ms",
        ]
    counts = ", ".join(f"{each.kind} {each.arrived} of {each.sent}" for each in report.signals)
    parts.append(f"Signals that arrived ({report.vocabulary} vocabulary): {counts}")
    if report.setup_ms is not None:
        parts.append(f"Set-up: {report.setup_ms:,.0f} ms until both heard each other")
    return Blocks([*parts, *(f"Note: {remark}" for remark in report.remarks)])


def render_meeting(report: MeetingReport) -> Blocks:
    """Stages with their times, the servers that were probed, and what was not tested."""
    parts: list[Shown | str] = [_stages(report)]
    if report.reached:
        parts += ["", _reached(report)]
    if report.deleted is not None:
        state = "deleted" if report.deleted else "NOT deleted"
        parts += ["", f"Meeting {report.meeting_id} ({report.media_region}): {state}"]
    parts += [f"Note: {remark}" for remark in report.remarks]
    return Blocks([*parts, *(f"Not tested: {each}" for each in report.not_tested)])


def _reached(report: MeetingReport) -> Table:
    return Table(
        (Column("Check"), Column("Server"), Column("Port"), Column("Outcome", wraps=True)),
        [
            (
                reach.endpoint.check,
                reach.endpoint.host,
                f"{reach.endpoint.protocol.upper()} {reach.endpoint.port}",
                reach.outcome,
            )
            for reach in report.reached
        ],
    )


def _stages(report: CallReport | MeetingReport) -> Table:
    rows = [(time.stage, f"{time.took_ms:,.1f}", f"{time.at_ms:,.1f}") for time in report.stages]
    if report.failure is not None:
        rows.append((report.failure.stage, "FAILED", ""))
    return Table((Column("Stage"), *figures("Took (ms)", "At (ms)")), rows)


_AUDIO: Final = (
    Column("Audio"),
    *figures(
        *("Tone (Hz)", "Sent", "Pkts", "Lost", "Pkt. Loss", "Jitter (ms)", "Bitrate (kbps)", "Level (dBFS)")
    ),
)


def _audio(flows: tuple[AudioFlow, ...]) -> Table:
    return Table(
        _AUDIO,
        [
            (
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
            for flow in flows
        ],
    )


def render_simulated(report: SimulatedReport) -> Blocks:
    """Every message and what became of it."""
    rows = [(message.type, message.to, message.outcome) for message in report.messages]
    return Blocks(
        [Table((Column("Message"), Column("To"), Column("Outcome", wraps=True)), rows), "", report.note]
    )

"""The gate of a step on the command line: doctor, both paths, and how the verdict is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.cli.terminal.times import duration, local_time
from whatschat_ops.errors import UsageError
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatschat_ops.cli.terminal.lines import Shown, Styled
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.comparison_file import ComparedPaths
    from whatschat_ops.migration.gate import PathFigures
    from whatschat_ops.migration.gating import Gate, GateReport, Replay, ShownCheck
    from whatschat_ops.migration.phases import Phase
    from whatschat_ops.migration.state import Place

MISSING = "-"


def check_gate(
    run: Run,
    service: Service | None,
    *,
    step_at: datetime | None,
    now: datetime,
    comparison: Path | None = None,
) -> GateReport:
    """The verdict on a step of the users of `service` (None: no user has moved yet). Reads only."""
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.gating import of_doctor, with_doctor

    gate = _gate(run)
    if comparison is not None and service is not Service.WEBSOCKET:
        raise UsageError("--comparison is about sockets: the next step is not judged by them.")
    with run.out.status("Reading both paths"):
        if service is None:
            report = of_doctor(gate.thresholds)
        elif comparison is not None:
            report = gate.of_comparison(_compared(run, comparison, step_at, now))
        else:
            report = gate.of_metrics(service, step_at, now)
    return with_doctor(report, *_doctor(run))


def judged_service(place: Place, wanted: Phase) -> Service | None:
    """Whose new path has users now, by whom the step to `wanted` is judged: the same service, else the other one."""
    from whatschat_ops.migration.cohort import Service

    order = (wanted.service, *(service for service in Service if service is not wanted.service))
    return next((service for service in order if place.of(service).new), None)


def replay_gate(run: Run, services: Sequence[Service], past: timedelta, now: datetime) -> list[Replay]:
    """What the gate would have said of each service."""
    gate = _gate(run)
    with run.out.status("Reading both paths"):
        return [gate.replay(service, past, now) for service in services]


def _gate(run: Run) -> Gate:
    from whatschat_ops.migration.gating import Gate

    return Gate(run.aws, run.settings, run.outputs.api_id)


def _compared(run: Run, file: Path, step_at: datetime | None, now: datetime) -> ComparedPaths:
    from whatschat_ops.files import read_text
    from whatschat_ops.migration.comparison_file import compared_paths

    return compared_paths(
        read_text(file, flag="--comparison"), url=run.outputs.websocket_url, since=step_at, now=now
    )


def _doctor(run: Run) -> tuple[list[str], int]:
    """The checks that failed, in a line each, and how many could not be made."""
    from whatschat_ops.cli.doctor import check_all
    from whatschat_ops.doctor import Status
    from whatschat_ops.doctor.catalogue import chosen

    results = check_all(run, chosen(None, only=(), skip=()))
    failed = [f"{each.code} {each.name}: {each.detail}" for each in results if each.status is Status.FAIL]
    return failed, sum(each.status is Status.SKIP for each in results)


# --- shown --------------------------------------------------------------------------------------------------------


def render_gate(report: GateReport) -> Blocks:
    """The verdict, its reasons, and the figures of each check."""
    return Blocks(list(_parts(report)))


def _parts(report: GateReport) -> Iterator[Shown | str | Styled]:
    from whatschat_ops.cli.terminal.lines import Styled

    of = f" of {report.service}" if report.service else ""
    yield Styled(f"Gate{of}: {report.verdict}", "bold")
    yield from (f"  {reason}" for reason in report.reasons)
    if report.wait_seconds is not None:
        yield f"  Wait {duration(report.wait_seconds)}: at the rate seen there is enough to judge then."
    yield from (f"  Note: {note}" for note in report.notes)
    if report.checks:
        yield ""
        yield _table(report.checks)


def _table(checks: Sequence[ShownCheck]) -> Table:
    columns = (
        Column("Check"),
        Column("Path"),
        *figures("Requests", "Errors", "p95 ms", "Reconnects", "410s"),
    )
    rows = []
    for check in checks:
        minutes = (check.until - check.since).total_seconds()
        rows.append((f"{local_time(check.since)}, {duration(minutes)}", "old", *_row(check.old)))
        rows.append((str(check.judgement.verdict), "new", *_row(check.new)))
    return Table(columns, rows)


def _row(path: PathFigures) -> list[str]:
    counts = [path.samples, path.errors, path.latency_p95_ms, path.reconnects, path.gone_410]
    return [MISSING if count is None else f"{count:,.0f}" for count in counts]


def render_replays(replays: Sequence[Replay]) -> Blocks:
    """Each stretch of time with one verdict, and why."""
    from whatschat_ops.cli.terminal.lines import Styled
    from whatschat_ops.migration.replay import stretches

    parts: list[Shown | str | Styled] = []
    for each in replays:
        head = f"Gate of {each.service} since {local_time(each.since)}, every {duration(each.interval_s)}"
        rows = [
            (
                f"{local_time(stretch.since)[:16]} to {stretch.until.astimezone():%H:%M}",
                str(stretch.verdict),
                counted(stretch.times, "check"),
                "; ".join(stretch.reasons),
            )
            for stretch in stretches(each.judgements)
        ]
        table = Table((Column("When"), Column("Verdict"), Column("Times"), Column("Why", wraps=True)), rows)
        parts += [*([""] if parts else []), Styled(head, "bold"), table]
        parts += [f"Note: {note}" for note in each.notes]
    return Blocks(parts)

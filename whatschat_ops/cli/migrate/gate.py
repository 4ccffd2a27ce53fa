"""The gate of a step on the command line: doctor, both paths, and how the verdict is shown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Shown, Styled
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table, figures
from whatschat_ops.cli.terminal.times import duration, local_time
from whatschat_ops.errors import ChecksFailed, Hint, NotProvisioned, UsageError
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.migration.comparison_file import ComparedPaths
    from whatschat_ops.migration.gate import PathFigures
    from whatschat_ops.migration.gating import Gate, GateReport, Replay, ShownCheck
    from whatschat_ops.migration.state import MigrationState
    from whatschat_ops.migration.store import Stored

MISSING = "-"
Parts = list[Shown | str | Styled]


def ask_gate(run: Run, stored: Stored, wanted: MigrationState, comparison: Path | None) -> GateReport:
    """The verdict on a step to `wanted`, by what was measured since the last change. Reads only; doctor reads last."""
    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.gating import judged_service, with_doctor

    service, gate, now = judged_service(stored.state.place, wanted.place), _gate(run), run.aws_now()
    if service is None:
        raise UsageError("No user has moved yet: there is nothing to judge.", hint=Hint(("migrate", "start")))
    if comparison is not None and service is not Service.WEBSOCKET:
        raise UsageError(
            "--comparison is about sockets: this step is judged by calls.", hint=Hint(("migrate", "advance"))
        )
    with run.out.status("Reading both paths"):
        if comparison is None:
            report = gate.of_metrics(service, stored.changed_at, now)
        else:
            report = gate.of_comparison(_compared(run, comparison, stored.changed_at, now))
    return with_doctor(report, *_doctor(run))


def require_passed(run: Run, report: GateReport) -> None:
    """End with exit code 3 unless the gate passed. With --json the result has said why."""
    if run.out.as_json:
        raise typer.Exit(ChecksFailed.exit_code)
    wait = "" if report.wait_seconds is None else f" Wait {duration(report.wait_seconds)}."
    hint = Hint(("migrate", "advance", "--force"), "To advance all the same, which the audit log records")
    what = "failed" if report.verdict == "fail" else "is inconclusive"
    raise ChecksFailed(f"The gate {what}: {report.reasons[0].rstrip('.')}.{wait}", hint=hint)


def show_replay(run: Run, past: str) -> None:
    """Print what the gate would have said of each service that the settings turn on."""
    from whatschat_ops.cli.durations import parse_duration
    from whatschat_ops.migration.migrating import services_on

    length, gate, now = parse_duration(past, "--replay"), _gate(run), run.aws_now()
    if not 0 < length.total_seconds() <= MAX_REPLAY_S:
        raise UsageError(
            "--replay is more than 0 and at most 14d: CloudWatch keeps the metrics of minutes for 15 days."
        )
    with run.out.status("Reading both paths"):
        replays = [gate.replay(service, length, now) for service in services_on(run.settings)]
    run.out.result(replays, render_replays)


MAX_REPLAY_S = 14 * 24 * 3600


def _gate(run: Run) -> Gate:
    from whatschat_ops.migration.gating import Gate

    api_id = ""  # calls are migrated without an API, too
    with suppress(NotProvisioned):
        api_id = run.outputs.api_id
    return Gate(run.aws, run.settings, api_id)


def _compared(run: Run, file: Path, step_at: datetime | None, now: datetime) -> ComparedPaths:
    from whatschat_ops.files import read_text
    from whatschat_ops.migration.comparison_file import compared_paths

    text = read_text(file, flag="--comparison")
    return compared_paths(text, url=run.outputs.websocket_url, since=step_at, now=now)


def _doctor(run: Run) -> tuple[list[str], int]:
    """The checks that failed, in a line each, and how many could not be made."""
    from whatschat_ops.cli.doctor import check_all
    from whatschat_ops.doctor import Status
    from whatschat_ops.doctor.catalogue import chosen

    results = check_all(run, chosen(None, only=(), skip=()))
    failed = [f"{each.code} {each.name}: {each.detail}" for each in results if each.status is Status.FAIL]
    return failed, sum(each.status is Status.SKIP for each in results)


# --- shown --------------------------------------------------------------------------------------------------------


def render_gate(report: GateReport) -> Parts:
    """The verdict, its reasons, and the figures of each check."""
    parts: Parts = [Styled(f"Gate of {report.service}: {report.verdict}", "bold")]
    parts += [f"  {reason}" for reason in report.reasons]
    if report.wait_seconds is not None:
        parts.append(
            f"  Wait {duration(report.wait_seconds)}: at the rate seen there is enough to judge then."
        )
    parts += [f"  Note: {note}" for note in report.notes]
    return [*parts, *([_table(report.checks)] if report.checks else []), ""]


def _table(checks: Sequence[ShownCheck]) -> Table:
    counts = figures("Requests", "Errors", "p95 ms", "Reconnects", "410s")
    rows = []
    for check in checks:
        length = duration((check.until - check.since).total_seconds())
        rows.append((f"{local_time(check.since)}, {length}", "old", *_row(check.old)))
        rows.append((str(check.judgement.verdict), "new", *_row(check.new)))
    return Table((Column("Check"), Column("Path"), *counts), rows)


def _row(path: PathFigures) -> list[str]:
    counts = [path.samples, path.errors, path.latency_p95_ms, path.reconnects, path.gone_410]
    return [MISSING if count is None else f"{count:,.0f}" for count in counts]


def render_replays(replays: Sequence[Replay]) -> Blocks:
    """Each stretch of time with one verdict, and why, of each service."""
    return Blocks([part for each in replays for part in _of_replay(each)])


def _of_replay(found: Replay) -> Parts:
    """Each stretch of time with one verdict, and why."""
    from whatschat_ops.migration.replay import stretches

    head = f"Gate of {found.service} since {local_time(found.since)}, every {duration(found.interval_s)}"
    rows = [
        (
            f"{stretch.since.astimezone():%m-%d %H:%M} to {stretch.until.astimezone():%m-%d %H:%M}",
            str(stretch.verdict),
            counted(stretch.times, "check"),
            stretch.reasons[0],
        )
        for stretch in stretches(found.judgements)
    ]
    columns = (Column("When"), Column("Verdict"), Column("Times", right=True), Column("Why", wraps=True))
    return [Styled(head, "bold"), Table(columns, rows), *(f"Note: {note}" for note in found.notes), ""]

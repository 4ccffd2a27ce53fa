"""`doctor`: diagnoses the stack and suggests fixes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import ChecksFailed

if TYPE_CHECKING:
    from whatschat_ops.doctor import CheckResult


class Area(StrEnum):
    """The area to check."""

    WEBSOCKET = "websocket"
    CHIME = "chime"


def doctor(run: Run, area: Annotated[Area | None, typer.Argument(help="Check one area only")] = None) -> None:
    """Diagnose the stack and suggest fixes.

    Checks the eight items of the guide's troubleshooting section, the JWT secret, and that bad tokens are rejected. Changes nothing. Exit code 3 if a check fails.

    Example:
        whatschat-ops doctor
        whatschat-ops doctor websocket -e production
    """
    from whatschat_ops.doctor import guide_checks, run_checks

    checks = guide_checks(run.settings, run.aws, area=area)
    with run.out.status("Checking the stack"):
        results = run_checks(checks, advise=lambda error: advise(error, "doctor"))
    run.out.result(results, lambda results: render_checks(run.out, results))
    require_passed(run.out, results)


def require_passed(out: Output, results: Sequence[CheckResult]) -> None:
    """End with exit code 3 when a check failed."""
    from whatschat_ops.doctor import Status

    failed = [result.name for result in results if result.status is Status.FAIL]
    if failed and not out.as_json:
        raise ChecksFailed(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}.")
    if failed:
        raise typer.Exit(ChecksFailed.exit_code)


def render_checks(out: Output, results: Sequence[CheckResult]) -> Any:
    """One line per check, and below it what to do about it."""
    from rich.table import Table
    from rich.text import Text

    marks = {
        "ok": ("ok", "green"),
        "warn": ("warn", "yellow"),
        "fail": ("FAIL", "red"),
        "skip": ("skip", "dim"),
    }
    table = Table.grid(padding=(0, 2))
    for result in results:
        text, style = marks[result.status]
        table.add_row(Text(text, style=style), result.name, Text(result.detail))
        if result.fix:
            table.add_row("", "", Text(f"Fix: {out.suggestion(result.fix)}", style="bold"))
    return table

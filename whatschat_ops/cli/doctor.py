"""`doctor`: diagnoses the stack, suggests fixes, and applies the safe ones."""

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
    from whatschat_ops.doctor import Check, CheckResult


class Area(StrEnum):
    """The area to check."""

    WEBSOCKET = "websocket"
    CHIME = "chime"
    STACK = "stack"
    APP = "app"
    ALL = "all"


class Format(StrEnum):
    """How the results are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def doctor(
    run: Run,
    area: Annotated[Area | None, typer.Argument(help="Check one area only")] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="CODE[,CODE]", help="Make these checks only")
    ] = None,
    skip: Annotated[
        str | None, typer.Option("--skip", metavar="CODE[,CODE]", help="Skip these checks")
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="Print as text, JSON or JUnit XML")
    ] = Format.TEXT,
) -> None:
    """Diagnose the stack and suggest fixes.

    Names the cause of what does not work, with the command that fixes it; what follows from that cause is not checked. Each check has a code, which docs/doctor.md describes. Changes nothing. Exit code 3 if a check fails.

    Example:
        whatschat-ops doctor
        whatschat-ops doctor websocket -e production
        whatschat-ops doctor --only WS001,WS020 -o junit
    """
    from whatschat_ops.doctor.catalogue import chosen

    run.out.as_json = run.out.as_json or output is Format.JSON
    checks = chosen(None if area in (None, Area.ALL) else str(area), only=_codes(only), skip=_codes(skip))
    with run.out.status("Checking the stack"):
        results = check_all(run, checks)
    if output is Format.JUNIT:
        from whatschat_ops.doctor.junit import as_junit

        run.out.text(as_junit(results, run.out.suggestion))
    else:
        run.out.result(results, lambda results: render_checks(run.out, results))
    require_passed(run.out, results)


def check_all(run: Run, checks: Sequence[Check]) -> list[CheckResult]:
    """Make the checks once, over facts of their own."""
    from whatschat_ops.doctor import Facts, run_checks

    return run_checks(checks, Facts(run.settings, run.aws), advise=lambda error: advise(error, "doctor"))


def _codes(given: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (given or "").split(",") if word.strip())


def require_passed(out: Output, results: Sequence[CheckResult]) -> None:
    """End with exit code 3 when a check failed."""
    from whatschat_ops.doctor import Status

    failed = [f"{result.code} {result.name}" for result in results if result.status is Status.FAIL]
    if failed and not out.as_json:
        raise ChecksFailed(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}.")
    if failed:
        raise typer.Exit(ChecksFailed.exit_code)


def render_checks(out: Output, results: Sequence[CheckResult]) -> Any:
    """One line per check that was made, and below it what to do about it."""
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
        if result.status == "silenced":
            continue
        text, style = marks[result.status]
        table.add_row(Text(text, style=style), result.code, result.name, Text(result.detail))
        if result.evidence:
            table.add_row("", "", "", Text(f"Seen: {result.evidence}", style="dim"))
        if result.fix:
            table.add_row("", "", "", Text(f"Fix: {out.suggestion(result.fix)}", style="bold"))
    silenced = [result for result in results if result.status == "silenced"]
    if silenced:
        because = ", ".join(dict.fromkeys(code for result in silenced for code in result.because))
        said = f"{len(silenced)} checks that depend on {because} were not made."
        table.add_row("", "", "", Text(said, style="dim"))
    return table

"""`doctor`: diagnoses the stack, suggests fixes, and applies the safe ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Styled, aligned
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.tables import Cell, Facts
from whatschat_ops.errors import ChecksFailed, Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.doctor import Check, CheckResult

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "ok": ("ok", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "red"),
    "skip": ("skip", "dim"),
}
"""Status -> what stands for it, and its style."""


class Area(StrEnum):
    """The area to check."""

    WEBSOCKET = "websocket"
    CHIME = "chime"
    STACK = "stack"
    APP = "app"
    ALL = "all"
    BUNDLE = "bundle"


class Format(StrEnum):
    """How the results are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


@audited(area="area", fix="apply_fixes")
def doctor(
    run: Run,
    area: Annotated[
        Area | None,
        typer.Argument(help="Check one area only; `bundle` writes the facts of all checks to FILE"),
    ] = None,
    file: Annotated[
        Path | None, typer.Argument(help="Where `bundle` writes [default: doctor-bundle.json]")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="CODE[,CODE]", help="Make these checks only")
    ] = None,
    skip: Annotated[
        str | None, typer.Option("--skip", metavar="CODE[,CODE]", help="Skip these checks")
    ] = None,
    apply_fixes: Annotated[
        bool, typer.Option("--fix", help="Show and make the repairs that lose no data, then check again")
    ] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="Check again until Ctrl-C, for example 5m")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Check the facts of a bundle, not AWS")
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="Print as text, JSON or JUnit XML")
    ] = Format.TEXT,
    yes: YesOption = False,
) -> None:
    """Diagnose the stack and suggest fixes.

    Names the cause of what does not work, with the command that fixes it; what follows from that cause is not checked. Each
    check has a code, and `explain CODE` says more of it. Changes nothing without --fix. With --every, prints what changes, and ends
    with the exit code of the last time. A bundle has no secrets and no messages; the checks run on it without AWS. Exit code 3 if a check fails.

    Example:
        whatschat-ops doctor
        whatschat-ops doctor websocket -e production --fix
        whatschat-ops doctor --skip WS019 --every 5m
        whatschat-ops doctor --only WS001,WS020 -o junit
        whatschat-ops doctor bundle bundle.json
        whatschat-ops doctor --from bundle.json
    """
    from whatschat_ops.doctor.catalogue import chosen

    if area is Area.BUNDLE:
        from whatschat_ops.cli.doctor_bundle import write_bundle

        write_bundle(run, file)
        return
    if file is not None:
        raise UsageError(
            "FILE is for `bundle` only.", hint="To check the facts of a bundle, give it with --from."
        )
    if source is not None and (apply_fixes or every is not None):
        raise UsageError("--from reads what is in a file: it goes with neither --fix nor --every.")
    run.out.as_json = run.out.as_json or output is Format.JSON
    checks = chosen(None if area in (None, Area.ALL) else str(area), only=_codes(only), skip=_codes(skip))
    if every is not None:
        if apply_fixes or output is Format.JUNIT:
            raise UsageError("--every prints changes as they come: it goes with neither --fix nor JUnit.")
        _watch(run, checks, parse_duration(every, "--every").total_seconds())
        return
    results: Sequence[CheckResult] = check_all(run, checks, source)
    if apply_fixes:
        results = _fixed(run, checks, results, yes=yes)
    _show(run.out, results, output)
    require_passed(run.out, results)


def _show(out: Output, results: Sequence[CheckResult], output: Format) -> None:
    if output is Format.JUNIT:
        from whatschat_ops.doctor.junit import as_junit

        out.text(as_junit(results, out.suggestion))
    else:
        out.result(results, lambda results: render_checks(out, results))


def _fixed(
    run: Run, checks: Sequence[Check], results: Sequence[CheckResult], *, yes: bool
) -> Sequence[CheckResult]:
    """The results after the repairs; those that were given when nothing was repaired."""
    from whatschat_ops.cli.doctor_fixing import fix

    for result in results:
        if result.status in ("fail", "warn"):
            run.out.note(f"{result.code} {result.name}: {result.detail}")
    return check_all(run, checks) if fix(run, checks, results, yes=yes) else results


def _watch(run: Run, checks: Sequence[Check], interval_s: float) -> None:
    """Print the results, then each that changes, until Ctrl-C; the exit code is that of the last time."""
    from rich.text import Text

    from whatschat_ops.cli.terminal.interrupts import interrupted_while_pausing

    results: list[CheckResult] = []
    before: dict[str, CheckResult] = {}
    with suppress(KeyboardInterrupt), interrupted_while_pausing() as pause:
        while True:
            results = check_all(run, checks)
            for result in results:
                was = before.get(result.code)
                if was is None or was.status is not result.status:
                    run.out.stream(result, lambda it, was=was: Text(_line_of(it, was)))  # type: ignore[misc]
            before = {result.code: result for result in results}
            pause(interval_s)
    require_passed(run.out, results)


def _line_of(result: CheckResult, before: CheckResult | None) -> str:
    was = f"{before.status} -> " if before else ""
    return f"{datetime.now(UTC):%H:%M:%S} {result.code} {result.name} {was}{result.status}: {result.detail}"


def check_all(run: Run, checks: Sequence[Check], source: Path | None = None) -> list[CheckResult]:
    """Make the checks once, over facts of their own, or over those of the bundle `source`."""
    from whatschat_ops.cli.doctor_bundle import read_facts
    from whatschat_ops.doctor import Facts, run_checks

    facts = Facts(run.settings, run.aws) if source is None else read_facts(run, source)
    with closing(facts), run.out.status("Checking the stack"):
        return run_checks(checks, facts, advise=lambda error: advise(error, "doctor"))


def _codes(given: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (given or "").split(",") if word.strip())


def require_passed(out: Output, results: Sequence[CheckResult]) -> None:
    """End with exit code 3 when a check failed."""
    from whatschat_ops.doctor import Status

    failed = [result for result in results if result.status is Status.FAIL]
    if failed and not out.as_json:
        named = ", ".join(f"{result.code} {result.name}" for result in failed)
        hint = Hint(("explain", failed[0].code), "Fix what is named above, then run it again. More about it")
        raise ChecksFailed(f"{len(failed)} of {len(results)} checks failed: {named}.", hint=hint)
    if failed:
        raise typer.Exit(ChecksFailed.exit_code)


def render_checks(out: Output, results: Sequence[CheckResult]) -> Facts:
    """One line per check that was made, and below it what to do about it."""
    made = [result for result in results if result.status != "silenced"]
    heads = aligned([(MARKS[result.status][0], result.code, result.name) for result in made]) if made else []
    rows: dict[Styled, Cell] = {
        Styled(head, MARKS[result.status][1]): "\n".join(_said(out, result))
        for head, result in zip(heads, made, strict=True)
    }
    silenced = [result for result in results if result.status == "silenced"]
    if silenced:
        because = ", ".join(dict.fromkeys(code for result in silenced for code in result.because))
        were = "check that depends on {} was" if len(silenced) == 1 else "checks that depend on {} were"
        said = f"{len(silenced)} {were.format(because)} not made."
        rows[Styled("")] = Styled(said, "dim")
    return Facts(rows)


def _said(out: Output, result: CheckResult) -> Iterator[str]:
    yield result.detail
    if result.evidence:
        yield f"Seen: {result.evidence}"
    if result.fix:
        yield f"Fix: {out.suggestion(result.fix)}"

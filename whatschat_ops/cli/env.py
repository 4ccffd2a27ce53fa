"""`env`: the application's environment variables for a provisioned stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Styled
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.tables import Blocks, Column, Table
from whatschat_ops.errors import ChecksFailed
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.environment.check import FileCheck
    from whatschat_ops.environment.render import WrittenFile
    from whatschat_ops.environment.variables import Side

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Update this file and keep its other lines"),
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Overwrite the file given with --output")]


def backend(
    run: Run,
    output: OutputOption = None,
    replace: ReplaceOption = False,
) -> None:
    """Write the .env of the backend.

    Writes endpoint, table, Chime and Region of the stack. The JWT secret and the AWS keys are left for you to fill in,
    unless you add --show-secrets. Warns if the file has a JWT secret that is not the stack's.

    Example: whatschat-ops env render backend --output apps/server/.env
    """
    from whatschat_ops.environment.variables import Side

    _render(run, Side.BACKEND, output, replace=replace, with_secrets=run.out.show_secrets)


def frontend(run: Run, output: OutputOption = None, replace: ReplaceOption = False) -> None:
    """Write the .env.local of the frontend.

    Writes endpoint, modes and the URLs of the settings. They contain no secrets.

    Example: whatschat-ops env render frontend --output apps/web/.env.local
    """
    from whatschat_ops.environment.variables import Side

    _render(run, Side.FRONTEND, output, replace=replace, with_secrets=False)


def check(
    run: Run,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files of the backend or the frontend, or folders with them"),
    ],
) -> None:
    """Compare existing files with the stack.

    In a folder, checks .env, .env.local, apps/server/.env and apps/web/.env.local. Changes nothing and shows no secret.
    Exit code 3 if a variable does not fit the stack.

    Example: whatschat-ops env check apps/server/.env apps/web/.env.local
    """
    from datetime import UTC, datetime

    from whatschat_ops.environment.check import check_files

    results = check_files(paths, run.settings, run.aws, datetime.now(UTC))
    run.out.result(results, lambda results: _render_checks(run.out, results))
    failed = [
        mismatch.variable
        for result in results
        for mismatch in result.mismatches
        if mismatch.status.value == "fail"
    ]
    if failed and not run.out.as_json:
        raise ChecksFailed(f"{_count(len(failed), 'variable')} not fit the stack: {', '.join(failed)}.")
    if failed:
        raise typer.Exit(ChecksFailed.exit_code)


def _render(run: Run, side: Side, output: Path | None, *, replace: bool, with_secrets: bool) -> None:
    from whatschat_ops.environment.render import read_environment, to_text, write_environment
    from whatschat_ops.errors import UsageError

    if replace and output is None:
        raise UsageError("--replace needs --output.", hint="Name the file to write, or remove --replace.")
    file = read_environment(side, run.settings, run.aws, with_secrets=with_secrets)
    if output is not None:
        written = write_environment(file, output, overwrite=replace)
        run.out.result(written, _summary)
        _warn_of_secret(run, side, written)
    elif run.out.as_json:
        run.out.result(file, lambda shown: str(shown))
    else:
        run.out.text(to_text(file))


def _summary(written: WrittenFile) -> str:
    changes = {"added": written.added, "changed": written.changed}
    said = "; ".join(f"{verb} {', '.join(names)}" for verb, names in changes.items() if names)
    left = f" Left alone: {', '.join(written.left_alone)}." if written.left_alone else ""
    return f"{written.path}: {said or 'nothing to change'}.{left}"


def _warn_of_secret(run: Run, side: Side, written: WrittenFile) -> None:
    """Say if the secret that the file had, and kept, is not the stack's."""
    from datetime import UTC, datetime

    from whatschat_ops.environment.comparing import ApplicationFile
    from whatschat_ops.environment.dotenv import read_values
    from whatschat_ops.environment.jwt_secret import NAME, compare_jwt_secret
    from whatschat_ops.environment.variables import Side
    from whatschat_ops.files import read_text

    if side is not Side.BACKEND or NAME not in written.left_alone:
        return
    file = ApplicationFile(written.path, side, read_values(read_text(written.path)))
    if mismatch := compare_jwt_secret(file, run.settings, run.aws, datetime.now(UTC)):
        run.out.warn(f"{written.path}: {NAME} {mismatch.detail}")
        run.out.note(mismatch.fix)


def _count(number: int, noun: str) -> str:
    return f"1 {noun} does" if number == 1 else f"{number} {noun}s do"


def _render_checks(out: Output, results: list[FileCheck]) -> Blocks:
    return Blocks([part for result in results for part in _render_check(out, result)])


def _render_check(out: Output, result: FileCheck) -> Iterator[Styled | Table]:
    marks = {"warn": Styled("warn", "yellow"), "fail": Styled("FAIL", "red")}
    fits = counted(len(result.mismatches), "finding") if result.mismatches else "fits the stack"
    yield Styled(
        f"{result.path} ({result.side.value}): {fits}; {result.compared} variables compared.", "bold"
    )
    if result.mismatches:
        rows: list[tuple[str | Styled, ...]] = []
        for mismatch in result.mismatches:
            rows.append((marks[mismatch.status.value], f"{mismatch.variable} {mismatch.detail}"))
            rows.append(("", Styled(f"Fix: {out.suggestion(mismatch.fix)}", "bold")))
        yield Table((Column(""), Column("", wraps=True)), rows)

"""Runs a Node folder's steps with its package manager, and finds what they made.

Takes a project and the names of steps. Each step is told to `say` when it begins and ends; a failed one raises
OpsError with the end of its own output and its exit code. Nothing is written except by the
package manager and the folder's scripts.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.node.key import NOT_SOURCES, files
from whatschat_ops.packaging.node.manager import Project

Say = Callable[[str], None]

OUTPUT_LINES: Final = 30
"""Of a failed step's output that an error shows."""

NOT_FOUND: Final = 127
"""A shell's exit code for a program that is not there."""


def run_steps(project: Project, steps: Sequence[str], ignore_build_errors: bool, say: Say) -> int:
    """Run the steps in order. Gives the time when the last one began (nanoseconds since 1970); now, without steps."""
    started_ns = time.time_ns()
    for step in steps:
        started_ns = time.time_ns()
        _run_step(project, step, ignore_build_errors and step == "build", say)
    return started_ns


def built_zip(folder: Path, pattern: str | None, since_ns: int) -> Path:
    """The newest zip in the folder that was written since then. Raises OpsError when there is none."""
    # A file system may round times down to a whole second or two.
    since_ns = since_ns // 1_000_000_000 * 1_000_000_000 - 2_000_000_000
    found = [path for path in zips(folder, pattern) if path.stat().st_mtime_ns >= since_ns]
    if not found:
        raise OpsError(
            f"The step `package` made no zip: nothing new matches {pattern or '*.zip'} in {folder}.",
            hint="Set lambda.source.zip to the path of the zip, or leave `package` out of lambda.source.steps.",
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def tail(output: str, lines: int = OUTPUT_LINES) -> str:
    """The last lines of a program's output."""
    return "\n".join(output.strip().splitlines()[-lines:])


def shown_step(manager: str, step: str) -> str:
    """A step as a user would type it: `npm install`, `pnpm run build`."""
    return f"{manager} install" if step == "install" else f"{manager} run {step}"


def _run_step(project: Project, step: str, go_on: bool, say: Say) -> None:
    folder, shown = project.folder, shown_step(project.manager, step)
    command = project.command(step)
    say(f"{shown}: in {folder}")
    started_s, started_ns = time.monotonic(), time.time_ns()
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        say(f"{shown}: done in {time.monotonic() - started_s:.1f} s")
        return
    written = step == "build" and _wrote_javascript(folder, started_ns)
    message = f"`{shown}` failed in {folder} (exit code {done.returncode}):\n{tail(done.stdout)}"
    if not (go_on and written):
        raise OpsError(message, hint=_hint(project, step, done.returncode, written))
    say(
        f"Warning: {message}\nGoing on, because lambda.source.ignore_build_errors is set and JavaScript was written."
    )


def _hint(project: Project, step: str, exit_code: int, written: bool) -> str:
    if written:
        return (
            "It wrote JavaScript all the same, as tsc does. Fix the errors, or continue in spite of them with "
            "ignore_build_errors: true below lambda: source: in the configuration."
        )
    if exit_code == NOT_FOUND:
        return "A program that this script calls is not installed: the output names it."
    return f"cd {project.folder} && {project.manager} {' '.join(project.arguments(step))}"


def _wrote_javascript(folder: Path, since_ns: int) -> bool:
    since_ns -= 2_000_000_000
    return any(
        path.suffix in {".js", ".mjs", ".cjs"} and path.stat().st_mtime_ns >= since_ns
        for path in files(folder, NOT_SOURCES)
    )


def zips(folder: Path, pattern: str | None) -> Iterator[Path]:
    """The zips of the folder that match a pattern, or all of them."""
    if pattern is not None:
        yield from (path for path in folder.glob(pattern) if path.is_file())
        return
    yield from (path for path in files(folder, NOT_SOURCES) if path.suffix == ".zip")

"""The table of the samples: what is run after a failure, and why a step failed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.samples import world
from tests.samples.outcome import (
    MAX_REASON_CHARACTERS,
    Row,
    SampleSkipped,
    Step,
    StepFailed,
    StepSkipped,
    carry_out,
    reason_of,
    table,
)


def raising(error: Exception) -> Callable[[], str]:
    def run() -> str:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "result", "then", "at_last"),
    [
        (None, "done", "done", "done"),
        (StepSkipped("no Ruby"), "skipped", "done", "done"),
        (SampleSkipped("no checkout"), "skipped", "not run", "done"),
        (StepFailed("Error: no"), "failed", "not run", "done"),
        (AssertionError("2 != 3"), "failed", "not run", "done"),
        (OSError("refused"), "failed", "not run", "done"),
    ],
)
def test_only_deletion_follows_what_failed(
    error: Exception | None, result: str, then: str, at_last: str
) -> None:
    first = Step("deploy", raising(error) if error else lambda: "deployed")
    steps = [first, Step("use", lambda: "used"), Step("delete", lambda: "gone", cleans_up=True)]
    rows = carry_out("sample", steps, lambda _: None)
    assert [row.result for row in rows] == [result, then, at_last]
    assert rows[0].note == (str(error) if error else "deployed")
    assert rows[1].note == ("after: deploy" if then == "not run" else "used")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Deploying\nError: first\nretrying\nError: last\nsee it\n\n", "Error: last see it"),
        ("one\ntwo\nthree\nfour", "two three four"),
        ("npm error code E404\nnpm error 404 Not Found - GET x\nnpm error A complete log of this run\nRuntimeError", "npm error 404 Not Found - GET x"),
        ("", ""),
        ("Error: " + "x" * 999, "Error: " + "x" * (MAX_REASON_CHARACTERS - 7)),
    ],
)  # fmt: skip
def test_reason_is_the_end_of_what_a_tool_printed(output: str, reason: str) -> None:
    assert reason_of(output) == reason


def test_cells_are_one_line() -> None:
    assert table([Row("s", "deploy", "failed", "a\n| b")])[2:] == ["| s | deploy | failed | a \\| b |"]


def test_failed_command_has_its_output_and_leaves_no_process(tmp_path: Path) -> None:
    program = "import subprocess, sys; subprocess.Popen(['sleep', '600']); sys.exit('no such stack')"
    with pytest.raises(StepFailed, match="no such stack"):
        world.run([sys.executable, "-c", program], cwd=tmp_path, environment={"PATH": "/usr/bin:/bin"})

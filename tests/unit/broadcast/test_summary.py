"""Tolerances and exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.broadcast.broadcast_fakes import new_journal
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary, Tolerance, exit_code
from whatschat_ops.errors import ExitCode, UsageError


@pytest.fixture
def summary(tmp_path: Path) -> RunSummary:
    """A finished run without connections."""
    return new_journal(tmp_path).close(RunState.FINISHED)


@pytest.mark.parametrize(
    ("delivered", "gone", "failed", "tolerance", "code"),
    [
        (0, 0, 0, "0", ExitCode.DONE),
        (10, 0, 0, "0", ExitCode.DONE),
        (0, 10, 0, "0", ExitCode.DONE),
        (9, 0, 1, "0", ExitCode.PARTLY_DONE),
        (9, 0, 1, "1", ExitCode.DONE),
        (8, 0, 2, "1", ExitCode.PARTLY_DONE),
        (990, 0, 10, "1%", ExitCode.DONE),
        (989, 0, 11, "1%", ExitCode.PARTLY_DONE),
        (0, 5, 5, "0", ExitCode.FAILED),
        (0, 0, 5, "5", ExitCode.DONE),
        (0, 0, 5, "100%", ExitCode.DONE),
    ],
)
def test_a_finished_run_ends_with_the_code_of_its_outcomes(
    summary: RunSummary, delivered: int, gone: int, failed: int, tolerance: str, code: ExitCode
) -> None:
    run = replace(
        summary,
        delivered=delivered,
        gone=gone,
        failed=failed,
        connections=delivered + gone + failed,
    )
    assert exit_code(run, Tolerance.parse(tolerance)) is code


def test_an_interrupted_run_ends_with_130(summary: RunSummary) -> None:
    assert exit_code(replace(summary, state=RunState.INTERRUPTED)) is ExitCode.INTERRUPTED


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "101%", "-1%", "5%5", "nan%", "%"])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither a number of connections nor a percentage"):
        Tolerance.parse(text)

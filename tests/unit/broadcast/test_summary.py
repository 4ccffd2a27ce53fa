"""Tolerances and exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.broadcast.broadcast_fakes import new_journal, record, result, row
from whatschat_ops.broadcast.audience.targets import Page
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary, Tolerance, exit_code
from whatschat_ops.errors import ExitCode, UsageError
from whatschat_ops.sender.model import Outcome, Result


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


def test_figures_of_a_run_are_those_of_its_parts(tmp_path: Path) -> None:
    message = b"x" * (32 * 1024 + 1)
    journal = Journal.create(tmp_path, record(message=message))
    journal.add(Page([row(index) for index in range(4)], "all"))
    journal.finish_listing()
    journal.claim(4)
    journal.record_results([result(1), result(2), Result(3, Outcome.FAILED, "HTTP 500", 8, 30.0)])
    first = journal.close(RunState.INTERRUPTED)
    assert first.resumes == 0
    assert first.latency is not None
    again = Journal.open(tmp_path, first.run_id)
    again.claim(1)
    again.record_results([Result(4, Outcome.FAILED, "HTTP 500", 8, 30.0)])
    summary = again.close(RunState.FINISHED)
    assert summary.resumes == 1
    assert summary.metered_messages == 2 * 2  # two deliveries of more than 32 KB each
    assert summary.latency is not None
    assert summary.latency == first.latency  # of what is delivered or gone: no failure of 30 s is in it
    assert summary.latency.p99_s < 1

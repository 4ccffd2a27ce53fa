"""The progress of long work: a line now and then in a pipe, and nothing with --quiet."""

from __future__ import annotations

import io

import pytest

from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.progress import ProgressView
from whatschat_ops.cli.ws.housekeeping import fail_if_any
from whatschat_ops.connections.tally import RowFailure
from whatschat_ops.errors import OpsError, PartlyDone


def said(times_s: list[float], *, quiet: bool = False) -> list[str]:
    """What is printed when the text is updated at these times; it is made only when it is shown."""
    errors = io.StringIO()
    out = Output(quiet=quiet, stdout=io.StringIO(), stderr=errors)
    clock = [0.0]
    line = ProgressView(out, repeat_s=5, clock=lambda: clock[0])
    with line.shown("Working"):
        for clock[0] in times_s:
            line.update(lambda: f"at {clock[0]:g}")
        line.say("done")
    return errors.getvalue().splitlines()


def test_pipe_gets_a_line_every_few_seconds() -> None:
    assert said([1, 4, 5, 6, 9, 10.5, 11, 30]) == ["at 5", "at 10.5", "at 30", "done"]


def test_quiet_says_nothing() -> None:
    assert said([6, 12], quiet=True) == []


FAILURES = (RowFailure("a=", "GetConnection: slow down"),)


def test_nothing_failed_is_no_error() -> None:
    fail_if_any(0, 10, (), "rows", 10)


def test_some_failures_are_partly_done_and_only_failures_are_an_error() -> None:
    with pytest.raises(PartlyDone, match="3 of 10 rows: GetConnection: slow down"):
        fail_if_any(3, 10, FAILURES, "rows", 7)
    with pytest.raises(OpsError) as caught:
        fail_if_any(10, 10, FAILURES, "rows", 0)
    assert not isinstance(caught.value, PartlyDone)

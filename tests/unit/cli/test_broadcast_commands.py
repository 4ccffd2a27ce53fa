"""`ws broadcast` and `ws broadcasts` as far as they need no AWS: wrong command lines, and past runs."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from whatschat_ops.broadcast.audience.selection import select
from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.broadcasting import SendRate
from whatschat_ops.broadcast.distributed import steering
from whatschat_ops.broadcast.distributed.steering import Stopped
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import read_run
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.journal.summary import FailureGroup, Pruning, RunState, Tolerance
from whatschat_ops.cli.main import main
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.ws.broadcast_outcome import _left_words, conclude
from whatschat_ops.cli.ws.running import resume_run
from whatschat_ops.cli.ws.stopping import stopped_words, wants_to_stop
from whatschat_ops.errors import ExitCode, OpsError, PartlyDone
from whatschat_ops.sender.model import Outcome, Result

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the journals are."""
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path))
    return tmp_path / "broadcasts"


def a_record(run_id: str, engine: str = "local") -> RunRecord:
    """Of a run to alice."""
    return RunRecord(
        run_id=run_id,
        created_at="2026-11-23T10:15:02+00:00",
        environment="local",
        stack="whatschat-local",
        table_name="websocket-connections",
        region="us-east-1",
        callback_url="http://127.0.0.1:1/x",
        message=b'{"type":"notice\x1b[2J"}',
        message_id=run_id,
        selection=select(users=["alice"]).to_json(),
        policy="{}",
        engine=engine,
        caller_arn="arn:aws:iam::000000000000:user/operator",
    )


def a_run(directory: Path, run_id: str = "20261123-101502-7f3a", *, finished: bool = True) -> str:
    """Three connections: delivered, gone, failed; one more is left when the run is not finished."""
    journal = Journal.create(directory, a_record(run_id))
    journal.add(Page([Row(f"c{number}", f"u{number}", "") for number in range(3 if finished else 4)], "{}"))
    journal.claim(3)
    outcomes = [(Outcome.DELIVERED, ""), (Outcome.GONE, ""), (Outcome.FAILED, "HTTP 400 [no] such thing")]
    journal.record_results([Result(number, *outcome, 1, 0.012) for number, outcome in enumerate(outcomes, 1)])
    if finished:
        journal.finish_listing()
    journal.close(RunState.FINISHED if finished else RunState.INTERRUPTED)
    return run_id


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume", "latest", "Hello"], "cannot be combined with a message"),
        (["--resume", "latest", "--exclude-user", "a"], "cannot be combined with --exclude-user"),
        (["--resume", "latest", "--dry-run"], "cannot be combined with --dry-run"),
        (["{}", "--retry-failed"], "needs --resume"),
        (["-", "--users-file", "-"], "standard input"),
        (["{}", "--sample", "0"], "neither a number"),
        (["{}", "--tolerate-failures", "x"], "neither a number"),
        (["{}", "--users-file", "/nonexistent"], "cannot be read"),
        (["{}", "--user", ""], "--user is empty"),
        (["Hello"], "not JSON"),
        (["{}", "--rate", "0"], "--rate"),
        (["{}", "--concurrency", "2000"], "--concurrency"),
        (["{}", "--detach"], "--detach needs --engine distributed"),
        (["{}", "--workers", "4"], "--workers needs --engine distributed"),
        (["--resume", "latest", "--detach"], "cannot be combined with --detach"),
    ],
)
def test_a_wrong_command_line_is_rejected_and_leaves_no_run(
    directory: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ws", "broadcast", *arguments]) == 2

    assert words in capsys.readouterr().err
    assert not list(directory.glob("*"))


class Told:
    """In the place of what steers a run: remembers what it was told."""

    def __init__(self, *_: object) -> None:
        self.told: list[tuple[float, ...]] = []

    def set_rate(self, rate_per_s: float, burst: int) -> None:
        self.told.append((rate_per_s, burst))

    def set_workers(self, workers: int) -> bool:
        self.told.append((workers,))
        return True


def test_speed_of_a_run_that_another_process_follows_is_changed(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steered, aws = Told(), cast("Aws", object())  # which is asked for nothing
    monkeypatch.setattr(steering, "steering", lambda *_: steered)
    run_id = "20261123-101502-7f3a"
    followed = Journal.create(directory, a_record(run_id, "distributed"))

    resume_run(Run(_aws=aws), run_id, SendRate(40.0), Tolerance(), 3)

    followed.close(RunState.INTERRUPTED)
    assert [told[0] for told in steered.told] == [40.0, 3]
    shown = capsys.readouterr()
    assert "Another process follows the broadcast" in shown.err
    assert shown.out.startswith("Connections")


def test_stop_of_a_local_broadcast_says_where_to_stop_it(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ws", "broadcasts", "stop", a_run(directory)]) == 2
    assert "is not distributed" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A terminal with these answers."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "answer", "stops"),
    [(True, "y\n", True), (True, "\n", False), (True, "", False), (False, "y\n", False)],
)
def test_interrupted_distributed_broadcast_is_stopped_only_by_a_yes_on_a_terminal(
    terminal: bool, answer: str, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdin", Terminal(answer) if terminal else io.StringIO(answer))
    run = Run(CommonOptions(), Output(stderr=screen))
    assert wants_to_stop(run, "20261123-101502-7f3a") is stops
    assert ("goes on in AWS" in screen.getvalue()) is terminal


def test_stopped_broadcast_says_how_many_got_it() -> None:
    stopped = Stopped("RUN", delivered=1_200, gone=30, failed=2, pending=7, in_doubt=0, ended=True)
    assert stopped_words(stopped) == "Stopped RUN: 1,200 got the message, 30 were gone, 2 failed."
    assert "Up to 3 of them may get it twice" in stopped_words(replace(stopped, in_doubt=3))
    finished = stopped_words(replace(stopped, finished=True))
    assert finished == "RUN had finished: 1,200 got the message, 30 were gone, 2 failed."


def test_stop_of_a_run_that_nothing_knows_is_not_found(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ws", "broadcasts", "stop", "20261123-101502-7f3a"]) == 1
    assert "There is no broadcast 20261123-101502-7f3a" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "stop", "delete"])
def test_latest_is_that_of_the_environment(
    directory: Path,
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_id = a_run(directory)
    (tmp_path / "other.yaml").write_text("environment: other\n", encoding="utf-8")

    yes = ["--yes"] if command == "delete" else []
    assert main(["ws", "broadcasts", command, "latest", "--config", str(tmp_path / "other.yaml"), *yes]) == 1
    assert "no broadcasts of the environment 'other' on this machine" in capsys.readouterr().err
    assert main(["ws", "broadcasts", "show", run_id]) == 0


def test_resuming_what_is_not_there_is_not_found(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ws", "broadcast", "--resume", "latest"]) == 1

    assert "no broadcast of the environment" in capsys.readouterr().err
    assert not list(directory.glob("*"))


def test_past_runs_are_listed_the_newest_first(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = a_run(directory), a_run(directory, "20261124-101502-7f3a", finished=False)

    assert main(["ws", "broadcasts", "list", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert [(run["run_id"], run["state"], run["pending"]) for run in runs] == [
        (new, "interrupted", 1),
        (old, "finished", 0),
    ]

    assert main(["ws", "broadcasts", "list"]) == 0
    assert "interrupted" in capsys.readouterr().out


def test_a_damaged_journal_is_reported_and_the_others_are_listed(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = a_run(directory)
    (directory / "20261125-000000-0000.sqlite").write_bytes(b"no database at all")

    assert main(["ws", "broadcasts", "list"]) == 0

    captured = capsys.readouterr()
    assert run_id in captured.out
    assert "20261125-000000-0000" in captured.err


def test_a_run_is_shown_with_what_became_of_it(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = a_run(directory)

    assert main(["ws", "broadcasts", "show", "latest"]) == 0

    shown = capsys.readouterr().out
    for words in (run_id, "the connections of 1 user", "HTTP 400 [no] such thing", "c2", "p50 / p95 / p99"):
        assert words in shown
    assert "\x1b" not in shown


def test_rows_that_were_not_deleted_are_shown_with_the_reason(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal.open(directory, a_run(directory))
    journal.mark_pruned([2], Pruning.PRUNE_FAILED, "dynamodb:PartiQLDelete is not allowed")
    journal.close(RunState.FINISHED)

    assert main(["ws", "broadcasts", "show", "latest"]) == 0

    assert "1 row of gone connections: dynamodb:PartiQLDelete is not allowed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("engine", "words"), [("local", "1 of 4 connections are left"), ("distributed", "continues in AWS")]
)
def test_an_interruption_says_what_is_left(directory: Path, engine: str, words: str) -> None:
    summary = read_run(directory, a_run(directory, finished=False)).summary
    assert words in _left_words(replace(summary, engine=engine, list_complete=True))


@pytest.mark.parametrize(("delivered", "code"), [(1, ExitCode.PARTLY_DONE), (0, ExitCode.FAILED)])
def test_run_with_shards_that_were_not_finished_ends_with_what_is_left_and_how_to_go_on(
    directory: Path, delivered: int, code: ExitCode
) -> None:
    summary = replace(read_run(directory, a_run(directory, finished=False)).summary, delivered=delivered)
    with pytest.raises(OpsError, match="1 of 4 connections have no outcome") as raised:
        conclude(Run(CommonOptions(), Output()), summary, Tolerance(), interrupted=False)
    assert raised.value.exit_code is code
    assert f"--resume {summary.run_id}" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("reasons", "way_out"),
    [
        (["HTTP 400 BadRequestException: Invalid connectionId"], "show {run} --failures"),
        (["HTTP 413 PayloadTooLargeException"], "show {run} --failures"),
        (
            ["HTTP 400 BadRequestException", "HTTP 503 (the last of 8 attempts)"],
            "--resume {run} --retry-failed",
        ),
        (["No answer: timed out"], "--resume {run} --retry-failed"),
        (["HTTP 403 AccessDeniedException: not authorized"], "--resume {run} --retry-failed"),
    ],
)
def test_failures_are_retried_only_when_that_can_help(
    directory: Path, reasons: list[str], way_out: str
) -> None:
    failures = tuple(FailureGroup(reason, 1, ()) for reason in reasons)
    summary = read_run(directory, a_run(directory)).summary
    summary = replace(summary, state=RunState.FINISHED, pending=0, failed=len(reasons), failures=failures)
    with pytest.raises(PartlyDone) as raised:
        conclude(Run(CommonOptions(), Output()), summary, Tolerance(), interrupted=False)
    assert str(raised.value.hint).endswith(way_out.format(run=summary.run_id))


def test_failures_come_one_in_a_line(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run(directory)

    assert main(["ws", "broadcasts", "show", "latest", "--failures", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "connection_id": "c2",
        "user_id": "u2",
        "attempts": 1,
        "reason": "HTTP 400 [no] such thing",
    }
    assert main(["ws", "broadcasts", "show", "latest", "--failures"]) == 0
    assert capsys.readouterr().out == "c2  u2  HTTP 400 [no] such thing\n"


def test_a_run_is_deleted_with_the_users_that_came_through_a_pipe(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = a_run(directory)
    (directory / f"{run_id}.users").write_text("alice")

    assert main(["ws", "broadcasts", "delete", run_id]) == 2  # not a terminal: it cannot ask
    assert main(["ws", "broadcasts", "delete", run_id, "--yes"]) == 0

    assert not list(directory.iterdir())
    assert main(["ws", "broadcasts", "show", run_id]) == 1
    assert run_id in capsys.readouterr().err

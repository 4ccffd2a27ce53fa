"""Past runs: list, read while active, damaged files, resume rules, deletion and retention."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.broadcast.broadcast_fakes import (
    PagedRows,
    RecordingEngine,
    RecordingPruner,
    new_journal,
    record,
)
from whatschat_ops.broadcast.audience.selection import UsersFile, select
from whatschat_ops.broadcast.broadcasting import Broadcasting
from whatschat_ops.broadcast.journal.failed import FailedConnection, failed_connections
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import (
    delete_old_runs,
    delete_run,
    list_runs,
    read_run,
    resume,
)
from whatschat_ops.broadcast.journal.record import new_run_id
from whatschat_ops.broadcast.journal.summary import RunState
from whatschat_ops.broadcast.run import run_broadcast
from whatschat_ops.errors import Missing, OpsError, PermissionDenied, UsageError

HERE: dict[str, Any] = {
    "environment": "test",
    "stack": "whatschat-test",
    "table": "websocket-connections",
    "callback_url": "http://127.0.0.1:1/production",
}


def finished(directory: Path, *, failing: tuple[str, ...] = (), run_id: str = "") -> str:
    """A finished run of ten connections."""
    journal = Journal.create(directory, record(run_id))
    run_broadcast(journal, PagedRows(10), RecordingEngine(failing=failing), RecordingPruner())
    return journal.record.run_id


def test_no_directory_is_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == ([], [])


def test_runs_are_listed_newest_first_with_their_state(tmp_path: Path) -> None:
    old = finished(tmp_path, run_id=new_run_id(datetime(2026, 1, 1, tzinfo=UTC)))
    killed = new_journal(tmp_path, rows=3)
    killed.abandon()
    runs, errors = list_runs(tmp_path)
    assert [(run.run_id, run.state) for run in runs] == [
        (killed.record.run_id, RunState.INTERRUPTED),
        (old, RunState.FINISHED),
    ]
    assert runs[0].ended_at is not None
    assert errors == []


def test_a_run_is_read_while_it_is_worked_on(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=3)
    journal.claim(3)
    details = read_run(tmp_path, journal.record.run_id)
    assert (details.summary.state, details.summary.pending) == (RunState.RUNNING, 3)
    assert details.summary.ended_at is None
    assert details.message == {"type": "notice", "payload": "hello"}
    assert len(details.parts) == 1
    journal.abandon()


def test_a_damaged_journal_does_not_hide_the_others(tmp_path: Path) -> None:
    run_id = finished(tmp_path)
    (tmp_path / "20990101-000000-0000.sqlite").write_bytes(b"no journal" * 200)
    runs, errors = list_runs(tmp_path)
    assert [run.run_id for run in runs] == [run_id]
    assert [str(error.hint) for error in errors] == [
        "whatschat-ops ws broadcasts delete 20990101-000000-0000"
    ]
    with pytest.raises(OpsError, match="damaged"):
        read_run(tmp_path, "20990101-000000-0000")
    delete_run(tmp_path, "20990101-000000-0000")
    assert list_runs(tmp_path)[1] == []


def test_a_journal_cut_off_in_the_middle_is_called_damaged(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, record())
    run_broadcast(journal, PagedRows(5_000, 500), RecordingEngine(batch=500), RecordingPruner())
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(OpsError, match="damaged"):
        Journal.open(tmp_path, journal.record.run_id)


def test_failures_are_read_one_by_one(tmp_path: Path) -> None:
    run_id = finished(tmp_path, failing=("c3", "c7"))
    assert list(failed_connections(tmp_path, run_id)) == [
        FailedConnection("c3", "user-3", 8, "HTTP 500"),
        FailedConnection("c7", "user-7", 8, "HTTP 500"),
    ]


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    run_id = finished(tmp_path)
    assert resume(tmp_path, run_id, **HERE) is None
    assert resume(tmp_path, run_id, retry_failed=True, **HERE) is None
    assert read_run(tmp_path, run_id).summary.state is RunState.FINISHED


def test_a_finished_run_with_failures_is_resumed_to_retry_them(tmp_path: Path) -> None:
    run_id = finished(tmp_path, failing=("c3",))
    assert resume(tmp_path, run_id, **HERE) is None
    journal = resume(tmp_path, run_id, retry_failed=True, **HERE)
    assert journal is not None
    engine = RecordingEngine()
    summary = run_broadcast(journal, PagedRows(10), engine, RecordingPruner())
    assert engine.got == ["c3"]
    assert (summary.state, summary.delivered, summary.failed) == (RunState.FINISHED, 10, 0)


def test_a_finished_run_whose_rows_could_not_be_deleted_is_resumed_to_delete_them(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, record())
    refused = RecordingPruner(error=PermissionDenied("no right"))
    first = run_broadcast(journal, PagedRows(10), RecordingEngine(gone={"c3"}), refused)
    assert (first.state, first.not_pruned) == (RunState.FINISHED, 1)
    again = resume(tmp_path, first.run_id, **HERE)
    assert again is not None
    engine, pruner = RecordingEngine(), RecordingPruner()
    second = run_broadcast(again, PagedRows(10), engine, pruner)
    assert (engine.got, pruner.deleted) == ([], ["c3"])
    assert (second.state, second.pruned, second.not_pruned) == (RunState.FINISHED, 1, 0)
    assert resume(tmp_path, first.run_id, **HERE) is None


def test_a_list_that_is_complete_needs_no_users_file(tmp_path: Path) -> None:
    users = UsersFile(str(tmp_path / "deleted"), "0" * 64, 1)
    journal = Journal.create(tmp_path, replace(record(), selection=select(users_file=users).to_json()))
    nothing_of_aws: Any = None
    work = Broadcasting(tmp_path, nothing_of_aws, nothing_of_aws, nothing_of_aws)
    journal.finish_listing()
    assert list(work._source(journal, print).pages(journal.position)) == []
    journal.abandon()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("environment", "belongs to whatschat-test in test"),
        ("stack", "belongs to whatschat-test in test"),
        ("table", "belongs to whatschat-test in test"),
        ("callback_url", "was started through http://127.0.0.1:1/production"),
    ],
)
def test_a_run_of_another_place_is_not_resumed(tmp_path: Path, other: str, said: str) -> None:
    run_id = new_journal(tmp_path, rows=1)
    run_id.abandon()
    with pytest.raises(UsageError, match=said):
        resume(tmp_path, run_id.record.run_id, **(HERE | {other: "another"}))
    assert len(read_run(tmp_path, run_id.record.run_id).parts) == 1  # it was not touched


def test_a_run_that_is_worked_on_is_neither_resumed_nor_deleted(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=1)
    with pytest.raises(OpsError, match="being worked on by process"):
        resume(tmp_path, journal.record.run_id, **HERE)
    with pytest.raises(OpsError, match="being worked on"):
        delete_run(tmp_path, journal.record.run_id)
    journal.abandon()


def test_deletion_leaves_no_file(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=1)
    journal.abandon()
    delete_run(tmp_path, journal.record.run_id)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Missing, match="There is no broadcast"):
        delete_run(tmp_path, journal.record.run_id)


def test_only_the_newest_finished_runs_are_kept_and_all_others(tmp_path: Path) -> None:
    ids = [finished(tmp_path, run_id=new_run_id(datetime(2026, 1, day, tzinfo=UTC))) for day in (1, 2, 3, 4)]
    killed = Journal.create(tmp_path, record(new_run_id(datetime(2025, 1, 1, tzinfo=UTC))))
    killed.abandon()
    assert list(delete_old_runs(tmp_path, keep=2)) == [ids[1], ids[0]]
    assert [run.run_id for run in list_runs(tmp_path)[0]] == [ids[3], ids[2], killed.record.run_id]

"""Files of older versions, read as they are: what they say is what was true when they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.upgrade.archive import ARCHIVES, unpack
from whatschat_ops.broadcast.journal.past_runs import list_runs, read_run, resume
from whatschat_ops.local.chime.state import MeetingStore
from whatschat_ops.provision.planfile import load_plan

PORT = 20_000


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What 90f8c14 left behind."""
    unpack(ARCHIVES / "90f8c14.tar.xz", tmp_path, PORT)
    return tmp_path


def test_journals_of_90f8c14_are_read(left: Path) -> None:
    runs, errors = list_runs(left / "state" / "broadcasts")
    assert errors == []
    assert [(run.state, run.engine, run.connections) for run in runs] == [
        ("interrupted", "local", 122),
        ("interrupted", "distributed", 62),
        ("finished", "distributed", 7),
        ("finished", "local", 7),
    ]
    assert [(run.delivered, run.gone, run.pending) for run in runs[1:]] == [(0, 0, 62), (2, 5, 0), (2, 5, 0)]
    details = read_run(left / "state" / "broadcasts", runs[0].run_id)
    assert 0 < details.summary.pending < 122
    assert details.message == {"type": "notice", "text": "Maintenance tonight", "id": runs[0].run_id}
    assert len(details.parts) == 1


def test_interrupted_journal_of_90f8c14_is_opened_to_resume_what_is_left(left: Path) -> None:
    directory = left / "state" / "broadcasts"
    (interrupted, *_), _ = list_runs(directory)
    journal = resume(
        directory,
        interrupted.run_id,
        environment="local",
        stack="whatschat-local",
        table="websocket-connections",
        callback_url=read_run(directory, interrupted.run_id).callback_url,
    )
    assert journal is not None
    begun_again = journal.claim(1000)  # they were in flight, or already claimed
    journal.abandon()
    assert begun_again is not None
    claimed = {target.connection_id for target in begun_again}
    assert 0 < len(claimed) == len(begun_again) <= interrupted.pending


def test_plan_of_90f8c14_is_read(left: Path) -> None:
    saved = load_plan(left / "memory.plan")
    assert saved.plan.stack == "whatschat-local"
    assert (saved.plan.summary["update"], saved.plan.summary["no-op"]) == (6, 31)
    assert saved.options.given == {"--config": str(left / "changed.yaml")}


def test_meetings_of_90f8c14_are_read(left: Path) -> None:
    (meeting,) = MeetingStore(left / "state" / "local" / "chime.sqlite3").meetings.values()
    assert sorted(attendee.external_user_id for attendee in meeting.attendees.values()) == ["alice", "bob"]

"""One audited action: a row before the first change and one with the outcome, and what is said when a row is missing."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from msgspec.structs import replace

from whatschat_ops.audit import AuditedAction, AuditEntry, AuditLog, Outcome
from whatschat_ops.errors import OpsError, PermissionDenied, Throttled

CALLER = "arn:aws:iam::123456789012:user/eve"


class Log:
    """Keeps the entries; `failures` are raised first, one for each."""

    def __init__(self, *failures: OpsError | None) -> None:
        self.failures = list(failures)
        self.entries: list[AuditEntry] = []
        self.ensured = 0

    def record(self, entry: AuditEntry) -> None:
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        self.entries.append(entry)

    def ensure_table(self) -> None:
        self.ensured += 1


class Scene:
    def __init__(self, *failures: OpsError | None, **options: Any) -> None:
        self.log = Log(*failures)
        self.warnings: list[str] = []
        self.action = AuditedAction(
            "ws.disconnect",
            {"user_id": ["alice"]},
            "spam",
            log=lambda: cast("AuditLog", self.log),
            caller=lambda: CALLER,
            warn=self.warnings.append,
            **options,
        )


def test_action_that_changes_nothing_leaves_no_entry() -> None:
    scene = Scene()
    scene.action.end(Outcome.SUCCEEDED, "nothing to do")
    assert scene.log.entries == []


def test_start_and_outcome_are_of_one_entry() -> None:
    scene = Scene()
    scene.action.begin()
    scene.action.add({"run": "r1"})
    scene.action.end(Outcome.PARTLY_DONE, "closed: 2, failed: 1")
    start, end = scene.log.entries
    assert (start.outcome, start.by, start.reason) == (Outcome.STARTED, CALLER, "spam")
    assert start.target == {"user_id": ["alice"]} and end.target == {"user_id": ["alice"], "run": "r1"}
    assert end.ended_at is not None and end.ended_at >= start.at
    assert replace(end, outcome=start.outcome, target=start.target, detail=None, ended_at=None) == start
    assert (end.outcome, end.detail) == (Outcome.PARTLY_DONE, "closed: 2, failed: 1")


def test_second_change_begins_nothing() -> None:
    scene = Scene()
    scene.action.begin()
    scene.action.begin()
    assert len(scene.log.entries) == 1


def test_writing_a_row_is_a_change_that_begins_nothing() -> None:
    scene = Scene()
    record = scene.log.record

    def record_and_announce(entry: AuditEntry) -> None:
        scene.action.begin()
        record(entry)

    scene.log.record = record_and_announce  # type: ignore[method-assign]
    scene.action.begin()
    assert len(scene.log.entries) == 1


def test_other_threads_wait_for_the_first_row() -> None:
    scene, writing, may_write = Scene(), threading.Event(), threading.Event()
    record, seen = scene.log.record, []

    def slow(entry: AuditEntry) -> None:
        writing.set()
        assert may_write.wait(60)
        record(entry)

    def change() -> None:
        scene.action.begin()
        seen.append(len(scene.log.entries))

    scene.log.record = slow  # type: ignore[method-assign]
    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert writing.wait(60)
    may_write.set()
    for thread in threads:
        thread.join(60)
    assert seen == [1, 1, 1, 1]


@pytest.mark.parametrize("error", [PermissionDenied("not authorized"), Throttled("too many requests")])
def test_row_that_cannot_be_written_is_said_once_and_stops_nothing(error: OpsError) -> None:
    scene = Scene(error, error)
    scene.action.begin()
    scene.action.end(Outcome.SUCCEEDED, None)
    assert scene.warnings == [f"This action is not in the audit log: {error.message}"]


def test_start_that_could_not_be_written_is_made_up_for_by_the_outcome() -> None:
    scene = Scene(Throttled("too many requests"))
    scene.action.begin()
    scene.action.end(Outcome.FAILED, "it broke")
    [entry] = scene.log.entries
    assert (entry.outcome, entry.by, entry.reason) == (Outcome.FAILED, CALLER, "spam")


def test_outcome_that_cannot_be_written_is_said() -> None:
    scene = Scene(None, Throttled("too many requests"))
    scene.action.begin()
    scene.action.end(Outcome.SUCCEEDED, None)
    assert scene.warnings == ["The outcome of this action is not in the audit log: too many requests"]


@pytest.mark.parametrize(("wanted", "times"), [(True, 1), (False, 0)])
def test_table_is_ensured_once_where_that_is_wanted(wanted: bool, times: int) -> None:
    scene = Scene(ensure_table=wanted)
    scene.action.begin()
    scene.action.end(Outcome.SUCCEEDED, None)
    assert scene.log.ensured == times

"""The running of a broadcast over a real journal, with hand-written sources, senders and pruners."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.unit.broadcast.broadcast_fakes import (
    PagedRows,
    RecordingEngine,
    RecordingPruner,
    new_journal,
    record,
)
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import read_run
from whatschat_ops.broadcast.journal.summary import RunState
from whatschat_ops.broadcast.run import Progress, run_broadcast
from whatschat_ops.errors import OpsError, PermissionDenied, Unavailable

NO_ROWS = PagedRows(0)


def test_every_connection_gets_the_message_once_and_the_run_is_finished(tmp_path: Path) -> None:
    journal, source, engine = new_journal(tmp_path, complete=False), PagedRows(100), RecordingEngine()
    summary = run_broadcast(journal, source, engine, RecordingPruner())
    assert sorted(engine.got) == sorted(f"c{index}" for index in range(100))
    assert summary.state is RunState.FINISHED
    assert (summary.connections, summary.delivered, summary.pending, summary.in_doubt) == (100, 100, 0, 0)
    assert source.closed
    assert summary.throttled == 3
    assert summary.latency is not None
    assert summary.latency.p99_s == 0.01


def test_outcomes_and_pruning_are_in_the_summary(tmp_path: Path) -> None:
    engine = RecordingEngine(gone={"c1", "c2", "c3"}, failing={"c4"})
    pruner = RecordingPruner(rewritten={"c2"})
    summary = run_broadcast(new_journal(tmp_path, complete=False), PagedRows(10), engine, pruner)
    assert (summary.delivered, summary.gone, summary.failed) == (6, 3, 1)
    assert (summary.pruned, summary.rewritten, summary.not_pruned) == (2, 1, 0)
    assert sorted(pruner.deleted) == ["c1", "c3"]
    assert [(each.reason, each.connections, each.examples) for each in summary.failures] == [
        ("HTTP 500", 1, ("c4",))
    ]
    assert summary.attempts == 9 + 8


@pytest.mark.parametrize(("delivered", "deleted"), [(True, ["c1"]), (False, [])])
def test_rows_are_deleted_only_once_they_may_be(tmp_path: Path, delivered: bool, deleted: list[str]) -> None:
    engine = RecordingEngine(gone={"c1"} if delivered else {f"c{index}" for index in range(10)})
    pruner = RecordingPruner()
    summary = run_broadcast(
        new_journal(tmp_path, complete=False),
        PagedRows(10),
        engine,
        pruner,
        may_prune=lambda counts: counts.delivered > 0,
    )
    assert pruner.deleted == deleted
    assert (summary.state, summary.not_pruned) == (RunState.FINISHED, 0 if delivered else 10)


def test_connection_that_is_sent_to_again_without_an_answer_is_in_doubt(tmp_path: Path) -> None:
    engine = RecordingEngine(unanswered={"c3", "c17"})
    journal = new_journal(tmp_path, complete=False)
    summary = run_broadcast(journal, PagedRows(20), engine, RecordingPruner())
    assert (summary.delivered, summary.in_doubt, len(engine.got)) == (20, 2, 22)


def test_no_connection_is_a_finished_run(tmp_path: Path) -> None:
    summary = run_broadcast(
        new_journal(tmp_path, complete=False), NO_ROWS, RecordingEngine(), RecordingPruner()
    )
    assert (summary.state, summary.connections, summary.rate_per_s) == (RunState.FINISHED, 0, 0.0)
    assert summary.latency is None


def test_a_stop_leaves_an_interrupted_run_that_a_second_one_finishes(tmp_path: Path) -> None:
    stop = threading.Event()
    engine = RecordingEngine(before_results=lambda targets: stop.set() if targets[0].number > 20 else None)
    journal = new_journal(tmp_path, complete=False)
    first = run_broadcast(journal, PagedRows(1_000), engine, RecordingPruner(), should_stop=stop.is_set)
    assert first.state is RunState.INTERRUPTED
    assert 20 < first.delivered < 1_000
    rest = RecordingEngine()
    again = Journal.open(tmp_path, journal.record.run_id)
    second = run_broadcast(again, PagedRows(1_000), rest, RecordingPruner())
    assert (second.state, second.delivered, second.in_doubt) == (RunState.FINISHED, 1_000, 0)
    assert len(engine.got) + len(rest.got) == 1_000
    assert (second.resumes, second.throttled) == (1, 6)


def test_a_source_that_fails_stops_the_run_and_is_told(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, complete=False)
    failing = PagedRows(1_000, fail_after=3, error=Unavailable("Scan: HTTP 500"))
    engine = RecordingEngine()
    with pytest.raises(Unavailable, match="Scan: HTTP 500"):
        run_broadcast(journal, failing, engine, RecordingPruner())
    assert failing.closed
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.position == "21"
    run_broadcast(again, PagedRows(1_000), rest := RecordingEngine(), RecordingPruner())
    assert len(engine.got) + len(rest.got) == 1_000


def test_a_refusal_by_iam_ends_the_run_which_can_be_resumed(tmp_path: Path) -> None:
    class Refused(RecordingEngine):
        def run(self, *_: object) -> None:
            raise PermissionDenied("execute-api:ManageConnections is not allowed")

    journal = new_journal(tmp_path, complete=False)
    with pytest.raises(PermissionDenied, match="ManageConnections"):
        run_broadcast(journal, PagedRows(50), Refused(), RecordingPruner())
    details = read_run(tmp_path, journal.record.run_id)
    assert (details.summary.state, details.summary.delivered) == (RunState.INTERRUPTED, 0)
    again = Journal.open(tmp_path, journal.record.run_id)
    summary = run_broadcast(again, PagedRows(50), RecordingEngine(), RecordingPruner())
    assert (summary.delivered, summary.in_doubt) == (50, 0)


def test_pruning_that_is_refused_is_counted_and_not_fatal(tmp_path: Path) -> None:
    gone = {f"c{index}" for index in range(2_000)}
    pruner = RecordingPruner(error=PermissionDenied("dynamodb:PartiQLDelete is not allowed"))
    summary = run_broadcast(
        new_journal(tmp_path, complete=False), PagedRows(2_000, 500), RecordingEngine(gone), pruner
    )
    assert (summary.state, summary.gone, summary.pruned) == (RunState.FINISHED, 2_000, 0)
    assert summary.not_pruned == 2_000
    assert summary.not_pruned_because == "dynamodb:PartiQLDelete is not allowed"
    assert pruner.calls < 20  # it would be the same for all


def test_a_stop_while_pruning_leaves_the_rest_for_the_next_part(tmp_path: Path) -> None:
    stop = threading.Event()
    gone = {f"c{index}" for index in range(500)}

    class StopsAtOnce(RecordingPruner):
        def __call__(self, rows):  # type: ignore[no-untyped-def]
            stop.set()
            return super().__call__(rows)

    engine = RecordingEngine(gone, batch=500)
    journal = new_journal(tmp_path, rows=500)
    first = run_broadcast(journal, NO_ROWS, engine, StopsAtOnce(), should_stop=stop.is_set)
    assert first.state is RunState.INTERRUPTED
    assert 0 < first.pruned < 500
    again = Journal.open(tmp_path, journal.record.run_id)
    second = run_broadcast(again, NO_ROWS, RecordingEngine(gone), RecordingPruner())
    assert (second.state, second.gone, second.pruned) == (RunState.FINISHED, 500, 500)


def test_progress_is_told_while_it_runs_and_once_more_at_the_end(tmp_path: Path) -> None:
    seen: list[Progress] = []
    told = threading.Semaphore(0)
    engine = RecordingEngine(batch=20, before_results=lambda _: wait())

    def wait() -> None:
        assert told.acquire(timeout=60)

    def progress(now: Progress) -> None:
        seen.append(now)
        told.release()

    summary = run_broadcast(
        new_journal(tmp_path, complete=False),
        PagedRows(100),
        engine,
        RecordingPruner(),
        progress=progress,
        interval_s=0.02,
    )
    assert len(seen) > 5
    assert seen[0].counts.delivered < 100
    assert (seen[-1].counts.delivered, seen[-1].list_complete) == (100, True)
    assert seen[-1].latencies == summary.latency


def test_an_error_in_the_progress_display_ends_the_run_in_order(tmp_path: Path) -> None:
    told = threading.Event()

    def broken(_: Progress) -> None:
        told.set()
        raise BrokenPipeError("no reader")

    journal = new_journal(tmp_path, complete=False)
    engine = RecordingEngine(before_results=lambda _: wait())

    def wait() -> None:
        assert told.wait(60)

    with pytest.raises(BrokenPipeError):
        run_broadcast(journal, PagedRows(5_000), engine, RecordingPruner(), progress=broken, interval_s=0.01)
    assert len(engine.got) < 5_000
    assert read_run(tmp_path, journal.record.run_id).summary.state is RunState.INTERRUPTED


def test_a_disk_that_fills_up_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, record())
    journal._db.execute("PRAGMA max_page_count = 40")
    with pytest.raises(OpsError, match="the disk is full"):
        run_broadcast(journal, PagedRows(50_000, 500), RecordingEngine(), RecordingPruner())
    again = Journal.open(tmp_path, journal.record.run_id)
    summary = run_broadcast(again, PagedRows(1_000, 500), RecordingEngine(batch=500), RecordingPruner())
    assert summary.pending == 0


def test_ctrl_c_in_the_sender_leaves_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    journal = new_journal(tmp_path, complete=False)
    with pytest.raises(KeyboardInterrupt):
        run_broadcast(journal, PagedRows(100), RecordingEngine(before_results=interrupt), RecordingPruner())
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 5  # they were handed out
    summary = run_broadcast(again, PagedRows(100), RecordingEngine(), RecordingPruner())
    assert summary.delivered == 100

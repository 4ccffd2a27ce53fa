"""The journal: what it hands out, what it keeps, and what a kill at any moment leaves."""

from __future__ import annotations

import gc
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.broadcast.broadcast_fakes import (  # noqa: F401 - let_go is a fixture
    let_go,
    new_journal,
    record,
    result,
    row,
)
from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.journal.claims import SMALLEST_BLOCK
from whatschat_ops.broadcast.journal.file import transaction
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import list_runs
from whatschat_ops.broadcast.journal.reading import BUCKET, Standing
from whatschat_ops.broadcast.journal.summary import FailureGroup, Pruning, RunState
from whatschat_ops.errors import Missing, OpsError, UsageError
from whatschat_ops.measure.histogram import LARGEST_US, Histogram, bucket_of
from whatschat_ops.sender.model import NO_ANSWER, Outcome, Target


def claim_all(journal: Journal) -> list[Target]:
    """Everything that there is to claim now."""
    claimed: list[Target] = []
    while batch := journal.claim(100):
        claimed += batch
    return claimed


def test_targets_are_claimed_in_order_with_numbers_from_one(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=SMALLEST_BLOCK + 10)
    claimed = claim_all(journal)
    assert claimed == [Target(index + 1, f"c{index}") for index in range(SMALLEST_BLOCK + 10)]
    assert journal.claim(1) is None


def test_a_larger_batch_after_a_small_one_is_full(tmp_path: Path) -> None:
    """Who gets fewer than there was room for waits before asking again."""
    journal = new_journal(tmp_path, rows=5 * SMALLEST_BLOCK)
    sizes = [len(journal.claim(limit) or ()) for limit in (1, 2 * SMALLEST_BLOCK, 3 * SMALLEST_BLOCK)]
    assert sizes == [1, 2 * SMALLEST_BLOCK, 3 * SMALLEST_BLOCK - 1]


def test_an_incomplete_list_has_none_now_but_more_later(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=1, complete=False)
    assert journal.claim(10) == [Target(1, "c0")]
    nothing = journal.claim(10)
    assert nothing is not None
    assert not nothing
    journal.add(Page([row(1)], "2"))
    assert journal.claim(10) == [Target(2, "c1")]
    journal.finish_listing()
    assert journal.claim(10) is None


def test_an_empty_page_keeps_its_position(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, complete=False)
    journal.add(Page([], "after nothing"))
    assert journal.position == "after nothing"
    assert journal.counts().listed == 0


def test_ids_with_any_text_come_out_as_they_went_in(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, complete=False)
    ids = ['a"b', "ü\n", "\x00x", "L0SM9cOFvHcCIhw=", "𝄞"]
    journal.add(Page([Row(each, "u", "") for each in ids], "p"))
    assert [target.connection_id for target in claim_all(journal)] == ids


def test_results_are_counted_by_outcome(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=4)
    claim_all(journal)
    journal.record_results(
        [result(1), result(2, Outcome.GONE), result(3, Outcome.FAILED, "HTTP 500", attempts=8)]
    )
    counts = journal.counts()
    assert (counts.delivered, counts.gone, counts.failed, counts.pending) == (1, 1, 1, 1)
    assert counts.attempts == 10


def test_an_outcome_that_is_there_stays(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=2)
    claim_all(journal)
    journal.record_results([result(1)])
    journal.record_results([result(1, Outcome.FAILED, "late"), result(2)])
    counts = journal.counts()
    assert (counts.delivered, counts.failed, counts.attempts) == (2, 0, 2)


def test_what_is_begun_without_a_result_is_in_doubt_and_claimed_again(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=10)
    journal.claim(10)
    journal.record_results([result(number) for number in (1, 3, 5)])
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 7
    assert [target.number for target in claim_all(again)] == [2, 4, 6, 7, 8, 9, 10]


def test_what_was_never_claimed_is_not_in_doubt(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=10)
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 0
    assert len(claim_all(again)) == 10


def test_a_run_that_ends_in_order_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=SMALLEST_BLOCK)
    batch = journal.claim(3)  # the rest of the block is claimed in the file, but was not handed out
    assert batch is not None
    journal.record_results([result(target.number) for target in batch])
    journal.close(RunState.INTERRUPTED)
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 0
    assert [target.number for target in claim_all(again)] == list(range(4, SMALLEST_BLOCK + 1))


def test_what_waits_for_another_attempt_when_a_run_is_stopped_is_claimed_again(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=10)
    journal.claim(10)
    journal.record_results([result(1)])
    journal.close(RunState.INTERRUPTED)
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 0
    assert [target.number for target in claim_all(again)] == list(range(2, 11))


def test_what_was_in_flight_when_a_run_broke_is_in_doubt(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=100)
    journal.claim(10)
    journal.close(RunState.INTERRUPTED, in_order=False)
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 10
    assert len(claim_all(again)) == 100


def test_a_second_kill_counts_only_what_was_begun_again(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=SMALLEST_BLOCK + 5)
    claim_all(journal)
    journal.abandon()
    journal = Journal.open(tmp_path, journal.record.run_id)
    assert journal.counts().in_doubt == SMALLEST_BLOCK + 5
    journal.claim(1)  # one block of them is begun again
    journal.abandon()
    journal = Journal.open(tmp_path, journal.record.run_id)
    assert journal.counts().in_doubt == SMALLEST_BLOCK + 5 + SMALLEST_BLOCK
    assert len(claim_all(journal)) == SMALLEST_BLOCK + 5


def test_what_was_in_doubt_and_has_a_result_now_is_not_counted_again(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=5)
    claim_all(journal)
    journal.abandon()
    journal = Journal.open(tmp_path, journal.record.run_id)
    journal.record_results([result(target.number) for target in claim_all(journal)])
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 5
    assert again.claim(10) is None


def test_failed_targets_are_claimed_again_only_when_asked(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=3)
    claim_all(journal)
    journal.record_results([result(1), result(2, Outcome.FAILED, "HTTP 500", attempts=8), result(3)])
    journal.close(RunState.FINISHED)
    journal = Journal.open(tmp_path, journal.record.run_id)
    assert journal.claim(10) is None
    journal.close(RunState.FINISHED)
    journal = Journal.open(tmp_path, journal.record.run_id, retry_failed=True)
    assert journal.claim(10) == [Target(2, "c1")]
    journal.record_results([result(2)])
    counts = journal.counts()
    assert (counts.delivered, counts.failed, counts.in_doubt, counts.attempts) == (3, 0, 0, 11)


def test_what_failed_without_an_answer_and_is_retried_is_in_doubt(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=3)
    claim_all(journal)
    reasons = ("HTTP 500", f"{NO_ANSWER}: it closed the connection", f"HTTP 400: {NO_ANSWER}")
    journal.record_results([result(number, Outcome.FAILED, why) for number, why in enumerate(reasons, 1)])
    journal.close(RunState.FINISHED)
    journal = Journal.open(tmp_path, journal.record.run_id)
    assert journal.counts().in_doubt == 0
    journal.close(RunState.FINISHED)
    journal = Journal.open(tmp_path, journal.record.run_id, retry_failed=True)
    assert journal.counts().in_doubt == 1


def test_attempts_without_an_answer_survive_a_kill_and_add_to_what_it_left_in_doubt(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=3)
    claim_all(journal)
    journal.add_in_doubt(2)  # the first and the second are sent to again
    journal.record_results([result(1)])
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts().in_doubt == 2 + 2


def test_the_last_of_many_that_are_retried_are_found_as_fast_as_the_first(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=60 * SMALLEST_BLOCK)
    targets = claim_all(journal)
    journal.record_results([result(target.number, Outcome.FAILED, "HTTP 500") for target in targets])
    journal.close(RunState.FINISHED)
    journal = Journal.open(tmp_path, journal.record.run_id, retry_failed=True)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    journal._db.set_progress_handler(count, 10)
    claimed: list[Target] = []
    work: list[int] = []
    while batch := journal.claim(SMALLEST_BLOCK):
        claimed += batch
        work.append(steps)
        steps = 0
    assert claimed == targets
    assert work[-1] < 1.5 * work[0]


def test_gone_rows_are_offered_until_they_are_marked(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=4)
    claim_all(journal)
    journal.record_results([result(number, Outcome.GONE) for number in (1, 2, 3, 4)])
    assert [gone.connected_at for gone in journal.unpruned(2)] == ['{"S":"0"}', '{"S":"1"}']
    journal.mark_pruned([1], Pruning.PRUNED)
    journal.mark_pruned([2], Pruning.REWRITTEN)
    journal.mark_pruned([3], Pruning.PRUNE_FAILED, "throttled")
    assert [gone.number for gone in journal.unpruned(10)] == [4]
    counts = journal.counts()
    assert (counts.pruned, counts.rewritten, counts.prune_failed) == (1, 1, 1)


def test_a_resumed_run_prunes_what_an_earlier_part_could_not(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=2)
    claim_all(journal)
    journal.record_results([result(1, Outcome.GONE), result(2, Outcome.GONE)])
    journal.mark_pruned([1], Pruning.PRUNED)
    journal.mark_pruned([2], Pruning.PRUNE_FAILED, "throttled")
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert [gone.number for gone in again.unpruned(10)] == [2]
    assert again.counts().prune_failed == 0


def test_standing_of_a_distributed_run_is_remembered_without_its_connections(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=0)
    counts = replace(journal.counts(), listed=9, delivered=5, failed=2)
    failures = (FailureGroup("HTTP 500", 2, ("a", "b")),)
    journal.set_standing(Standing(counts, Histogram()), failures, "not authorized")
    journal.abandon()
    (run,), _ = list_runs(tmp_path)
    assert (run.connections, run.delivered, run.pending, run.failures) == (9, 5, 2, failures)
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.counts() == counts
    assert again.close(RunState.INTERRUPTED).pending == 2


def test_a_second_process_is_refused_and_told_who_works(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=1)
    with pytest.raises(OpsError, match=rf"worked on by process {os.getpid()} on .* since 20"):
        Journal.open(tmp_path, journal.record.run_id)
    journal.abandon()
    Journal.open(tmp_path, journal.record.run_id).abandon()


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "broadcasts"
    journal = new_journal(directory, rows=1)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {".sqlite", ".sqlite-wal", ".lock"} <= set(modes)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    journal.abandon()


def test_an_unknown_run_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="There is no broadcast 20261123-101502-7f3a"):
        Journal.open(tmp_path, "20261123-101502-7f3a")
    with pytest.raises(UsageError, match="is not the id of a run"):
        Journal.open(tmp_path, "../secrets")


def test_a_file_that_is_no_journal_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "r1.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(OpsError, match=r"r1.sqlite is damaged: file is not a database"):
        Journal.open(tmp_path, "r1")
    (tmp_path / "r2.sqlite").write_bytes(b"")
    with pytest.raises(OpsError, match=r"r2.sqlite is damaged: no such table: run"):
        Journal.open(tmp_path, "r2")
    gc.collect()  # Python 3.13 warns of a database that is not closed when it is collected


def test_a_journal_of_another_format_is_refused(tmp_path: Path) -> None:
    journal = new_journal(tmp_path)
    journal.close(RunState.FINISHED)
    with sqlite3.connect(journal.path) as database:
        database.execute("UPDATE run SET format = 99")
    database.close()
    with pytest.raises(OpsError, match="format 99: this version reads format 1"):
        Journal.open(tmp_path, journal.record.run_id)


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=100, complete=False)
    journal._db.execute("PRAGMA max_page_count = 20")  # SQLITE_FULL, as a full disk is
    rows = [row(index) for index in range(100, 5_000)]
    with pytest.raises(OpsError, match="cannot be written: the disk is full") as caught:
        journal.add(Page(rows, "never"))
    assert caught.value.hint is not None
    assert f"--resume {journal.record.run_id}" in str(caught.value.hint)
    journal.abandon()
    again = Journal.open(tmp_path, journal.record.run_id)
    assert again.position == "all"
    assert again.counts().listed == 100


def test_a_page_that_cannot_be_written_leaves_nothing_of_itself(tmp_path: Path) -> None:
    journal = new_journal(tmp_path, rows=1, complete=False)
    lone_surrogate = Row("\ud800", "u", "")
    with pytest.raises(UnicodeEncodeError):
        journal.add(Page([row(1)] * 200 + [lone_surrogate], "never"))
    journal.add(Page([row(1)], "2"))
    assert [target.connection_id for target in claim_all(journal)] == ["c0", "c1"]
    assert journal.position == "2"


def test_a_transaction_that_cannot_be_committed_is_rolled_back() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        database.execute("CREATE TABLE child (of REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(sqlite3.IntegrityError), transaction(database):
            database.execute("INSERT INTO child VALUES (7)")
        assert not database.in_transaction
        assert database.execute("SELECT count(*) FROM child").fetchone() == (0,)


def test_a_long_message_is_written_once(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, record(message=b"x" * 131_072))
    journal.add(Page([row(index) for index in range(5_000)], "all"))
    journal.finish_listing()
    for target in claim_all(journal):
        journal.record_results([result(target.number)])
        if target.number > 50:
            break
    assert journal.path.with_name(f"{journal.path.name}-wal").stat().st_size < 3_000_000
    journal.abandon()


@given(st.integers(0, LARGEST_US))
def test_sqlite_counts_a_latency_in_the_bucket_of_the_histogram(latency_us: int) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        question = f"SELECT {BUCKET} FROM (SELECT ? AS latency_us)"
        assert database.execute(question, (latency_us,)).fetchone() == (bucket_of(latency_us),)

"""The distributed engine over a real journal, with a bucket in memory and Step Functions played by hand; and its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.arithmetic import PAGE, page_with, table
from tests.unit.worker.shard_fakes import Bucket, FakeSender, FakeTable, names, table_of
from whatschat_ops.broadcast.audience.selection import Sample, Selection, UsersFile, examine_users_file
from whatschat_ops.broadcast.audience.targets import Page
from whatschat_ops.broadcast.distributed import recall
from whatschat_ops.broadcast.distributed.arithmetic import Shape, distributed_estimate
from whatschat_ops.broadcast.distributed.dry_run import with_workers
from whatschat_ops.broadcast.distributed.engine import EARLIER_MARK, DistributedEngine, require_enabled
from whatschat_ops.broadcast.distributed.executions import Execution, ExecutionStatus, ShardCounts
from whatschat_ops.broadcast.distributed.launching import Fleet, Launcher
from whatschat_ops.broadcast.distributed.planning import MOST_SEGMENTS, Sizes, plan
from whatschat_ops.broadcast.distributed.recall import (
    NOT_LOOKED_UP,
    details_in,
    failed_in,
    outcome_in,
    record_in,
)
from whatschat_ops.broadcast.estimate import Audience, BroadcastEstimate, CostLine, Distribution, estimate
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.of_connection import broadcasts_to
from whatschat_ops.broadcast.journal.past_runs import read_run
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.journal.summary import RunState
from whatschat_ops.broadcast.message import Message
from whatschat_ops.config import Settings
from whatschat_ops.errors import NotFound, OpsError, PermissionDenied, UsageError
from whatschat_ops.pricing.rates import aws_card, guide_card
from whatschat_ops.quotas import RateLimit
from whatschat_ops.sender.model import SendPolicy
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import SEGMENT, Keys, RunSpec, Shard, given_in, shards_of
from whatschat_ops.worker.rows import Row, given_rows, hash_of, wanted
from whatschat_ops.worker.shard import Work

RUN = "20261123-101502-7f3a"
CARD = aws_card()
POLICY = SendPolicy(rate_per_s=1_000, burst=500)
RECORD = RunRecord(
    run_id=RUN,
    created_at="2026-11-23T10:15:02Z",
    environment="local",
    stack="whatschat-local",
    table_name="websocket-connections",
    region="us-east-1",
    callback_url="http://127.0.0.1/production",
    message=b'{"type":"notice"}',
    message_id="",
    selection="{}",
    policy="{}",
    engine="distributed",
    caller_arn="",
)


@dataclass
class FakeRows:
    """The connections table as the command sees it."""

    rows: FakeTable
    counted: int

    def about_how_many(self) -> int:
        return self.counted

    def source(self, selection: Selection) -> FakeRows:
        self.asked = selection
        return self

    def pages(self, position: str | None) -> Iterable[Page]:
        assert position is None
        chosen = [row for row in self.rows.rows if row.connection_id in self.asked.connections]
        sample = self.asked.sample
        if sample and sample.count:
            chosen = sorted(self.rows.rows, key=lambda row: hash_of(row.connection_id, sample.seed))[
                : sample.count
            ]
        return [Page(chosen, "")]


@dataclass
class StepFunctions:
    """Runs the shards of an execution with the worker's own code, one after the other, when it is looked at.

    `broken` shards fail; `can_redrive` says whether redriving is known. `sent` is who got the message, in order.
    """

    bucket: Bucket
    table: FakeTable
    broken: set[int] = field(default_factory=set)
    error: str = "Sandbox.Timedout"
    can_redrive: bool = True
    tolerated: bool = False
    at_once: int = 4
    worker_role: str = "worker"
    executions: dict[int, Execution] = field(default_factory=dict)
    lists: dict[int, str] = field(default_factory=dict)
    redriven: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    counts: ShardCounts = field(default_factory=ShardCounts)

    def workers(self) -> int:
        return self.at_once

    def latest(self) -> Execution | None:
        return self.executions[max(self.executions)] if self.executions else None

    def start(self, number: int, shards_key: str) -> Execution:
        self.executions[number] = Execution(number, f"arn:{number}", ExecutionStatus.RUNNING)
        self.lists[number] = shards_key
        return self.executions[number]

    def refreshed(self, execution: Execution) -> Execution:
        number = execution.number
        if self.executions[number].is_running:
            shards = shards_of(self.bucket.get(self.lists[number]))
            failed = [shard for shard in shards if not self._work(shard)]
            failure = (ExecutionStatus.FAILED, "States.ExceedToleratedFailureThreshold")
            status, why = failure if failed and not self.tolerated else (ExecutionStatus.SUCCEEDED, "")
            self.counts = ShardCounts(succeeded=len(shards) - len(failed), failed=len(failed))
            self.executions[number] = replace(self.executions[number], status=status, why=why)
        return self.executions[number]

    def redrive(self, execution: Execution) -> bool:
        if self.can_redrive:
            self.redriven.append(execution.number)
            self.executions[execution.number] = replace(execution, status=ExecutionStatus.RUNNING, why="")
        return self.can_redrive

    def shards(self, execution: Execution) -> ShardCounts:
        del execution
        return self.counts

    def why(self, execution: Execution) -> tuple[str, str]:
        del execution
        return self.error, "as arranged"

    def _work(self, shard: Shard) -> bool:
        if shard.shard in self.broken:
            return False
        sender, keys = FakeSender(), Keys(RUN)
        spec = RunSpec.from_bytes(self.bucket.get(keys.spec))
        keep = wanted(spec.selection)
        segment = FakeTable(
            [row for row in self.table.rows if _segment(row, shard.segments) == shard.segment]
        )
        if shard.kind != SEGMENT:
            rows = [Row(*values) for values in given_in(self.bucket.get(keys.given(shard.shard)))]
        Work(
            self.bucket,
            keys,
            spec,
            shard.shard,
            attempt=f"{shard.shard}",
            pages=segment.pages if shard.kind == SEGMENT else lambda position: given_rows(rows, position),
            keep=keep if shard.kind == SEGMENT else lambda _row: True,
            prune=self.table.prune,
            make_sender=lambda _message, _rate, _burst: sender,
            left_s=lambda: 800.0,
        ).send()
        self.sent += sender.sent
        return True


def _segment(row: Row, segments: int) -> int:
    return hash_of(row.connection_id, "segments") % segments if segments else 0


def states_of(*ids: str, **more: object) -> StepFunctions:
    return StepFunctions(Bucket(), table_of(*ids), **more)  # type: ignore[arg-type]


def journal_in(directory: Path, record: RunRecord = RECORD) -> Journal:
    return Journal.create(directory, record)


def fleet_of(
    states: StepFunctions,
    *,
    policy: SendPolicy = POLICY,
    workers: int = 4,
    tolerated: float = 0.0,
    say: Callable[[str], None] = lambda _line: None,
) -> Fleet:
    return Fleet(
        states.bucket,
        states,  # type: ignore[arg-type]
        policy,
        FakeRows(states.table, len(states.table.rows)),  # type: ignore[arg-type]
        shard_connections=20,
        workers=workers,
        tolerated_failure_percentage=tolerated,
        say=say,
    )


def start(journal: Journal, states: StepFunctions) -> None:
    """As a process that is killed once the execution is started."""
    Launcher(fleet_of(states), journal.record).first()


def engine_of(fleet: Fleet) -> DistributedEngine:
    return DistributedEngine(fleet, sleep=lambda _seconds: None)


def run(journal: Journal, fleet: Fleet, should_stop: Callable[[], bool] = lambda: False) -> None:
    engine_of(fleet).run(journal, should_stop)


def control_of(states: StepFunctions) -> Control:
    return Control.from_bytes(states.bucket.get(Keys(RUN).control))


def test_run_is_sent_by_segments_and_its_sums_are_in_the_journal(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90), *names(7, "g"), *names(3, "f"))
    run(journal, fleet_of(states))
    counts = journal.counts()
    assert (counts.listed, counts.delivered, counts.gone, counts.failed) == (100, 90, 7, 3)
    assert (counts.pruned, counts.pending, counts.attempts, journal.list_complete) == (7, 0, 100, True)
    assert sorted(states.sent) == sorted([*names(90), *names(7, "g"), *names(3, "f")])
    assert control_of(states) == Control(1_000, 500, workers=4, shards=8)
    assert states.bucket.get(Keys(RUN).message) == RECORD.message
    summary = journal.close(RunState.FINISHED)
    assert (summary.connections, summary.failed, summary.list_complete) == (100, 3, True)
    assert [(group.reason, group.connections) for group in summary.failures] == [("HTTP 500", 3)]
    assert summary.latency is not None and summary.latency.p50_s == pytest.approx(0.01, rel=0.01)
    assert read_run(tmp_path, RUN).summary.delivered == 90


def test_resumed_run_reads_what_came_of_it_without_sending_again(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90))
    start(journal, states)
    states.refreshed(states.executions[1])  # it runs to its end while no process follows
    journal.abandon()
    resumed = Journal.open(tmp_path, RUN)
    run(resumed, fleet_of(states))
    assert (resumed.counts().delivered, resumed.counts().in_doubt) == (90, 0)
    assert len(states.sent) == 90
    assert states.redriven == []


def test_kill_before_the_execution_was_started_starts_it(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(45))
    start(journal, states)
    states.executions.clear()
    run(journal, fleet_of(states))
    assert journal.counts().delivered == 45


def test_failed_shards_say_how_to_resume_and_are_redriven(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90), broken={2, 4})
    with pytest.raises(OpsError, match="2 shards were not finished") as failed:
        run(journal, fleet_of(states))
    assert f"--resume {RUN}" in str(failed.value.hint)
    assert not journal.list_complete
    states.broken.clear()
    run(journal, fleet_of(states))
    assert (journal.counts().delivered, states.redriven) == (90, [1])
    assert len(states.sent) == 90


def test_where_nothing_can_be_redriven_what_is_left_gets_an_execution_of_its_own(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90), broken={2}, can_redrive=False)
    with pytest.raises(OpsError):
        run(journal, fleet_of(states))
    states.broken.clear()
    said: list[str] = []
    run(journal, fleet_of(states, say=said.append))
    assert journal.counts().delivered == 90
    assert [shard.shard for shard in shards_of(states.bucket.get(Keys(RUN).shard_list(2)))] == [2]
    assert any("an execution of its own" in line for line in said)


def test_resume_that_fails_again_says_so_instead_of_redriving_for_ever(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30), broken={1})
    for _ in range(2):
        with pytest.raises(OpsError, match="1 shard was not finished"):
            run(journal, fleet_of(states))
    assert states.redriven == [1]


def test_stop_that_comes_with_a_failure_starts_nothing(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30), broken={1})
    with pytest.raises(OpsError):
        run(journal, fleet_of(states))
    answers = iter([False])
    run(journal, fleet_of(states), should_stop=lambda: next(answers, True))
    assert (states.redriven, list(states.executions)) == ([], [1])


def test_tolerated_failures_are_said_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90), broken={2}, tolerated=True)
    said: list[str] = []
    engine = engine_of(fleet_of(states, tolerated=12.5, say=said.append))
    engine.run(journal, lambda: False)
    assert said[-1] == "1 shard was not finished, which is tolerated: Sandbox.Timedout as arranged"
    assert journal.counts().delivered == len(states.sent) < 90
    assert engine.detail() == "7 of 8 shards done, 0 running, 1 failed"
    states.broken.clear()
    run(journal, fleet_of(states))
    assert journal.counts().delivered == 90


@pytest.mark.parametrize("step_functions_tolerates_it", [True, False])
@pytest.mark.parametrize(("percentage", "is_failure"), [(12.4, True), (12.5, False)])
def test_failed_shards_are_counted_here_whatever_step_functions_says(
    tmp_path: Path, step_functions_tolerates_it: bool, percentage: float, is_failure: bool
) -> None:
    states = states_of(*names(90), broken={2}, tolerated=step_functions_tolerates_it)  # 1 of 8
    expected = pytest.raises(OpsError, match="1 shard was not finished") if is_failure else nullcontext()
    with expected:
        run(journal_in(tmp_path), fleet_of(states, tolerated=percentage))


@pytest.mark.parametrize("at_once", [2, 8])
def test_rate_is_for_as_many_workers_as_the_state_machine_has_not_as_newer_settings_say(
    tmp_path: Path, at_once: int
) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(100), at_once=at_once)
    said: list[str] = []
    run(journal, fleet_of(states, workers=4, say=said.append))
    assert control_of(states) == Control(
        POLICY.rate_per_s, POLICY.burst, at_once, shards=6 if at_once == 2 else 8
    )
    assert any(f"has {at_once} workers at once" in line and "provision" in line for line in said)


def test_resume_sets_the_rate_for_workers_that_are_at_work_and_ends_a_stop(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90))
    start(journal, states)
    key = Keys(RUN).control
    states.bucket.put(key, replace(control_of(states), workers=9, stop=True).to_bytes())
    run(journal, fleet_of(states, policy=replace(POLICY, rate_per_s=2_000)))
    assert control_of(states) == Control(2_000, 500, workers=9, shards=8)
    assert journal.counts().delivered == 90


def test_run_that_is_stopped_ends_without_an_error_and_is_not_redriven(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(90), broken={1, 2, 3, 4, 5, 6, 7, 8})
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("Started"):
            states.bucket.put(Keys(RUN).control, replace(control_of(states), stop=True).to_bytes())

    run(journal, fleet_of(states, say=say))
    assert said[-1] == "The run was stopped; --resume does the rest."
    assert (journal.list_complete, journal.counts().delivered, states.redriven) == (False, 0, [])


def test_shards_are_told_in_words_once_there_are_some() -> None:
    assert str(ShardCounts()) == ""
    told = str(ShardCounts(pending=18, running=10, succeeded=1_012))
    assert told == "1,012 of 1,040 shards done, 10 running, 0 failed"


def test_workers_without_rights_are_a_permission_error(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    states = states_of(*names(30), broken={1}, error="PermissionDenied")
    with pytest.raises(PermissionDenied, match="as arranged"):
        run(journal, fleet_of(states))


def test_failed_connections_are_retried_as_shards_of_their_own(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30), *names(25, "f"))
    run(journal, fleet_of(states))
    assert (journal.counts().delivered, journal.counts().failed) == (30, 25)
    assert {each.connection_id for each in failed_in(states.bucket, RUN)} == set(names(25, "f"))
    journal.close(RunState.FINISHED)
    for _ in range(2):  # they fail again, and are counted once
        again = Journal.open(tmp_path, RUN, retry_failed=True)
        run(again, fleet_of(states))
        counts = again.counts()
        assert (counts.listed, counts.delivered, counts.failed, counts.attempts > 55) == (55, 30, 25, True)
        again.close(RunState.FINISHED)
    assert states.sent.count("f000001=") == 3
    assert states.sent.count("c000001=") == 1
    assert len(list(failed_in(states.bucket, RUN))) == 25


def test_run_whose_objects_have_expired_is_not_sent_again(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30))
    start(journal, states)
    states.executions.clear()
    del states.bucket.objects[Keys(RUN).shard_list(1)]
    with pytest.raises(NotFound, match="kept for 14 days"):
        run(journal, fleet_of(states))
    assert states.executions == {}


def test_stop_of_the_command_leaves_the_execution_alone(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30), broken={1})
    waits = iter([True])
    states.refreshed = lambda execution: execution  # type: ignore[method-assign]
    run(journal, fleet_of(states), should_stop=lambda: bool(states.executions) and next(waits))
    assert states.executions[1].status is ExecutionStatus.RUNNING
    assert not journal.list_complete


def test_run_of_an_earlier_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30))
    with journal._writing():
        journal._db.execute("INSERT INTO mark VALUES (?, '1')", (EARLIER_MARK,))
    with pytest.raises(OpsError, match="begun by an earlier version") as refused:
        run(journal, fleet_of(states))
    assert "Finish it with that version" in refused.value.message
    states.bucket.put(Keys(RUN).spec, b'{"format": 1}')
    with pytest.raises(OpsError, match="begun by an earlier version"):
        record_in(states.bucket, RUN)
    assert states.executions == {}


def test_another_machine_knows_a_run_from_the_bucket_alone(tmp_path: Path) -> None:
    journal, states = journal_in(tmp_path / "one"), states_of(*names(90), broken={3})
    with pytest.raises(OpsError):
        run(journal, fleet_of(states))
    found = record_in(states.bucket, RUN)
    assert found == RECORD
    assert record_in(Bucket(), RUN) is None
    summary = details_in(states.bucket, RECORD, tmp_path / "two").summary
    assert (summary.state, summary.delivered) == (RunState.INTERRUPTED, len(states.sent))
    assert not (tmp_path / "two").exists()
    states.broken.clear()
    elsewhere = journal_in(tmp_path / "two", found)
    run(elsewhere, fleet_of(states))
    assert (elsewhere.counts().delivered, states.redriven) == (90, [1])
    journal.close(RunState.INTERRUPTED)
    known = details_in(states.bucket, RECORD, tmp_path / "one").summary
    assert (known.state, known.delivered, known.pending) == (RunState.FINISHED, 90, 0)


def test_a_connection_is_looked_up_in_the_parts_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, states = journal_in(tmp_path), states_of(*names(30), *names(2, "f"))
    run(journal, fleet_of(states))
    journal.close(RunState.FINISHED)
    at = datetime.fromisoformat(RECORD.created_at)

    def to(connection_id: str, since: datetime = at) -> list[tuple[str, str | None]]:
        found = broadcasts_to(
            tmp_path,
            connection_id,
            table=RECORD.table_name,
            since=since,
            until=since,
            of_workers=lambda run_id: outcome_in(states.bucket, run_id, connection_id),
        )
        return [(each.run_id, each.outcome) for each in found]

    assert to("c000001=") == [(RUN, "delivered")]
    assert to("f000001=") == [(RUN, "failed")]
    assert to("absent") == to("c000001=", at + timedelta(days=1)) == []
    monkeypatch.setattr(recall, "MOST_PARTS", 1)
    assert outcome_in(states.bucket, RUN, "c000001=") == (
        NOT_LOOKED_UP,
        f"its outcomes are in {len(states.bucket.keys(Keys(RUN).parts))} objects of S3",
    )


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 1_000))
def test_segments_are_full_rounds_of_all_workers(rows: int, shard: int, workers: int) -> None:
    segments = Sizes(shard, workers).segments(rows)
    assert workers <= segments <= MOST_SEGMENTS
    if segments < MOST_SEGMENTS:
        assert segments % workers == 0
        assert rows <= segments * shard < rows + (workers + 1) * shard


def planned(selection: Selection, states: StepFunctions) -> list[tuple[str, Sequence[object] | None]]:
    table = FakeRows(states.table, 100)
    made = list(plan(RUN, selection, table, Sizes(20, 4)))  # type: ignore[arg-type]
    assert [each.shard.shard for each in made] == list(range(1, len(made) + 1))
    return [(each.shard.kind, each.given) for each in made]


def test_named_users_and_connections_are_shards_of_their_own(tmp_path: Path) -> None:
    states = states_of(*names(100))
    file = tmp_path / "users"
    file.write_text("".join(f"user-{number}\n" for number in range(1_500)))
    named = Selection(
        users=("user-3", "zoe"), users_file=examine_users_file(file), connections=("c000007=", "c000001=")
    )
    (kind, rows), *users = planned(named, states)
    assert (kind, [row.connection_id for row in rows or ()]) == ("rows", ["c000001=", "c000007="])  # type: ignore[attr-defined]
    assert [kind for kind, _ in users] == ["users", "users"]
    assert [len(given or ()) for _, given in users] == [1_000, 501]
    changed = UsersFile(str(file), "0" * 64, 1)
    with pytest.raises(UsageError, match="has changed"):
        planned(Selection(users_file=changed), states)


def test_sample_of_a_number_is_chosen_by_the_command_and_one_of_a_share_by_the_workers() -> None:
    states = states_of(*names(100))
    of_number = planned(Selection(sample=Sample(50, None, "seed")), states)
    assert [(kind, len(given or ())) for kind, given in of_number] == [
        ("rows", 20),
        ("rows", 20),
        ("rows", 10),
    ]
    of_share = planned(Selection(sample=Sample(None, "10", "seed")), states)
    assert of_share == [("segment", None)] * 8


def test_exclusions_and_a_share_hold_in_every_segment(tmp_path: Path) -> None:
    selection = Selection(exclude_users=("eve",), sample=Sample(None, "50", "seed"))
    states = states_of(*names(200))
    states.table.rows += [Row(f"d{number:03}", "eve", "") for number in range(100)]
    journal = journal_in(tmp_path, replace(RECORD, selection=selection.to_json()))
    run(journal, fleet_of(states))
    expected = [name for name in names(200) if hash_of(name, "seed") < 2**63]
    assert sorted(states.sent) == expected
    assert journal.counts().listed == len(expected)


def test_engine_needs_the_stack_to_have_it_and_the_stacks_own_endpoint() -> None:
    with pytest.raises(UsageError, match="not enabled"):
        require_enabled(Settings())
    enabled = {"broadcast": {"distributed": {"enabled": True}}}
    require_enabled(Settings.of(enabled))
    elsewhere = {**enabled, "websocket": {"endpoint": "wss://chat.example.org"}}
    with pytest.raises(UsageError, match="another endpoint"):
        require_enabled(Settings.of(elsewhere))


def test_arithmetic_of_ten_million_connections_by_hand() -> None:
    found = distributed_estimate(10_000_000, Shape(), CARD)
    assert (found.shards, found.workers, found.worker_rate_per_s) == (400, 10, 1_000)
    # (10,000,000 - 5,000) / 10,000 s at the rate, 10 of 100 children a second, and 40 rounds of 2 s of starting
    assert (found.rate_s, found.dispatch_s, found.starts_s) == (999.5, 0.1, 80)
    assert found.duration_s == pytest.approx(999.5 + 0.1 + 80)
    lines = {line.item: line for line in found.lines}
    assert lines["Messages"].cost == 10
    assert lines["Data transfer"].quantity == 10  # (1,024 + 18) bytes each
    assert lines["Reading the table"].quantity == 305_176
    assert lines["Workers"].quantity == 10_796
    assert lines["State transitions"].quantity == 1_602
    assert lines["State transitions"].cost == Decimal("0.04005")
    parts, looks = 800 + 10_800, 400 + 3_600
    assert lines["S3 writes and listings"].quantity == 4 + parts + 400 + (400 + looks + 2 * 1_080)
    assert lines["S3 reads"].quantity == 800 + looks + parts + 400
    assert found.total == sum(line.cost or 0 for line in found.lines)
    assert [quota.partition(" (")[0] for quota in found.quotas] == ["New connections per second"]


def test_arithmetic_says_when_a_broadcast_would_outlast_every_connection() -> None:
    slow = distributed_estimate(100_000_000, Shape(), CARD)
    assert slow.duration_s > 7_200
    assert any("longer than any connection lasts" in quota for quota in slow.quotas)
    fast = distributed_estimate(100_000_000, Shape(limit=RateLimit(100_000, 50_000), workers=50), CARD)
    assert fast.duration_s < 7_200
    assert any("100,000 requests per second" in quota for quota in fast.quotas)


@given(st.integers(0, 10**8), st.integers(1, 1_000), st.integers(1, 10**6))
def test_arithmetic_grows_with_the_number_of_connections(connections: int, workers: int, shard: int) -> None:
    shape = Shape(workers=workers, shard_connections=shard)
    less, more = (distributed_estimate(number, shape, CARD) for number in (connections, connections + shard))
    assert less.total <= more.total
    assert less.workers <= workers
    assert less.shards * shard >= connections or less.shards == MOST_SEGMENTS


def test_dry_run_adds_what_the_workers_cost_and_keeps_the_rest() -> None:
    messages = CostLine("Messages", Decimal(1_000_000), "message", Decimal("0.25"), Decimal(1))
    local = BroadcastEstimate(
        selection="every connection",
        connections=1_000_000,
        users=10,
        size_bytes=1_024,
        metered_messages=1_000_000,
        message_id="",
        rate_limit_per_s=10_000,
        burst_limit=5_000,
        duration_s=99.5,
        cost=(messages,),
        guide_total=Decimal("0.25"),
        aws_total=Decimal(1),
        price_region="us-east-1",
    )
    found = with_workers(local, Settings(), CARD)
    assert [line.guide for line in found.cost if line.item == "Messages"] == [Decimal("0.25")]
    assert found.aws_total == sum(line.aws or 0 for line in found.cost)
    assert found.guide_total == local.guide_total
    assert found.duration_s == pytest.approx(107.6)
    assert found.distribution == Distribution(40, 10, 1_000.0, 99.5, 0.1, 8.0, ())
    distributed = Settings.of({"broadcast": {"distributed": {"enabled": True}}})
    for unreserved, starved in ((10, 1), (1_000, 0)):
        few = with_workers(local, distributed, CARD, unreserved).distribution
        assert few is not None
        assert [words.startswith("10 workers leave 0 of the 10 ") for words in few.quotas] == [True] * starved


@pytest.mark.parametrize(("rate_per_s", "workers"), [(10_000, 10), (100_000, 100)])
@pytest.mark.parametrize("connections", [1_000_000, 10_000_000, 100_000_000])
def test_dry_run_has_the_figures_of_the_page(connections: int, rate_per_s: float, workers: int) -> None:
    shape = Shape(RateLimit(rate_per_s, int(rate_per_s / 2)), workers)
    page = distributed_estimate(connections, shape, CARD)
    message = Message(b" " * shape.size_bytes, "id")
    read_units = connections * shape.row_bytes / 8_192
    local = estimate(
        Audience(connections, None),
        message,
        shape.limit,
        selection="",
        read_units=read_units,
        guide=guide_card(),
        aws=CARD,
    )
    settings = Settings.of({"broadcast": {"distributed": {"workers": workers}}})
    found = with_workers(local, settings, CARD)
    assert (found.duration_s, found.aws_total) == (page.duration_s, page.total)
    assert {line.item: (line.quantity, line.aws) for line in found.cost} == {
        line.item: (Decimal(line.quantity), line.cost) for line in page.lines
    }
    assert found.distribution == Distribution(
        page.shards,
        page.workers,
        page.worker_rate_per_s,
        page.rate_s,
        page.dispatch_s,
        page.starts_s,
        page.quotas,
    )


def test_page_has_the_arithmetic_of_the_code() -> None:
    assert PAGE.read_text() == page_with(table())

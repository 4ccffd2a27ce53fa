"""The distributed engine over a real journal, with a bucket in memory and Step Functions played by hand; and its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.arithmetic import PAGE, page_with, table
from tests.unit.worker.shard_fakes import Bucket, FakeSender
from whatschat_ops.broadcast.audience.targets import Page, Row
from whatschat_ops.broadcast.distributed.arithmetic import Shape, distributed_estimate
from whatschat_ops.broadcast.distributed.dry_run import with_workers
from whatschat_ops.broadcast.distributed.engine import DistributedEngine, require_enabled
from whatschat_ops.broadcast.distributed.executions import Execution, ExecutionStatus, ShardCounts
from whatschat_ops.broadcast.distributed.launching import Fleet, Launcher, worker_spec
from whatschat_ops.broadcast.distributed.merging import Parts, Tally
from whatschat_ops.broadcast.distributed.shards import items_of, shards_of
from whatschat_ops.broadcast.estimate import BroadcastEstimate, CostLine, Distribution
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.config import Settings
from whatschat_ops.errors import NotFound, OpsError, PermissionDenied, UsageError
from whatschat_ops.pricing.rates import aws_card
from whatschat_ops.quotas import RateLimit
from whatschat_ops.sender.model import Outcome, Result, SendPolicy, Target
from whatschat_ops.worker.objects import Keys, Part, RunSpec, shard_targets
from whatschat_ops.worker.shard import send_shard

RUN = "20261123-101502-7f3a"
CARD = aws_card()
POLICY = SendPolicy(rate_per_s=1_000, burst=500)
RECORD = RunRecord(
    run_id=RUN,
    created_at="2026-11-23T10:15:02+00:00",
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
class StepFunctions:
    """Runs the shards of an execution with the worker's own code, one after the other, when it is looked at.

    `broken` shards fail; `can_redrive` says whether redriving is known. `sent` is who got the message, in order.
    """

    bucket: Bucket
    broken: set[int] = field(default_factory=set)
    error: str = "Sandbox.Timedout"
    can_redrive: bool = True
    tolerated: bool = False
    at_once: int = 4
    worker_role: str = "worker"
    executions: dict[int, Execution] = field(default_factory=dict)
    lists: dict[int, str] = field(default_factory=dict)
    redriven: list[int] = field(default_factory=list)
    sent: list[Target] = field(default_factory=list)
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
            items = items_of(self.bucket.get(self.lists[number]))
            failed = [item["shard"] for item in items if not self._work(item["shard"], item["connections"])]
            failure = (ExecutionStatus.FAILED, "States.ExceedToleratedFailureThreshold")
            status, why = failure if failed and not self.tolerated else (ExecutionStatus.SUCCEEDED, "")
            self.counts = ShardCounts(succeeded=len(items) - len(failed), failed=len(failed))
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

    def _work(self, shard: int, connections: int) -> bool:
        if shard in self.broken:
            return False
        sender = FakeSender()
        keys = Keys(RUN)
        spec = RunSpec.from_bytes(self.bucket.get(keys.spec))
        send_shard(
            self.bucket,
            keys,
            shard,
            connections,
            attempt=f"{shard}",
            spec=spec,
            make_sender=lambda _spec, _message: sender,
            near_the_end=lambda: False,
        )
        self.sent += sender.sent
        return True


def journal_of(directory: Path, connections: int) -> Journal:
    journal = Journal.create(directory, RECORD)
    journal.add(Page([Row(f"c{number}", "u", "") for number in range(1, connections + 1)], "{}"))
    journal.finish_listing()
    return journal


def fleet_of(
    states: StepFunctions,
    *,
    policy: SendPolicy = POLICY,
    workers: int = 4,
    say: Callable[[str], None] = lambda _line: None,
) -> Fleet:
    return Fleet(
        states.bucket,
        states,  # type: ignore[arg-type]
        policy,
        shard_connections=20,
        workers=workers,
        say=say,
    )


def start(journal: Journal, states: StepFunctions) -> None:
    """As a process that is killed once the execution is started."""
    Launcher(fleet_of(states), journal).first()


def engine_of(fleet: Fleet) -> DistributedEngine:
    return DistributedEngine(fleet, sleep=lambda _seconds: None)


def run(journal: Journal, fleet: Fleet, should_stop: Callable[[], bool] = lambda: False) -> None:
    engine_of(fleet).run(journal, should_stop)


def test_run_is_split_sent_and_merged(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket())
    run(journal, fleet_of(states))
    assert (journal.counts().delivered, journal.counts().pending) == (90, 0)
    assert [target.number for target in states.sent] == list(range(1, 91))
    spec = RunSpec.from_bytes(states.bucket.get(Keys(RUN).spec))
    assert (spec.rate_per_s, spec.burst) == (250, 125)
    assert states.bucket.get(Keys(RUN).message) == RECORD.message


def test_resumed_run_merges_without_sending_again(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket())
    start(journal, states)
    states.refreshed(states.executions[1])  # it runs to its end while no process follows
    journal.abandon()
    resumed = Journal.open(tmp_path, RUN)
    run(resumed, fleet_of(states))
    assert (resumed.counts().delivered, resumed.counts().in_doubt) == (90, 0)
    assert len(states.sent) == 90
    assert states.redriven == []


def test_kill_before_the_execution_was_started_starts_it(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 45), StepFunctions(Bucket())
    start(journal, states)
    states.executions.clear()
    run(journal, fleet_of(states))
    assert journal.counts().delivered == 45


def test_failed_shards_say_how_to_resume_and_are_redriven(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket(), broken={2, 4})
    with pytest.raises(OpsError, match="2 shards were not finished") as failed:
        run(journal, fleet_of(states))
    assert f"--resume {RUN}" in str(failed.value.hint)
    assert journal.counts().pending == 40
    states.broken.clear()
    run(journal, fleet_of(states))
    assert (journal.counts().delivered, states.redriven) == (90, [1])
    assert len(states.sent) == 90


def test_where_nothing_can_be_redriven_what_is_left_gets_an_execution_of_its_own(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket(), broken={2}, can_redrive=False)
    with pytest.raises(OpsError):
        run(journal, fleet_of(states))
    states.broken.clear()
    said: list[str] = []
    run(journal, fleet_of(states, say=said.append))
    assert journal.counts().delivered == 90
    assert [item["shard"] for item in items_of(states.bucket.get(Keys(RUN).shard_list(2)))] == [2]
    assert any("an execution of its own" in line for line in said)


def test_resume_that_fails_again_says_so_instead_of_redriving_for_ever(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 30), StepFunctions(Bucket(), broken={1})
    for _ in range(2):
        with pytest.raises(OpsError, match="1 shard was not finished"):
            run(journal, fleet_of(states))
    assert states.redriven == [1]


def test_stop_that_comes_with_a_failure_starts_nothing(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 30), StepFunctions(Bucket(), broken={1})
    with pytest.raises(OpsError):
        run(journal, fleet_of(states))
    answers = iter([False])
    run(journal, fleet_of(states), should_stop=lambda: next(answers, True))
    assert (states.redriven, list(states.executions)) == ([], [1])


def test_tolerated_failures_are_said_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket(), broken={2}, tolerated=True)
    said: list[str] = []
    engine = engine_of(fleet_of(states, say=said.append))
    engine.run(journal, lambda: False)
    assert said[-1] == "1 shard was not finished, which is tolerated: Sandbox.Timedout as arranged"
    assert (journal.counts().delivered, journal.counts().pending) == (70, 20)
    assert engine.detail() == "4 of 5 shards done, 0 running, 1 failed"
    states.broken.clear()
    run(journal, fleet_of(states))
    assert journal.counts().delivered == 90


@pytest.mark.parametrize("at_once", [2, 8])
def test_rate_is_divided_by_what_the_state_machine_has_not_by_newer_settings(
    tmp_path: Path, at_once: int
) -> None:
    journal, states = journal_of(tmp_path, 400), StepFunctions(Bucket(), at_once=at_once)
    said: list[str] = []
    run(journal, fleet_of(states, workers=4, say=said.append))
    spec = RunSpec.from_bytes(states.bucket.get(Keys(RUN).spec))
    assert spec.rate_per_s * at_once == POLICY.rate_per_s
    assert any(f"has {at_once} workers at once" in line and "provision" in line for line in said)


def test_other_rate_for_an_execution_that_runs_or_is_redriven_is_said_not_to_hold(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket(), broken={2})
    start(journal, states)
    faster = replace(POLICY, rate_per_s=2_000)
    for _ in ("followed", "redriven"):
        said: list[str] = []
        engine = engine_of(fleet_of(states, policy=faster, say=said.append))
        with pytest.raises(OpsError):
            engine.run(journal, lambda: False)
        assert said.count("The execution keeps the rate that it was started with: 1,000/s.") == 1
        assert engine.snapshot().rate_limit_per_s == 1_000
    said = []
    states.can_redrive = False
    engine = engine_of(fleet_of(states, policy=faster, say=said.append))
    with pytest.raises(OpsError):
        engine.run(journal, lambda: False)
    assert not any("keeps the rate" in line for line in said)
    assert engine.snapshot().rate_limit_per_s == 2_000
    spec = RunSpec.from_bytes(states.bucket.get(Keys(RUN).spec))
    assert spec.rate_per_s == 2_000


def test_execution_that_was_not_started_before_a_kill_gets_the_rate_of_now(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 90), StepFunctions(Bucket())
    start(journal, states)
    states.executions.clear()
    run(journal, fleet_of(states, policy=replace(POLICY, rate_per_s=100)))
    assert RunSpec.from_bytes(states.bucket.get(Keys(RUN).spec)).rate_per_s == 25


def test_shards_are_told_in_words_once_there_are_some() -> None:
    assert str(ShardCounts()) == ""
    told = str(ShardCounts(pending=18, running=10, succeeded=1_012))
    assert told == "1,012 of 1,040 shards done, 10 running, 0 failed"


def test_workers_without_rights_are_a_permission_error(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 30)
    states = StepFunctions(Bucket(), broken={1}, error="PermissionDenied")
    with pytest.raises(PermissionDenied, match="as arranged"):
        run(journal, fleet_of(states))


def test_failed_connections_of_finished_shards_are_retried_as_shards_of_their_own(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 50), StepFunctions(Bucket())
    keys = Keys(RUN)
    start(journal, states)
    first = list(shard_targets(states.bucket.get(keys.shard(1))))
    results = [Result(target.number, Outcome.FAILED, "HTTP 500", 8, 0.1) for target in first]
    states.bucket.put(keys.part(1, 1), Part("x", 20, results, final=True).to_bytes())
    run(journal, fleet_of(states))
    assert (journal.counts().delivered, journal.counts().failed) == (30, 20)
    journal.abandon()
    again = Journal.open(tmp_path, RUN, retry_failed=True)
    run(again, fleet_of(states))
    assert (again.counts().delivered, again.counts().failed) == (50, 0)
    assert sorted(target.number for target in states.sent) == list(range(1, 51))


def test_run_whose_objects_have_expired_is_not_sent_again(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 30), StepFunctions(Bucket())
    start(journal, states)
    states.executions.clear()
    states.bucket.objects.clear()
    with pytest.raises(NotFound, match="kept for 14 days"):
        run(journal, fleet_of(states))
    assert states.executions == {}


def test_stop_leaves_the_execution_alone(tmp_path: Path) -> None:
    journal, states = journal_of(tmp_path, 30), StepFunctions(Bucket())
    run(journal, fleet_of(states), should_stop=lambda: bool(states.executions))
    assert states.executions[1].status is ExecutionStatus.RUNNING
    assert journal.counts().pending == 30


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 50))
def test_shards_hold_every_target_once_and_are_full_but_the_last(sizes: list[int], connections: int) -> None:
    targets = [Target(number, f"c{number}") for number in range(1, sum(sizes) + 1)]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(targets[at : at + size])
        at += size
    shards = list(shards_of(pieces, connections))
    assert [target for shard in shards for target in shard] == targets
    assert all(len(shard) == connections for shard in shards[:-1])


def test_parts_are_read_once_and_from_the_lowest_open_shard() -> None:
    bucket, keys = Bucket(), Keys(RUN)
    listed: list[str] = []
    plain = bucket.keys

    def watched(prefix: str, *, after: str = "") -> list[str]:
        listed.append(after)
        return plain(prefix, after=after)

    bucket.keys = watched  # type: ignore[method-assign]
    parts = Parts(bucket, keys, {1: 1, 2: 2}, {})
    bucket.put(keys.part(1, 1), _part(1, final=True))
    bucket.put(keys.part(2, 1), _part(2, final=False))
    assert _numbers(parts) == [1, 2]
    assert _numbers(parts) == []
    bucket.put(keys.part(2, 2), _part(3, final=True))
    assert _numbers(parts) == [3]
    assert _numbers(parts) == []
    assert listed == [keys.parts_of(1), keys.parts_of(2), keys.parts_of(2)]
    assert parts.unfinished == []


def _part(number: int, *, final: bool) -> bytes:
    return Part("a", 9, [Result(number, Outcome.DELIVERED, "", 1, 0.0123)], final=final).to_bytes()


def _numbers(parts: Parts) -> Sequence[int]:
    return [result.number for merged in parts.new() for result in merged.results]


def test_engine_needs_the_stack_to_have_it_and_the_stacks_own_endpoint() -> None:
    with pytest.raises(UsageError, match="not enabled"):
        require_enabled(Settings())
    enabled = {"broadcast": {"distributed": {"enabled": True}}}
    require_enabled(Settings.of(enabled))
    elsewhere = {**enabled, "websocket": {"endpoint": "wss://chat.example.org"}}
    with pytest.raises(UsageError, match="another endpoint"):
        require_enabled(Settings.of(elsewhere))


@given(st.floats(1, 100_000), st.integers(1, 50_000), st.integers(1, 1_000))
def test_workers_together_stay_within_the_rate(rate_per_s: float, burst: int, workers: int) -> None:
    spec = worker_spec(SendPolicy(rate_per_s=rate_per_s, burst=burst), workers)
    assert spec.rate_per_s * workers == pytest.approx(rate_per_s)
    assert spec.burst * workers <= max(burst, workers)


def test_arithmetic_of_ten_million_connections_by_hand() -> None:
    found = distributed_estimate(10_000_000, Shape(), CARD)
    assert (found.shards, found.workers, found.worker_rate_per_s) == (400, 10, 1_000)
    # (10,000,000 - 5,000) / 10,000 s at the rate, and 40 rounds of 2 s of starting
    assert found.duration_s == pytest.approx(999.5 + 80)
    lines = {line.item: line for line in found.lines}
    assert lines["Messages"].cost == 10
    assert lines["Workers"].quantity == 10_795
    assert lines["State transitions"].quantity == 1_602
    assert lines["State transitions"].cost == Decimal("0.04005")
    assert lines["S3 writes and listings"].quantity == 400 + (800 + 10_800) + 400 + 1_080 + 3
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
    assert less.shards * shard >= connections


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
    assert found.cost[0] == messages
    assert [line.item for line in found.cost].count("Messages") == 1
    assert found.aws_total == sum(line.aws or 0 for line in found.cost)
    assert found.guide_total == local.guide_total
    assert found.duration_s == pytest.approx(107.5)
    assert found.distribution == Distribution(40, 10, 1_000.0, ())


def test_page_has_the_arithmetic_of_the_code() -> None:
    assert PAGE.read_text() == page_with(table())


def test_counters_of_an_attempt_are_those_so_far_and_attempts_add_up() -> None:
    tally = Tally()
    for attempt, throttled in (("a", 1), ("a", 3), ("b", 2), ("a", 4), ("b", 2)):
        tally.add(Part(attempt, allowed=0, counters={"account_throttled": throttled}))
    assert tally["account_throttled"] == 4 + 2
    assert tally["attempts"] == 0

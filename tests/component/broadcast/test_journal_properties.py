"""The journal whatever happens in whatever order: hundreds of files are written."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.broadcast.broadcast_fakes import (  # noqa: F401 - let_go is a fixture
    let_go,
    new_journal,
    record,
    result,
    row,
)
from whatschat_ops.broadcast.audience.targets import Page
from whatschat_ops.broadcast.journal.claims import SMALLEST_BLOCK
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.past_runs import read_run
from whatschat_ops.broadcast.journal.summary import Pruning, RunState
from whatschat_ops.sender.model import Outcome, Result, Target


@given(
    st.lists(st.tuples(st.sampled_from(Outcome), st.integers(0, 10_000_000)), max_size=60),
    st.integers(0, 60),
)
def test_latencies_while_it_runs_are_those_of_the_summary_also_after_a_kill(
    ended: list[tuple[Outcome, int]], before_the_kill: int
) -> None:
    results = [
        Result(number, outcome, "why" if outcome is Outcome.FAILED else "", 1, latency_us / 1_000_000)
        for number, (outcome, latency_us) in enumerate(ended, 1)
    ]
    with tempfile.TemporaryDirectory() as directory:
        journal = new_journal(Path(directory), rows=len(results))
        journal.record_results(results[:before_the_kill])
        journal.abandon()
        journal = Journal.open(Path(directory), journal.record.run_id)
        journal.record_results(results[before_the_kill:])
        shown = journal.latencies()
        assert journal.close(RunState.FINISHED).latency == shown
        assert read_run(Path(directory), journal.record.run_id).summary.latency == shown
    exact = sorted(result.latency_s for result in results if result.outcome is not Outcome.FAILED)
    assert (shown is None) == (not exact)
    if shown is not None:
        p95_s = exact[math.ceil(len(exact) * 0.95) - 1]
        assert shown.p95_s == pytest.approx(p95_s, rel=1 / 128, abs=2e-6)


class AnyOrder(RuleBasedStateMachine):
    """Pages, claims, results, pruning, orderly ends and kills in any order, beside a model of what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.sent: Counter[str] = Counter()
        self.ended: dict[str, Outcome] = {}
        self.in_flight: list[Target] = []
        self.listed = 0
        self.bound = 0
        """Of every kill: what was handed out and not recorded, and the rest of the block."""

    @initialize()
    def begin(self) -> None:
        self.journal = new_journal(self.directory, complete=False)

    def teardown(self) -> None:
        self.journal.abandon()
        shutil.rmtree(self.directory)

    @precondition(lambda self: not self.journal.list_complete)
    @rule(size=st.integers(0, 300))
    def page(self, size: int) -> None:
        rows = [row(index) for index in range(self.listed, self.listed + size)]
        self.listed += size
        self.journal.add(Page(rows, str(self.listed)))

    @precondition(lambda self: not self.journal.list_complete)
    @rule()
    def list_ends(self) -> None:
        self.journal.finish_listing()

    @rule(limit=st.integers(1, 400))
    def claim(self, limit: int) -> None:
        targets = self.journal.claim(limit)
        if targets is None:
            assert self.journal.list_complete
            return
        assert len(targets) <= limit
        for target in targets:
            assert target.connection_id == f"c{target.number - 1}"
            assert target.connection_id not in self.ended
            self.sent[target.connection_id] += 1
        self.in_flight += targets

    @rule(data=st.data())
    def results(self, data: st.DataObject) -> None:
        self.in_flight = (
            data.draw(st.permutations(self.in_flight)) if len(self.in_flight) < 20 else self.in_flight
        )
        count = data.draw(st.integers(0, len(self.in_flight)))
        done, self.in_flight = self.in_flight[:count], self.in_flight[count:]
        outcome = data.draw(st.sampled_from(Outcome))
        self.journal.record_results(
            [result(target.number, outcome, "why" if outcome is Outcome.FAILED else "") for target in done]
        )
        self.ended |= {target.connection_id: outcome for target in done}

    @rule(pruning=st.sampled_from(Pruning), limit=st.integers(1, 50))
    def prune(self, pruning: Pruning, limit: int) -> None:
        rows = self.journal.unpruned(limit)
        assert all(self.ended[each.connection_id] is Outcome.GONE for each in rows)
        self.journal.mark_pruned([each.number for each in rows], pruning)

    @rule(retry_failed=st.booleans())
    def kill(self, retry_failed: bool) -> None:
        before = self.journal.counts().in_doubt
        self.journal.abandon()
        self.journal = Journal.open(self.directory, self.journal.record.run_id, retry_failed=retry_failed)
        self.bound += len(self.in_flight) + SMALLEST_BLOCK
        assert (
            len(self.in_flight)
            <= self.journal.counts().in_doubt - before
            <= len(self.in_flight) + SMALLEST_BLOCK
        )
        self._reopened(retry_failed)

    @rule(retry_failed=st.booleans())
    def orderly_end(self, retry_failed: bool) -> None:
        before = self.journal.counts()
        summary = self.journal.close(RunState.INTERRUPTED)
        assert (summary.delivered, summary.pending) == (before.delivered, before.pending)
        self.journal = Journal.open(self.directory, self.journal.record.run_id, retry_failed=retry_failed)
        assert self.journal.counts().in_doubt == before.in_doubt
        for target in self.in_flight:  # they waited for another attempt: none has arrived
            self.sent[target.connection_id] -= 1
        self._reopened(retry_failed)

    def _reopened(self, retry_failed: bool) -> None:
        self.in_flight = []
        if retry_failed:
            failed = [each for each, outcome in self.ended.items() if outcome is Outcome.FAILED]
            for each in failed:
                del self.ended[each]
                self.sent[each] = 0  # that it is sent to once more is what was asked for

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        counts = self.journal.counts()
        outcomes = Counter(self.ended.values())
        assert counts.listed == self.listed
        assert counts.delivered == outcomes[Outcome.DELIVERED]
        assert counts.gone == outcomes[Outcome.GONE]
        assert counts.failed == outcomes[Outcome.FAILED]
        assert counts.pruned + counts.rewritten + counts.prune_failed <= counts.gone

    @invariant()
    def duplicates_are_within_what_is_counted(self) -> None:
        twice = sum(times - 1 for times in self.sent.values() if times > 1)
        assert twice <= self.journal.counts().in_doubt <= self.bound

    @rule()
    def drained_every_connection_has_one_outcome(self) -> None:
        if not self.journal.list_complete:
            self.journal.finish_listing()
        self._record(self.in_flight)
        self.in_flight = []
        while (targets := self.journal.claim(1_000)) is not None:
            for target in targets:
                self.sent[target.connection_id] += 1
            self._record(targets)
        assert set(self.ended) == {f"c{index}" for index in range(self.listed)}
        assert self.journal.counts().pending == 0

    def _record(self, targets: Sequence[Target]) -> None:
        self.journal.record_results([result(target.number) for target in targets])
        self.ended |= {target.connection_id: Outcome.DELIVERED for target in targets}


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

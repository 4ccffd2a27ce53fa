"""Counting by workers: however the table is cut into segments and objects, the sums are those of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.shard_fakes import KEYS, Bucket
from whatschat_ops.broadcast.distributed.counting import STALLED_S, counted_by, merged
from whatschat_ops.broadcast.distributed.execution import Execution, ExecutionStatus
from whatschat_ops.broadcast.distributed.outcomes import Outcomes
from whatschat_ops.connections.statistics import Census, ConnectionStats
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import OpsError
from whatschat_ops.worker.counting import count_segment
from whatschat_ops.worker.objects import SEGMENT, Shard
from whatschat_ops.worker.tally import stored_time

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
Item = Mapping[str, Mapping[str, str]]

TIMES = st.one_of(
    st.none(),
    st.integers(SECONDS - 200_000, SECONDS + 10_000).map(lambda at: {"N": str(at)}),
    st.integers(SECONDS - 200_000, SECONDS + 10_000).map(lambda at: {"N": f"{at}000"}),
    st.integers(0, 100_000).map(lambda age: {"S": (NOW - timedelta(seconds=age)).isoformat()}),
    st.just({"S": "no time"}),
)
ITEMS = st.lists(st.tuples(st.none() | st.sampled_from("abcdé"), TIMES, TIMES), max_size=30)


def item(name: str, user: str | None, connected_at: Any, ttl: Any) -> Item:
    found = {"userId": user and {"S": user}, "connectedAt": connected_at, "ttl": ttl}
    return {"connectionId": {"S": name}} | {key: value for key, value in found.items() if value}


def here(items: Sequence[Item], top: int) -> ConnectionStats:
    """As one machine counts them."""
    rows = (
        Connection(
            each["connectionId"]["S"],
            each.get("userId", {}).get("S", ""),
            stored_time(each.get("connectedAt")),
            stored_time(each.get("ttl")),
            each.get("connectedAt"),
            each.get("ttl"),
        )
        for each in items
    )
    return Census(NOW).add_all(rows).stats(top=top)


def by_workers(segments: Sequence[Sequence[Item]], top: int, users: int) -> ConnectionStats:
    """As workers count them, each with `users` in memory."""
    bucket = Bucket()
    for number, items in enumerate(segments, 1):
        pages = [items[at : at + 3] for at in range(0, len(items), 3)] or [[]]
        count_segment(bucket, KEYS, number, "attempt", pages, NOW, users_of_an_object=users)
    return merged(bucket, KEYS, range(1, len(segments) + 1), top=top)


@given(ITEMS, st.integers(1, 5), st.integers(1, 4), st.integers(0, 4))
def test_any_cut_of_the_table_merges_to_the_figures_of_one_machine(
    drawn: list[tuple[Any, Any, Any]], segments: int, users: int, top: int
) -> None:
    items = [item(f"c{number:02}", *each) for number, each in enumerate(drawn)]
    cut = [items[at::segments] for at in range(segments)]
    assert by_workers(cut, top, users) == here(items, top)


def test_second_attempt_at_a_segment_counts_nothing_twice() -> None:
    bucket = Bucket()
    items = [item(f"c{number}", user, None, None) for number, user in enumerate("aab")]
    count_segment(bucket, KEYS, 1, "first", [items], NOW)
    count_segment(bucket, KEYS, 1, "second", [items[:1], items[1:]], NOW, users_of_an_object=1)
    assert merged(bucket, KEYS, [1], top=2) == here(items, 2)
    assert bucket.done().delivered == 3


def test_no_object_has_more_users_than_a_worker_keeps_and_a_page() -> None:
    bucket = Bucket()
    pages = [[item(f"c{page}", f"user-{page}", None, None)] for page in range(5)]
    count_segment(bucket, KEYS, 1, "first", pages, NOW, users_of_an_object=2)
    assert len(bucket.keys(f"{KEYS.root}users/")) == 3
    assert merged(bucket, KEYS, [1], top=0).users == 5


@dataclass
class Workers:
    """A launcher and its executions: each sleep lasts `every_s`, and ends with one more shard that is counted."""

    every_s: float
    counts: int
    status: ExecutionStatus = ExecutionStatus.RUNNING
    error: str = ""
    bucket: Bucket = field(default_factory=Bucket)
    now_s: float = 0.0
    done: int = 0

    @property
    def fleet(self) -> Any:
        return SimpleNamespace(executions=self)

    def first(self) -> Execution:
        return Execution(1, "arn:1", ExecutionStatus.RUNNING)

    def outcomes(self) -> Outcomes:
        shards = {number: Shard(KEYS.run, number, SEGMENT, number - 1, 3) for number in (1, 2, 3)}
        return Outcomes(self.bucket, KEYS, shards)

    def refreshed(self, execution: Execution) -> Execution:
        return replace(execution, status=self.status)

    def why(self, _execution: Execution) -> tuple[str, str]:
        return self.error, ""

    def sleep(self, _seconds: float) -> None:
        self.now_s += self.every_s
        if self.done < self.counts:
            self.done += 1
            count_segment(self.bucket, KEYS, self.done, "attempt", [[]], NOW)

    def count(self) -> Outcomes:
        launcher: Any = self
        return counted_by(launcher, clock_s=lambda: self.now_s, sleep=self.sleep)


def test_workers_may_take_as_long_as_they_like_while_shards_are_finished() -> None:
    assert Workers(STALLED_S - 1, counts=3).count().unfinished == []


def test_workers_that_finish_no_shard_any_more_are_not_waited_for() -> None:
    workers = Workers(100.0, counts=1)
    with pytest.raises(OpsError, match=r"2 shards .* \(RUNNING\): none was for 60 minutes"):
        workers.count()
    assert workers.now_s == 100 + STALLED_S


def test_execution_that_ended_early_is_not_waited_for() -> None:
    workers = Workers(1.0, counts=0, status=ExecutionStatus.FAILED, error="KeyError")
    with pytest.raises(OpsError, match=r"3 shards .* \(FAILED\): KeyError") as failed:
        workers.count()
    assert "Replace them" in str(failed.value.hint)
    assert workers.now_s == 0

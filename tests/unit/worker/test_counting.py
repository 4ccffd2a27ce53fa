"""Counting by workers: however the table is cut into segments and objects, the sums are those of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.shard_fakes import CONTROL, KEYS, LONG_S, Bucket, bucket_of_run
from whatschat_ops.broadcast.audience.sampling import hash_of, smallest
from whatschat_ops.broadcast.distributed.counting import STALLED_S, counted_by, merged, segments_of
from whatschat_ops.broadcast.distributed.execution import Execution, ExecutionStatus
from whatschat_ops.broadcast.distributed.outcomes import Outcomes
from whatschat_ops.broadcast.distributed.sampling import BELOW_ALL, bound, choose, rows_in
from whatschat_ops.connections.statistics import Census, ConnectionStats
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import OpsError
from whatschat_ops.worker.control import CONTROL_S
from whatschat_ops.worker.counting import Count, Counted, Found, Kept
from whatschat_ops.worker.objects import SEGMENT, Shard
from whatschat_ops.worker.rows import END, Position, Row, StoredPage, wanted
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


@dataclass
class Segment:
    """A segment of the table in pages of three rows, and a clock: reading a page takes `page_s`, and the worker has `left_s` at first."""

    items: Sequence[Item]
    page_s: float = 0.0
    left_s: float = LONG_S
    now_s: float = 0.0
    pages_read: int = 0
    then: Callable[[], object] = lambda: None
    """What happens after each page."""

    def pages(self, position: Position) -> Iterator[StoredPage]:
        at = position or 0
        while position != END:
            position = at + 3 if at + 3 < len(self.items) else END
            self.now_s += self.page_s
            self.pages_read += 1
            self.then()
            yield StoredPage(self.items[at : at + 3], position)
            at += 3

    def count(
        self,
        bucket: Bucket,
        shard: int = 1,
        attempt: str = "attempt",
        users: int = 50,
        found: Found | None = None,
    ) -> bool:
        begun_s = self.now_s
        count = Count(
            bucket,
            KEYS,
            shard,
            attempt,
            self.pages,
            found or Counted(NOW),
            left_s=lambda: begun_s + self.left_s - self.now_s,
            clock_s=lambda: self.now_s,
            items_of_an_object=users,
        )
        return count.work()


def sums_in(bucket: Bucket, shards: Sequence[int] = (1,), *, top: int) -> ConnectionStats:
    return merged(segments_of(bucket, KEYS, shards), top=top)


def by_workers(
    segments: Sequence[Sequence[Item]], top: int, users: int, pages_of_a_worker: int = 1_000
) -> ConnectionStats:
    """As workers count them, each with `users` in memory, and with the time for so many pages."""
    bucket = bucket_of_run()
    for number, items in enumerate(segments, 1):
        segment = Segment(items, page_s=1.0, left_s=pages_of_a_worker)
        while segment.count(bucket, number, f"at-{segment.now_s}", users):
            assert not bucket.keys(KEYS.done(number))
    return sums_in(bucket, range(1, len(segments) + 1), top=top)


@given(ITEMS, st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 9))
def test_any_cut_of_the_table_and_of_the_time_merges_to_the_figures_of_one_machine(
    drawn: list[tuple[Any, Any, Any]], segments: int, users: int, top: int, pages_of_a_worker: int
) -> None:
    items = [item(f"c{number:02}", *each) for number, each in enumerate(drawn)]
    cut = [items[at::segments] for at in range(segments)]
    assert by_workers(cut, top, users, pages_of_a_worker) == here(items, top)


def test_second_attempt_at_a_segment_counts_nothing_twice() -> None:
    bucket = bucket_of_run()
    items = [item(f"c{number}", user, None, None) for number, user in enumerate("aab")]
    Segment(items).count(bucket, attempt="first")
    Segment(items).count(bucket, attempt="second", users=1)
    assert sums_in(bucket, top=2) == here(items, 2)
    assert bucket.done().delivered == 3


def test_no_object_has_more_users_than_a_worker_keeps_and_a_page() -> None:
    bucket = bucket_of_run()
    items = [item(f"c{number:02}", f"user-{number}", None, None) for number in range(15)]
    Segment(items).count(bucket, users=6)
    assert len(bucket.keys(f"{KEYS.root}items/")) == 3
    assert sums_in(bucket, top=0).users == 15


TEN_PAGES = [item(f"c{number:02}", "user", None, None) for number in range(30)]


def test_worker_whose_time_ends_hands_over_the_rest_of_its_segment() -> None:
    bucket = bucket_of_run()
    segment = Segment(TEN_PAGES, page_s=100.0, left_s=400.0)
    assert [segment.count(bucket) for _ in range(3)] == [True, True, False]
    assert segment.pages_read == 10
    assert bucket.done().delivered == 30
    assert sums_in(bucket, top=1) == here(TEN_PAGES, 1)


def test_worker_that_has_hardly_any_time_reads_a_page_all_the_same() -> None:
    bucket = bucket_of_run()
    segment = Segment(TEN_PAGES[:6], left_s=-1.0)
    assert [segment.count(bucket), segment.count(bucket)] == [True, False]


def test_of_two_workers_that_hand_over_the_same_rest_the_first_counts() -> None:
    bucket = bucket_of_run()
    late = Segment(TEN_PAGES, page_s=100.0, left_s=200.0)

    def other() -> None:
        late.then = lambda: None
        assert Segment(TEN_PAGES, page_s=100.0, left_s=400.0).count(bucket, attempt="other")

    late.then = other
    assert late.count(bucket)
    assert not Segment(TEN_PAGES).count(bucket, attempt="last")
    assert sums_in(bucket, top=1) == here(TEN_PAGES, 1)


def test_stopped_worker_reads_no_more_pages_and_writes_nothing() -> None:
    bucket = bucket_of_run(replace(CONTROL, stop=True))
    before = dict(bucket.objects)
    segment = Segment(TEN_PAGES)
    assert not segment.count(bucket)
    assert segment.pages_read == 0
    assert bucket.objects == before


@pytest.mark.parametrize("what", ["stopped", "deleted"])
def test_worker_notices_between_pages_that_its_run_is_stopped_or_deleted(what: str) -> None:
    bucket = bucket_of_run()
    segment = Segment(TEN_PAGES, page_s=CONTROL_S / 2)

    def stop() -> None:
        bucket.objects.clear()
        if what == "stopped":
            bucket.put(KEYS.control, replace(CONTROL, stop=True).to_bytes())

    segment.then = stop
    assert not segment.count(bucket)
    assert segment.pages_read == 2  # the control object is read every CONTROL_S
    assert set(bucket.objects) <= {KEYS.control}


def test_control_object_that_cannot_be_read_is_a_failure_and_no_stop() -> None:
    bucket = bucket_of_run()
    bucket.put(KEYS.control, b"{}")
    with pytest.raises(ValueError, match="another format"):
        Segment(TEN_PAGES).count(bucket)


NAMES = [f"c{number:03}" for number in range(200)]


@given(
    have=st.integers(0, 200),
    want=st.integers(1, 60),
    counted=st.integers(0, 100_000),
    cut=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
)
def test_sample_by_workers_is_that_of_one_machine_however_wrong_the_count_of_rows_is(
    have: int, want: int, counted: int, cut: tuple[int, int, int]
) -> None:
    segments, rows_of_an_object, pages_of_a_worker = cut
    items = [item(name, "eve" if name.endswith("7") else "user", None, None) for name in NAMES[:have]]
    read_at: list[float] = []

    def read(percent: float) -> Sequence[Row]:
        read_at.append(percent)
        selection = {"exclude_users": ["eve"], "sample": {"percent": f"{percent:.12f}", "seed": "seed"}}
        bucket = bucket_of_run()
        for number in range(1, segments + 1):
            segment = Segment(items[number - 1 :: segments], page_s=1.0, left_s=pages_of_a_worker)
            found = Kept(wanted(selection), lambda: SECONDS)
            while segment.count(bucket, number, f"at-{segment.now_s}", rows_of_an_object, found):
                found = Kept(wanted(selection), lambda: SECONDS)
        return smallest(rows_in(segments_of(bucket, KEYS, range(1, segments + 1))), want, "seed", BELOW_ALL)

    rows = [Row(name, "user", "") for name in NAMES[:have] if not name.endswith("7")]
    assert (
        choose(want, counted, read) == sorted(rows, key=lambda row: hash_of(row.connection_id, "seed"))[:want]
    )
    assert read_at == sorted(set(read_at))


@pytest.mark.parametrize(
    ("want", "rows", "at_most"), [(1, 10**8, 110), (1_000, 10**8, 1_300), (10**5, 10**8, 102_000)]
)
def test_bound_is_of_little_more_than_the_sample_and_of_the_whole_of_a_small_table(
    want: int, rows: int, at_most: int
) -> None:
    assert want < bound(want, rows) / 100 * rows < at_most
    assert bound(want, want) == bound(want, 0) == 100


def test_expired_rows_are_in_no_sample() -> None:
    found = Kept(lambda _row: True, lambda: SECONDS)
    found.add(
        [
            item("old", "user", None, {"N": str(SECONDS)}),
            item("live", "user", {"S": "then"}, {"N": str(SECONDS + 1)}),
        ]
    )
    assert found.take() == [Row("live", "user", '{"S":"then"}')]


@dataclass
class Workers:
    """A launcher and its executions: each sleep lasts `every_s`, and ends with one more shard that is counted, or handed over `hands` times."""

    every_s: float
    counts: int
    status: ExecutionStatus = ExecutionStatus.RUNNING
    error: str = ""
    hands: int = 0
    bucket: Bucket = field(default_factory=bucket_of_run)
    now_s: float = 0.0
    done: int = 0
    keys = KEYS

    @property
    def fleet(self) -> Any:
        return SimpleNamespace(executions=self, objects=self.bucket)

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
        if self.hands:
            self.hands -= 1
            assert Segment(TEN_PAGES, left_s=0.0).count(self.bucket, 1)
        elif self.done < self.counts:
            self.done += 1
            Segment([]).count(self.bucket, self.done)

    def count(self) -> Outcomes:
        launcher: Any = self
        return counted_by(launcher, None, clock_s=lambda: self.now_s, sleep=self.sleep)


def test_workers_may_take_as_long_as_they_like_while_shards_are_finished() -> None:
    assert Workers(STALLED_S - 1, counts=3).count().unfinished == []


def test_workers_that_hand_over_what_they_counted_are_waited_for() -> None:
    assert Workers(STALLED_S - 1, counts=3, hands=5).count().unfinished == []


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

"""One shard: sent once, written down before and after, continued by the next attempt. Plain fakes for bucket and sender."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.shard_fakes import (
    KEYS,
    SPEC,
    Bucket,
    FakeSender,
    InterleavedSender,
    Killed,
    account,
    bucket_with,
    recorded,
    send,
)
from whatschat_ops.errors import PermissionDenied, Unavailable
from whatschat_ops.sender.model import Outcome, Result, Target
from whatschat_ops.worker.feed import Before, Feed, read_before
from whatschat_ops.worker.objects import Part, RunSpec, shard_bytes, shard_item, shard_targets
from whatschat_ops.worker.shard import LEAST_AHEAD, NoProgress, ShardTakenOver


def test_shard_is_sent_once_and_its_last_part_is_final() -> None:
    bucket, sender = bucket_with(1_000, first=5_001), FakeSender()
    assert send(bucket, sender, 1_000) == 0
    assert sender.message == b'{"type":"notice"}'
    assert [target.number for target in sender.sent] == list(range(5_001, 6_001))
    assert sorted(recorded(bucket)) == list(range(5_001, 6_001))
    *before, last = bucket.parts()
    assert last.final
    assert not any(part.final or part.in_doubt for part in before)


def test_finished_shard_is_not_sent_again() -> None:
    bucket = bucket_with(30)
    send(bucket, FakeSender(), 30)
    again = FakeSender()
    assert send(bucket, again, 30, attempt="b") == 0
    assert again.sent == []


def test_first_part_is_there_before_anything_is_sent() -> None:
    bucket, sender = bucket_with(30), FakeSender()
    bucket.fail_puts_from = 1
    with pytest.raises(Unavailable):
        send(bucket, sender, 30)
    assert sender.sent == []


@pytest.mark.parametrize("die_after", [0, 5, 199, 200, 201, 333])
def test_attempt_after_a_kill_sends_the_rest_and_counts_what_was_in_doubt(die_after: int) -> None:
    bucket, first, second = bucket_with(500), FakeSender(die_after=die_after), FakeSender()
    with pytest.raises(Killed):
        send(bucket, first, 500)
    lost_part = bucket.keys(KEYS.parts_of(1))[-1]
    del bucket.objects[lost_part]  # what a worker writes at its end a killed one does not
    assert send(bucket, second, 500, attempt="b") == 0
    got = [target.number for target in (*first.sent, *second.sent)]
    twice = len(got) - len(set(got))
    in_doubt = sum(part.in_doubt for part in bucket.parts())
    assert set(got) == set(range(1, 501))
    assert twice <= in_doubt <= LEAST_AHEAD + die_after
    assert sorted(recorded(bucket)) == list(range(1, 501))


def test_attempts_without_an_answer_are_in_doubt_once_however_many_parts_are_written() -> None:
    bucket, sender = bucket_with(2_000), FakeSender(in_doubt=3)
    assert send(bucket, sender, 2_000) == 0
    parts = bucket.parts()
    assert len(parts) > 1
    assert sum(part.in_doubt for part in parts) == 3


def test_worker_that_runs_out_of_time_hands_on_the_rest_with_nothing_in_doubt() -> None:
    bucket, first, second = bucket_with(500), FakeSender(), FakeSender()
    left = send(bucket, first, 500, near_the_end=lambda: len(first.sent) >= 120)
    assert left == 500 - len(first.sent) == 380
    assert not bucket.parts()[-1].final
    assert send(bucket, second, 500, attempt="b") == 0
    assert len(first.sent) + len(second.sent) == 500
    assert sum(part.in_doubt for part in bucket.parts()) == 0


def test_refusal_is_raised_and_what_it_had_is_written() -> None:
    bucket = bucket_with(30)
    with pytest.raises(PermissionDenied):
        send(bucket, FakeSender(refuse=True), 30)
    assert [part.final for part in bucket.parts()] == [False, False]
    assert send(bucket, FakeSender(), 30, attempt="b") == 0
    assert sum(part.in_doubt for part in bucket.parts()) == 0


def test_bucket_that_fails_on_the_way_stops_the_sender() -> None:
    bucket, sender = bucket_with(5_000), FakeSender()
    bucket.fail_puts_from = 3
    with pytest.raises(Unavailable, match="the bucket is away"):
        send(bucket, sender, 5_000)
    assert len(sender.sent) < 5_000


def test_worker_without_progress_fails_rather_than_being_called_for_ever() -> None:
    with pytest.raises(NoProgress, match="no progress"):
        send(bucket_with(30), FakeSender(), 30, near_the_end=lambda: True)


@given(st.sets(st.integers(1, 60)), st.integers(0, 80), st.lists(st.integers(1, 7), min_size=1, max_size=30))
def test_feed_hands_out_what_is_open_and_allowed_once_in_order(
    done: set[int], allowed: int, limits: list[int]
) -> None:
    targets: Iterator[Target] = iter([Target(number, str(number)) for number in range(1, 61)])
    reached: list[int] = []
    feed = Feed(targets, Before(frozenset(done), 0, 0), reached.append)
    feed.allowed = allowed
    handed: list[int] = []
    for limit in limits:
        batch = feed(limit)
        if batch is None:
            break
        assert len(batch) <= limit
        handed += [target.number for target in batch]
    expected = [number for number in range(1, min(allowed, 60) + 1) if number not in done]
    assert handed == expected[: len(handed)]
    assert max(reached) <= max(allowed, 0)


def test_feed_ends_only_when_everything_is_handed_out() -> None:
    feed = Feed(iter([Target(1, "a"), Target(2, "b")]), Before(frozenset(), 0, 0), lambda _line: None)
    assert feed(5) == []  # nothing is allowed yet
    feed.allowed = 10
    assert feed(5) == [Target(1, "a"), Target(2, "b")]
    assert feed(5) is None


@pytest.mark.parametrize("begins_after", [1, 7, 19, 20, 21, 40, 59])
def test_second_attempt_at_once_takes_over_and_what_both_sent_is_in_doubt(begins_after: int) -> None:
    """The old worker stands still while the new one sends all the rest, then goes on with what it was allowed."""
    bucket, old, new = bucket_with(600), InterleavedSender(every=begins_after), FakeSender()

    def take_over() -> None:
        old.meanwhile = lambda: None
        assert send(bucket, new, 600, attempt="new") == 0

    old.meanwhile = take_over
    with pytest.raises(ShardTakenOver, match="taken over"):
        send(bucket, old, 600, attempt="old")
    twice, in_doubt = account(bucket, 600, old, new)
    assert 0 < twice <= in_doubt <= 600


def test_attempt_that_finds_its_part_taken_reads_on_and_gets_in() -> None:
    """Another attempt writes a part after this one has listed them, and before it writes its own."""
    bucket, sender = bucket_with(300), FakeSender()
    other = [Result(number, Outcome.DELIVERED, "", 1, 0.01) for number in range(1, 51)]
    plain = bucket.keys

    def keys(prefix: str, *, after: str = "") -> list[str]:
        found = plain(prefix, after=after)
        if not found:
            bucket.put(KEYS.part(1, 1), Part("other", 120, other).to_bytes())
        return found

    bucket.keys = keys  # type: ignore[method-assign]
    assert send(bucket, sender, 300) == 0
    assert [target.number for target in sender.sent] == list(range(51, 301))
    assert [part.in_doubt for part in bucket.parts()[:2]] == [0, 70]


def test_attempt_that_finds_the_shard_finished_meanwhile_sends_and_writes_nothing() -> None:
    bucket, sender = bucket_with(30), FakeSender()
    plain, listed = bucket.keys, []

    def keys(prefix: str, *, after: str = "") -> list[str]:
        found = plain(prefix, after=after)
        listed.append(prefix)
        if len(listed) == 1:
            bucket.keys = plain  # type: ignore[method-assign]
            send(bucket, FakeSender(), 30, attempt="other")
        return found

    bucket.keys = keys  # type: ignore[method-assign]
    assert send(bucket, sender, 30) == 0
    assert sender.sent == []
    assert {part.attempt for part in bucket.parts()} == {"other"}


results = st.builds(
    Result,
    number=st.integers(1, 10**9),
    outcome=st.sampled_from(Outcome),
    reason=st.text(max_size=40),
    attempts=st.integers(1, 100),
    latency_s=st.integers(0, 10**7).map(lambda us: us / 1_000_000),
)


@given(st.lists(results, max_size=20), st.integers(0, 10**6), st.booleans())
def test_part_reads_back_as_written(written: Sequence[Result], allowed: int, final: bool) -> None:
    part = Part("id", allowed, list(written), in_doubt=3, final=final, counters={"attempts": 7})
    assert Part.from_bytes(part.to_bytes()) == part
    assert part.to_bytes() == part.to_bytes()


@given(st.lists(st.builds(Target, st.integers(1, 10**9), st.text(max_size=30))))
def test_shard_reads_back_as_written(targets: list[Target]) -> None:
    assert list(shard_targets(shard_bytes(targets))) == targets


def test_spec_of_another_version_is_refused() -> None:
    assert RunSpec.from_bytes(SPEC.to_bytes()) == SPEC
    with pytest.raises(ValueError, match="format 2"):
        RunSpec.from_bytes(SPEC.to_bytes().replace(b'"format": 1', b'"format": 2'))


def test_keys_sort_as_their_numbers_and_lead_back_to_them() -> None:
    keys = [KEYS.part(shard, part) for shard in (1, 2, 10, 4_000) for part in (1, 9, 10, 1_000)]
    assert keys == sorted(keys)
    assert [KEYS.part_of_key(key) for key in keys] == [
        (shard, part) for shard in (1, 2, 10, 4_000) for part in (1, 9, 10, 1_000)
    ]
    assert shard_item("run", 3, 50) == {"run": "run", "shard": 3, "connections": 50}


def test_parts_of_a_killed_worker_are_read_as_they_are() -> None:
    bucket = Bucket()
    assert read_before(bucket, KEYS, 1) == Before(frozenset(), 0, 0)
    bucket.put(KEYS.part(1, 1), Part("a", 200).to_bytes())
    done = [Result(7, Outcome.GONE, "", 1, 0.0)]
    bucket.put(KEYS.part(1, 2), Part("a", 260, done).to_bytes())
    assert read_before(bucket, KEYS, 1) == Before(frozenset({7}), 260, 2)

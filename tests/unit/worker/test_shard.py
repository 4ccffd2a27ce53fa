"""One shard: sent once, written down before and after, continued by the next attempt. Plain fakes for bucket, table and sender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.shard_fakes import (
    KEYS,
    KILLED,
    LONG_S,
    SPEC,
    Bucket,
    FakeSender,
    InterleavedSender,
    account,
    bucket_of_run,
    names,
    recorded,
    send,
    table_of,
)
from whatschat_ops.errors import PermissionDenied, Unavailable
from whatschat_ops.sender.model import Outcome, Result, Snapshot, Target
from whatschat_ops.worker.actions import ACTIONS
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.ledger import Before, Ledger
from whatschat_ops.worker.objects import (
    ROWS,
    SEGMENT,
    RunSpec,
    Shard,
    given_bytes,
    given_in,
    list_bytes,
    shards_of,
)
from whatschat_ops.worker.parts import (
    EXAMPLES,
    OTHER_REASONS,
    REASONS,
    Ended,
    Part,
    Totals,
)
from whatschat_ops.worker.pruning import Pruning
from whatschat_ops.worker.rows import END, Row
from whatschat_ops.worker.shard import LEAST_AHEAD, NoProgress, ShardTakenOver, read_before
from whatschat_ops.worker.watching import Unfinished, Watch


def test_shard_is_sent_once_and_its_last_part_is_final() -> None:
    bucket, sender, ids = bucket_of_run(), FakeSender(), names(1_000)
    assert not send(bucket, sender, table_of(*ids))
    assert sender.message == b'{"type":"notice"}'
    assert sender.sent == ids
    assert sorted(recorded(bucket)) == ids
    *before, last = bucket.parts()
    assert (last.final, last.position, last.pending, last.begun) == (True, END, 0, 0)
    assert not any(part.final for part in before)
    assert (bucket.done().delivered, bucket.done().in_doubt, bucket.done().attempts) == (1_000, 0, 1_000)


def test_finished_shard_is_not_sent_again_and_its_totals_are_written_if_they_are_missing() -> None:
    bucket, table = bucket_of_run(), table_of(*names(30))
    send(bucket, FakeSender(), table)
    del bucket.objects[KEYS.done(1)]
    again = FakeSender()
    assert not send(bucket, again, table, attempt="b")
    assert again.sent == []
    assert bucket.done().delivered == 30


def test_first_part_is_there_before_anything_is_sent() -> None:
    bucket, sender = bucket_of_run(), FakeSender()
    bucket.fail_puts_from = 1
    with pytest.raises(Unavailable):
        send(bucket, sender, table_of(*names(30)))
    assert sender.sent == []


@pytest.mark.parametrize("die_after", [0, 5, 99, 100, 199, 200, 201, 333])
def test_attempt_after_a_kill_sends_the_rest_and_counts_what_was_in_doubt(die_after: int) -> None:
    bucket, table, ids = bucket_of_run(), table_of(*names(500)), names(500)
    first, second = FakeSender(die_after=die_after), FakeSender()
    with pytest.raises(KILLED):
        send(bucket, first, table)
    assert not send(bucket, second, table, attempt="b")
    twice, in_doubt = account(bucket, ids, first, second)
    # What a part allows ahead, and the batch that is in flight if it is cut then.
    assert twice <= in_doubt <= LEAST_AHEAD + first.batch


def test_outcomes_before_two_kills_in_a_row_are_known_to_the_third_attempt() -> None:
    bucket, table, ids = bucket_of_run(), table_of(*names(500)), names(500)
    senders = [FakeSender(die_after=150), FakeSender(die_after=0), FakeSender(die_after=30), FakeSender()]
    for number, sender in enumerate(senders[:-1]):
        with pytest.raises(KILLED):
            send(bucket, sender, table, attempt=str(number))
    send(bucket, senders[-1], table, attempt="last")
    twice, in_doubt = account(bucket, ids, *senders)
    assert twice <= in_doubt


def test_attempt_after_a_kill_reads_from_the_last_whole_page_on() -> None:
    bucket, table = bucket_of_run(), table_of(*names(1_000))
    with pytest.raises(KILLED):
        send(bucket, FakeSender(die_after=755), table)
    position = read_before(bucket, KEYS, 1).part.position
    assert position is None or position in names(1_000)[99:755:100]
    read: list[object] = []
    plain = table.pages
    table.pages = lambda position: (read.append(position), plain(position))[1]  # type: ignore[method-assign, func-returns-value]
    send(bucket, FakeSender(), table, attempt="b")
    assert read == [position]


def test_attempts_without_an_answer_are_in_doubt_once_however_many_parts_are_written() -> None:
    bucket, sender = bucket_of_run(), FakeSender(in_doubt=3)
    send(bucket, sender, table_of(*names(2_000)))
    assert len(bucket.parts()) > 1
    assert bucket.done().in_doubt == 3


@pytest.mark.parametrize("kind", ACTIONS)
def test_worker_whose_time_ends_hands_on_the_rest_with_nothing_in_doubt(kind: str) -> None:
    spec = replace(SPEC, record={**SPEC.record, "kind": kind})
    bucket, table, ids = bucket_of_run(), table_of(*names(500)), names(500)
    first, second = FakeSender(), FakeSender()
    assert send(bucket, first, table, spec=spec, left_s=lambda: 0.0 if len(first.sent) >= 120 else LONG_S)
    assert len(first.sent) == 120
    last = bucket.parts()[-1]
    assert (last.final, last.begun, last.position) == (False, 0, ids[99])
    assert 80 <= last.pending <= 380  # more pages may have been read by then
    assert not send(bucket, second, table, attempt="b", spec=spec)
    assert account(bucket, ids, first, second) == (0, 0)


def test_worker_that_comes_near_its_end_begins_no_page_and_makes_those_that_it_has_whole() -> None:
    bucket, table, first = bucket_of_run(), table_of(*names(5_000)), FakeSender()
    assert send(bucket, first, table, left_s=lambda: 30.0 if len(first.sent) >= 120 else LONG_S)
    assert 120 <= len(first.sent) < 5_000 and len(first.sent) % table.page_rows == 0
    last = bucket.parts()[-1]
    assert (last.position, last.pending, last.begun) == (first.sent[-1], 0, 0)
    assert read_before(bucket, KEYS, 1).done == frozenset()


@pytest.mark.parametrize("kind", ACTIONS)
def test_stopped_run_sends_nothing_and_does_not_call_the_worker_again(kind: str) -> None:
    bucket, sender = bucket_of_run(Control(100.0, 50, 1, stop=True)), FakeSender()
    spec = replace(SPEC, record={**SPEC.record, "kind": kind})
    assert not send(bucket, sender, table_of(*names(30)), spec=spec)
    assert sender.sent == []
    assert bucket.keys(KEYS.parts) == bucket.keys(KEYS.all_done) == []


def test_gone_rows_are_deleted_and_what_became_of_them_is_counted() -> None:
    bucket, ids = bucket_of_run(), [*names(50), *names(60, "g")]
    table = table_of(*ids)
    send(bucket, FakeSender(), table)
    assert [row.connection_id for row in table.rows] == names(50)
    done = bucket.done()
    assert (done.delivered, done.gone, done.pruned, done.prune_failed) == (50, 60, 60, 0)
    assert bucket.parts()[-1].unpruned == []


def test_gone_rows_of_a_killed_worker_are_deleted_by_the_next_one_and_counted_once() -> None:
    """Killed while it deletes: the first batch is deleted and not counted by any part."""
    bucket, table = bucket_of_run(), table_of(*names(60, "g"))

    def die(rows: Sequence[Row]) -> Sequence[Pruning]:
        raise AssertionError(rows)

    send(bucket, FakeSender(), table, prune=die)
    *_, with_gone, _last = bucket.keys(KEYS.parts_of(1))
    for key in bucket.keys(KEYS.parts_of(1), after=with_gone):
        del bucket.objects[key]
    del bucket.objects[KEYS.done(1)]
    assert len(Part.from_bytes(bucket.get(with_gone)).unpruned) == 60
    table.prune(table.rows[:25])
    again = FakeSender()
    send(bucket, again, table, attempt="b")
    assert (again.sent, table.rows) == ([], [])
    assert (bucket.done().gone, bucket.done().pruned) == (60, 60)


def test_rows_that_cannot_be_deleted_are_counted_with_the_reason_and_no_request_is_made_for_ever() -> None:
    bucket, table, asked = bucket_of_run(), table_of(*names(1_000, "g")), []

    def refuse(rows: Sequence[Row]) -> Sequence[Pruning]:
        asked.append(len(rows))
        raise PermissionDenied("not authorized")

    send(bucket, FakeSender(), table, prune=refuse)
    done = bucket.done()
    assert (done.gone, done.prune_failed, done.not_pruned_because) == (1_000, 1_000, "not authorized")
    assert len(asked) < 1_000 / 25


def test_failures_keep_their_row_and_are_grouped_by_reason() -> None:
    bucket = bucket_of_run()
    send(bucket, FakeSender(), table_of(*names(40, "f"), *names(2)))
    done = bucket.done()
    assert (done.failed, done.delivered) == (40, 2)
    assert done.reasons == {"HTTP 500": (40, names(EXAMPLES, "f"))}
    failed = [each for part in bucket.parts() for each in part.ended if each.outcome is Outcome.FAILED]
    assert {(each.row.user_id, each.row.connected_at, each.reason) for each in failed} == {
        ("user", '{"S":"then"}', "HTTP 500")
    }


def test_refusal_is_raised_and_what_it_had_is_written() -> None:
    bucket, table = bucket_of_run(), table_of(*names(30))
    with pytest.raises(PermissionDenied):
        send(bucket, FakeSender(refuse=True), table)
    assert [part.final for part in bucket.parts()] == [False, False]
    assert not send(bucket, FakeSender(), table, attempt="b")
    assert bucket.done().in_doubt == 0


def test_bucket_that_fails_on_the_way_stops_the_sender() -> None:
    bucket, sender = bucket_of_run(), FakeSender()
    bucket.fail_puts_from = 3
    with pytest.raises(Unavailable, match="the bucket is away"):
        send(bucket, sender, table_of(*names(5_000)))
    assert len(sender.sent) < 5_000


def test_worker_without_progress_fails_rather_than_being_called_for_ever() -> None:
    with pytest.raises(NoProgress, match="no progress"):
        send(bucket_of_run(), FakeSender(), table_of(*names(30)), left_s=lambda: 0.0)


@pytest.mark.parametrize("begins_after", [1, 7, 19, 20, 21, 40, 59])
def test_second_attempt_at_once_takes_over_and_what_both_sent_is_in_doubt(begins_after: int) -> None:
    """The old worker stands still while the new one sends all the rest, then goes on with what it was allowed."""
    bucket, table, ids = bucket_of_run(), table_of(*names(600)), names(600)
    old, new = InterleavedSender(every=begins_after), FakeSender()

    def take_over() -> None:
        old.meanwhile = lambda: None
        assert not send(bucket, new, table, attempt="new")

    old.meanwhile = take_over
    with pytest.raises(ShardTakenOver, match="taken over"):
        send(bucket, old, table, attempt="old")
    twice, in_doubt = account(bucket, ids, old, new)
    assert 0 < twice <= in_doubt <= 600


def test_attempt_that_finds_its_part_taken_reads_on_and_gets_in() -> None:
    """Another attempt writes a part after this one has listed them, and before it writes its own."""
    bucket, sender, table = bucket_of_run(), FakeSender(), table_of(*names(300))
    totals = Totals(delivered=50)
    other = [Ended(row, Outcome.DELIVERED, "", 1, 10_000) for row in table.rows[:50]]
    plain = bucket.keys

    def keys(prefix: str, *, after: str = "") -> list[str]:
        found = plain(prefix, after=after)
        if not found and prefix == KEYS.parts_of(1):
            part = Part("other", since=1, begun=70, pending=50, totals=totals, ended=other)
            bucket.put(KEYS.part(1, 1), part.to_bytes())
        return found

    bucket.keys = keys  # type: ignore[method-assign]
    send(bucket, sender, table)
    assert sender.sent == names(300)[50:]
    assert [part.totals.in_doubt for part in bucket.parts()[:2]] == [0, 70]


def test_attempt_that_finds_the_shard_finished_meanwhile_sends_and_writes_nothing() -> None:
    bucket, sender, table = bucket_of_run(), FakeSender(), table_of(*names(30))
    plain = bucket.keys

    def keys(prefix: str, *, after: str = "") -> list[str]:
        found = plain(prefix, after=after)
        if prefix == KEYS.parts_of(1):
            bucket.keys = plain  # type: ignore[method-assign]
            send(bucket, FakeSender(), table, attempt="other")
        return found

    bucket.keys = keys  # type: ignore[method-assign]
    assert not send(bucket, sender, table)
    assert sender.sent == []
    assert {part.attempt for part in bucket.parts()} == {"other"}


def ended_rows() -> st.SearchStrategy[Ended]:
    """Rows are kept of what is not delivered."""
    row = st.builds(Row, st.text(max_size=20), st.text(max_size=9), st.text(max_size=30))
    bare = st.builds(Row, st.text(max_size=20), st.just(""), st.just(""))
    figures = (st.integers(1, 100), st.integers(0, 10**7))
    others = st.sampled_from([Outcome.GONE, Outcome.FAILED])
    return st.builds(Ended, bare, st.just(Outcome.DELIVERED), st.just(""), *figures) | st.builds(
        Ended, row, others, st.text(max_size=40), *figures
    )


@given(st.lists(ended_rows(), max_size=20), st.integers(0, 10**6), st.booleans())
def test_part_reads_back_as_written(ended: Sequence[Ended], begun: int, final: bool) -> None:
    totals = Totals(attempts=7, in_doubt=3, missing_users=["x"])
    for each in ended:
        totals.add(each)
    gone = [each.row for each in ended if each.outcome is Outcome.GONE]
    part = Part("id", {"key": 1}, 3, begun, 5, final, totals, gone, list(ended))
    assert Part.from_bytes(part.to_bytes()) == part
    assert part.to_bytes() == part.to_bytes()
    assert Part.from_bytes(part.to_bytes(), with_outcomes=False).totals == totals
    assert Totals.from_bytes(totals.to_bytes()) == totals


def test_totals_of_shards_add_up_and_reasons_are_few() -> None:
    one, other = Totals(), Totals(in_doubt=1, missing=2, missing_users=["x", "y"])
    for number in range(REASONS + 5):
        one.add(Ended(Row(f"a{number}", "", ""), Outcome.FAILED, f"reason {number}", 1, 0))
        other.add(Ended(Row(f"b{number}", "", ""), Outcome.DELIVERED, "", 1, 5_000))
    assert len(one.reasons) == REASONS + 1
    assert one.reasons[OTHER_REASONS][0] == 5
    both = Totals()
    both.merge(one)
    both.merge(other)
    assert (both.failed, both.delivered, both.in_doubt, both.missing) == (25, 25, 1, 2)
    assert (both.reasons, both.latencies, both.largest_us) == (one.reasons, other.latencies, 5_000)
    without = Totals()
    without.merge(one, failures=False)
    assert (without.failed, without.reasons) == (0, {})


def test_shards_and_what_is_given_read_back_as_written() -> None:
    shards = [Shard("run", 1, SEGMENT, 0, 4), Shard("run", 9, ROWS, retries=9, in_doubt=2)]
    assert shards_of(list_bytes(shards)) == shards
    assert Shard.of_event({**shards[0].to_item(), "left": 0}) == shards[0]
    assert given_in(given_bytes([["c=", "Zoë", ""]])) == [["c=", "Zoë", ""]]


def test_spec_of_another_version_is_refused() -> None:
    assert RunSpec.from_bytes(SPEC.to_bytes()) == SPEC
    with pytest.raises(ValueError, match="format 1"):
        RunSpec.from_bytes(SPEC.to_bytes().replace(b'"format": 2', b'"format": 1'))


def test_keys_sort_as_their_numbers_and_lead_back_to_them() -> None:
    places = [(shard, part) for shard in (1, 2, 10, 4_000) for part in (1, 9, 10, 1_000)]
    keys = [KEYS.part(*place) for place in places]
    assert keys == sorted(keys)
    assert [KEYS.part_of_key(key) for key in keys] == places
    assert [KEYS.done_of_key(KEYS.done(shard)) for shard in (1, 4_000)] == [1, 4_000]


def test_unfinished_shards_are_counted_without_listing_those_that_are_known() -> None:
    bucket, listed = Bucket({KEYS.done(number): b"" for number in (1, 2, 4)}), []
    plain = bucket.keys

    def keys(prefix: str, *, after: str = "") -> list[str]:
        listed.append(len(plain(prefix, after=after)))
        return plain(prefix, after=after)

    bucket.keys = keys  # type: ignore[method-assign]
    unfinished = Unfinished(bucket, KEYS)
    assert unfinished.count(6) == 3
    bucket.objects[KEYS.done(3)] = b""
    assert [unfinished.count(6), unfinished.count(6)] == [2, 2]
    assert listed == [3, 2, 0]


def test_share_and_burst_follow_the_control_object_and_what_is_finished() -> None:
    control = Control(1_000.0, 500, workers=4, shards=5)
    bucket = Bucket({KEYS.control: control.to_bytes(), KEYS.done(1): b""})
    watch = Watch(bucket, KEYS)
    watch.look()
    assert (watch.share_per_s, watch.burst) == (250.0, 125)
    bucket.objects |= {KEYS.done(number): b"" for number in (2, 3, 4)}
    watch.look()
    assert watch.share_per_s == 1_000.0


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_ledger_hands_out_what_is_allowed_once_in_order(limit: int) -> None:
    ids = names(250)
    done = frozenset(ids[10:20])
    ledger = Ledger(table_of(*ids).pages(None), Before(Part("", since=1), 3, done), lambda _row: True)
    handed: list[str] = []
    while len(handed) < 205:
        ledger.cut("a", Snapshot, ahead=100)
        ledger.allow()
        targets = ledger.take(limit)
        assert targets is not None and len(targets) <= limit
        assert ledger.reached <= ledger.allowed
        handed += [target.connection_id for target in targets]
    assert handed == [name for name in ids if name not in done][: len(handed)]


def test_position_moves_over_whole_pages_only() -> None:
    ids = names(150)
    ledger = Ledger(table_of(*ids).pages(None), Before(), lambda _row: True)
    ledger.preload()
    while ledger.take(0) is not None and len(ids) > ledger.at_hand:
        pass
    ledger.cut("a", Snapshot, ahead=200)
    ledger.allow()
    targets: list[Target] = []
    while len(targets) < 150:
        targets += ledger.take(150 - len(targets)) or []
    results = [Result(target.number, Outcome.DELIVERED, "", 1, 0.01) for target in targets]
    ledger.settle(results[100:])
    assert ledger.position is None
    ledger.settle(results[:99])
    part = ledger.cut("a", Snapshot, ahead=200)
    assert (part.position, part.pending, part.since) == (None, 1, 1)
    ledger.settle(results[99:100])
    assert ledger.position == END

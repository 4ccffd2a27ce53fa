"""Prune, statistics, disconnect: what is decided, without AWS."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from whatschat_ops.connections.disconnecting import disconnect, would_disconnect
from whatschat_ops.connections.parallel import in_threads
from whatschat_ops.connections.pruning import Look, PruneReport, first_look, prune
from whatschat_ops.connections.request_rate import RequestRate
from whatschat_ops.connections.statistics import Census, Interval, wilson
from whatschat_ops.connections.store import Connection
from whatschat_ops.errors import AwsError, PermissionDenied, Throttled
from whatschat_ops.worker.tally import age_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row(name: str, age_min: float | None, ttl_min: float | None = 60, user: str = "alice") -> Connection:
    """A row that is `age_min` minutes old and expires in `ttl_min`."""
    began = None if age_min is None else NOW - timedelta(minutes=age_min)
    ends = None if ttl_min is None else NOW + timedelta(minutes=ttl_min)
    return Connection(name, user, began, ends)


@dataclass
class World:
    """A table and its sockets. `errors`: what asking about or closing a connection raises."""

    rows: dict[str, Connection] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    rewritten: set[str] = field(default_factory=set)
    errors: dict[str, AwsError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def scan(self, *, include_expired: bool = False) -> Iterator[Connection]:
        yield from [
            found for found in self.rows.values() if include_expired or not found.expired(NOW.timestamp())
        ]

    def prune(self, connection: Connection) -> bool:
        if connection.connection_id in self.rewritten:
            return False
        return self.rows.pop(connection.connection_id, None) is not None

    prune_expired = prune

    def is_open(self, connection_id: str) -> bool:
        self.asked.append(connection_id)
        if connection_id in self.errors:
            raise self.errors[connection_id]
        return connection_id in self.open

    def close(self, connection_id: str) -> bool:
        was_open = self.is_open(connection_id)
        self.open.discard(connection_id)
        return was_open

    def pruned(self, *, probe: bool, dry_run: bool = False) -> PruneReport:
        return prune(self, self, probe=probe, dry_run=dry_run, now=lambda: NOW)


def world(*rows: Connection, open: tuple[str, ...] = ()) -> World:
    return World({found.connection_id: found for found in rows}, set(open))


def test_expired_rows_are_deleted_and_others_stay() -> None:
    there = world(row("old", 25 * 60, -60), row("new", 5), row("aged", 300))
    report = there.pruned(probe=False)
    assert set(there.rows) == {"new", "aged"}
    assert (report.scanned, report.expired, report.probed, report.pruned) == (3, 1, 0, 1)


def test_expired_row_of_a_connection_that_may_live_is_asked_about() -> None:
    """A short life of rows: they expire while their sockets are open."""
    there = world(row("alive", 90, -30), row("dead", 90, -30), row("ageless", None, -1), open=("alive",))
    report = there.pruned(probe=False)
    assert set(there.rows) == {"alive"}
    assert sorted(there.asked) == ["ageless", "alive", "dead"]
    assert (report.live, report.gone, report.pruned) == (1, 2, 2)


def test_probe_deletes_rows_whose_socket_is_gone_and_no_other() -> None:
    there = world(row("alive", 30), row("gone", 30), row("lasting", 30, None), open=("alive", "lasting"))
    report = there.pruned(probe=True)
    assert set(there.rows) == {"alive", "lasting"}
    assert (report.probed, report.live, report.gone, report.pruned, report.kept) == (3, 2, 1, 1, 0)


def test_socket_that_is_just_being_opened_keeps_its_row() -> None:
    there = world(row("opening", 0.5), row("future", -2))
    report = there.pruned(probe=True)
    assert set(there.rows) == {"opening", "future"}
    assert (report.gone, report.young, report.prunable, report.pruned) == (2, 2, 0, 0)


def test_row_written_again_meanwhile_is_kept_and_counted() -> None:
    there = world(row("a", 30), row("b", 25 * 60, -60))
    there.rewritten = {"a", "b"}
    report = there.pruned(probe=True)
    assert set(there.rows) == {"a", "b"}
    assert (report.prunable, report.pruned, report.kept) == (2, 0, 2)


def test_dry_run_asks_and_deletes_nothing() -> None:
    there = world(row("gone", 30), row("old", 25 * 60, -60))
    report = there.pruned(probe=True, dry_run=True)
    assert set(there.rows) == {"gone", "old"}
    assert (report.prunable, report.pruned, report.dry_run) == (2, 0, True)


def test_failed_probe_leaves_the_row_and_is_counted_with_its_reason() -> None:
    there = world(row("a", 30), row("b", 30))
    there.errors["a"] = Throttled("GetConnection: slow down (LimitExceededException)")
    report = there.pruned(probe=True)
    assert set(there.rows) == {"a"}
    assert (report.failed, report.probed, report.gone, report.failures[0].connection_id) == (1, 2, 1, "a")


def test_refusal_by_iam_ends_pruning_at_once() -> None:
    there = world(*(row(str(number), 30) for number in range(1000)))
    there.errors = dict.fromkeys(there.rows, PermissionDenied("no"))
    with pytest.raises(PermissionDenied):
        there.pruned(probe=True)
    assert len(there.rows) == 1000
    assert len(there.asked) < 300


MINUTES = st.one_of(st.none(), st.floats(-5, 3000))


@given(st.lists(st.tuples(MINUTES, MINUTES, st.booleans()), max_size=12), st.booleans())
def test_no_row_of_an_open_socket_is_ever_deleted(
    rows: list[tuple[float | None, float | None, bool]], probe: bool
) -> None:
    there = World()
    for number, (age_min, left_min, is_open) in enumerate(rows):
        # API Gateway ends a connection after two hours, and no row is written that has ended already.
        lives = is_open and (age_min is None or age_min <= 120)
        life_min = None if left_min is None else left_min - 120
        if age_min is None and life_min is not None and life_min < -120:
            lives = False
        there.rows[str(number)] = row(str(number), age_min, life_min)
        there.open |= {str(number)} if lives else set()
    before = set(there.open)
    there.pruned(probe=probe)
    assert before <= set(there.rows)


@given(MINUTES, MINUTES)
def test_live_rows_are_left_alone_without_probing(age_min: float | None, ttl_min: float | None) -> None:
    found = row("a", age_min, ttl_min)
    if not found.expired(NOW.timestamp()):
        assert first_look(found, NOW, probe=False).name == "LEAVE"
        assert first_look(found, NOW, probe=True).name == "ASK"


def test_disconnect_counts_each_connection_once() -> None:
    there = world(row("a", 1), row("b", 2), row("c", 3), row("d", 4), open=("a", "b", "d"))
    there.errors["d"] = Throttled("slow down")
    there.rewritten = {"b"}
    assert would_disconnect(there.scan()).connections == 4
    report = disconnect(there.scan(), there, there.prune)
    assert (report.connections, report.closed, report.gone, report.failed) == (4, 2, 1, 1)
    assert report.rows_deleted == 2
    assert set(there.rows) == {"b", "d"}
    assert there.open == {"d"}


def test_stream_is_read_no_further_than_the_threads_need() -> None:
    read = 0
    gate = threading.Event()

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(10_000):
            read += 1
            yield number

    results = in_threads(items(), lambda number: gate.wait(60) and number, threads=4)
    threading.Timer(0.05, gate.set).start()
    next(results)
    assert read <= 4 * 4 + 1
    assert sorted(results)[-1] == 9_999


class Clock:
    """Time that passes when a thread sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def turns(rate: RequestRate, clock: Clock, seconds: float) -> int:
    """How many turns there are within a time."""
    end_s, count = clock.now_s + seconds, 0
    while clock.now_s < end_s:
        rate.turn()
        count += 1
    return count


def test_rate_keeps_to_its_rate_without_bursts() -> None:
    clock = Clock()
    rate = RequestRate(100, clock=clock, sleep=clock.sleep)
    assert turns(rate, clock, 2) == pytest.approx(200, abs=2)
    clock.sleep(60)
    assert turns(rate, clock, 1) == pytest.approx(100, abs=2)


def test_throttled_rate_halves_once_for_answers_at_one_time_and_grows_back() -> None:
    clock = Clock()
    rate = RequestRate(100, clock=clock, sleep=clock.sleep)
    for _ in range(30):
        rate.slow_down()
    assert (rate.rate_per_s, rate.throttled) == (50, 30)
    assert turns(rate, clock, 0.9) == pytest.approx(45, abs=2)
    rate.slow_down()
    assert rate.rate_per_s == 25
    turns(rate, clock, 20)
    assert rate.rate_per_s == 100


def test_rate_never_stops() -> None:
    clock = Clock()
    rate = RequestRate(100, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        clock.sleep(0.6)
        rate.slow_down()
    assert rate.rate_per_s == 1


SECONDS = str(int((NOW + timedelta(hours=1)).timestamp()))


@pytest.mark.parametrize(
    ("ttl", "never"),
    [
        ({"N": SECONDS}, False),
        ({"N": f"{SECONDS}.5"}, False),
        ({"N": str(int((NOW - timedelta(days=400)).timestamp()))}, False),
        ({"N": str(int((NOW - timedelta(days=6 * 365)).timestamp()))}, True),
        ({"N": f"{SECONDS}000"}, True),
        ({"N": "86400"}, True),
        ({"S": SECONDS}, True),
        ({"S": "2026-11-23T13:00:00Z"}, True),
        (None, True),
    ],
)
def test_row_never_expires_unless_its_ttl_is_a_number_of_seconds(
    ttl: dict[str, str] | None, never: bool
) -> None:
    """What DynamoDB deletes: developer guide, "Using time to live (TTL) in DynamoDB"."""
    found = replace(row("a", 5), ttl_attribute=ttl)
    assert found.never_expires(NOW.timestamp()) is never


def test_statistics_name_rows_that_never_expire() -> None:
    good = replace(row("good", 5), ttl_attribute={"N": SECONDS})
    bad = [replace(row(f"bad-{n}", 5), ttl_attribute={"N": f"{SECONDS}000"}) for n in range(7)]
    old = replace(row("old", 3000, -60), ttl_attribute={"S": "2026-11-23T11:00:00Z"})
    stats = Census(NOW).add_all([good, *bad[:4], old, *bad[4:]]).stats(top=0)
    assert stats.never_expire == 8
    assert stats.never_expire_examples == ("bad-0", "bad-1", "bad-2", "bad-3", "bad-4")
    assert Census(NOW).add_all([good]).stats(top=0).never_expire_examples == ()


def test_statistics_count_users_ages_and_certain_orphans() -> None:
    rows = [
        row("a", 0.5, user="alice"),
        row("b", 5, user="alice"),
        row("c", 119, user="bob"),
        row("d", 121, user="bob"),
        row("e", 2000, user="alice"),
        row("f", None, user="carol"),
        row("g", 30, -1, user="dora"),
    ]
    stats = Census(NOW).add_all(rows).stats(top=2)
    assert (stats.rows, stats.expired, stats.connections, stats.users) == (7, 1, 6, 3)
    assert [(user.user_id, user.connections) for user in stats.top_users] == [("alice", 3), ("bob", 2)]
    assert (stats.per_user_max, stats.per_user_mean) == (3, 2)
    assert [bucket.connections for bucket in stats.ages] == [1, 1, 0, 1, 1, 1, 1]
    assert (stats.certain_orphans, stats.orphan_share) == (2, None)


@pytest.mark.parametrize(
    ("age_min", "name"),
    [(-5, "under 1 min"), (1, "1 to 10 min"), (10, "10 to 60 min"), (60, "1 to 2 h"), (120, "2 to 24 h"), (1440, "24 h and older"), (None, "unknown")],
)  # fmt: skip
def test_age_is_in_the_bucket_that_begins_with_it(age_min: float | None, name: str) -> None:
    assert age_of(row("a", age_min).connected_at, NOW) == name


def test_sample_is_of_possible_connections_only_and_each_has_the_same_chance() -> None:
    rows = [row(str(number), 30) for number in range(10)] + [row("orphan", 500), row("expired", 30, -1)]
    seen: dict[str, int] = {}
    chance = random.Random(7)
    for _ in range(2000):
        census = Census(NOW, sample_size=3, randrange=chance.randrange).add_all(rows)
        assert len({found.connection_id for found in census.sample}) == 3
        for found in census.sample:
            seen[found.connection_id] = seen.get(found.connection_id, 0) + 1
    assert set(seen) == {str(number) for number in range(10)}
    assert all(500 < count < 700 for count in seen.values()), seen


def test_share_of_orphans_joins_the_certain_and_the_estimated() -> None:
    census = Census(NOW, sample_size=10).add_all(
        [row(str(number), 30) for number in range(90)] + [row(f"o{number}", 300) for number in range(10)]
    )
    stats = census.stats(top=0, probes=census.probed(gone=5, failed=0))
    assert stats.probes is not None
    assert stats.probes.orphan_share == wilson(5, 10)
    assert stats.orphan_share is not None
    assert stats.orphan_share.share == pytest.approx((10 + 45) / 100)
    assert stats.orphan_share.low < stats.orphan_share.share < stats.orphan_share.high


def test_asking_about_all_leaves_nothing_to_estimate() -> None:
    census = Census(NOW, sample_size=50).add_all([row(str(number), 30) for number in range(4)])
    stats = census.stats(top=0, probes=census.probed(gone=1, failed=0))
    assert stats.orphan_share == Interval(0.25, 0.25, 0.25)


def test_sample_that_could_not_be_asked_estimates_nothing() -> None:
    census = Census(NOW, sample_size=2).add_all([row(str(number), 30) for number in range(4)])
    assert census.stats(top=0, probes=census.probed(gone=0, failed=2)).orphan_share is None


def test_wilson_gives_the_published_values() -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        found = wilson(successes, trials)
        assert found.low == pytest.approx(low, abs=5e-5)
        assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_interval_holds_its_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    found, mirrored = wilson(successes, trials), wilson(trials - successes, trials)
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high)


def test_rows_without_an_end_never_expire() -> None:
    assert first_look(replace(row("a", 5000), ttl=None), NOW, probe=False).name == "LEAVE"


@pytest.mark.parametrize(
    ("age_min", "look"), [(90, Look.ASK), (120, Look.ASK), (130, Look.ASK), (131, Look.DEAD)]
)
def test_expired_row_is_dead_for_certain_ten_minutes_after_its_connection_must_have_ended(
    age_min: float, look: Look
) -> None:
    """API Gateway ends a connection after 2 hours; two clocks may differ by minutes."""
    assert first_look(row("a", age_min, -1), NOW, probe=False) is look


def test_dead_row_is_deleted_only_if_its_end_is_still_as_it_was_read() -> None:
    class Recording(World):
        """Says which deletion was asked for."""

        how: ClassVar[dict[str, str]] = {}

        def prune(self, connection: Connection) -> bool:
            self.how[connection.connection_id] = "not written again"
            return True

        def prune_expired(self, connection: Connection) -> bool:
            self.how[connection.connection_id] = "end unchanged, too"
            return True

    there = Recording({each.connection_id: each for each in (row("dead", 25 * 60, -60), row("gone", 30))})
    there.pruned(probe=True)
    assert there.how == {"dead": "end unchanged, too", "gone": "not written again"}


def test_expired_and_orphaned_rows_do_not_change_the_chances_of_the_others() -> None:
    asked: list[int] = []

    def last(below: int) -> int:
        asked.append(below)
        return below - 1

    census = Census(NOW, sample_size=1, randrange=last)
    census.add_all([row("expired", 90, -1), row("a", 1), row("orphan", 200), row("b", 1), row("c", 1)])
    assert asked == [2, 3]  # algorithm R: the n-th candidate takes a place with a chance of 1 in n

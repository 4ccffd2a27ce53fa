"""Sources are read when they are due, and none of them stops another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from whatschat_ops.errors import Unavailable
from whatschat_ops.watch import tiles
from whatschat_ops.watch.collector import Collector, Feed
from whatschat_ops.watch.snapshot import Level, Snapshot, Tile
from whatschat_ops.watch.sources import Source

FOREVER_S = 1e9


def source(name: str, read: Callable[[], float], every_s: float = FOREVER_S) -> Source:
    def tiles_of(_now: datetime) -> Sequence[Tile]:
        return [Tile(name, value=read())]

    return Source((name,), every_s, tiles_of)


def polled(collector: Collector) -> Snapshot:
    snapshot = collector.poll(everything=True)
    assert snapshot is not None
    return snapshot


@pytest.mark.parametrize("error", [Unavailable("GetMetricData: Could not connect"), KeyError("MetricAlarms")])
def test_source_that_fails_is_unknown_with_the_reason_and_recovers(error: Exception) -> None:
    failing = [True]

    def read() -> float:
        if failing:
            raise error
        return 7.0

    collector = Collector("s", "r", [source(tiles.MESSAGES, read), source(tiles.ALARMS, lambda: 1.0)])
    first = polled(collector)
    messages, alarms = first.named(tiles.MESSAGES), first.named(tiles.ALARMS)
    assert messages is not None
    assert alarms is not None
    assert (messages.level, messages.value) == (Level.UNKNOWN, None)
    assert str(error.args[0]) in messages.unknown
    assert alarms.value == 1.0
    failing.clear()
    assert polled(collector).named(tiles.MESSAGES) == Tile(tiles.MESSAGES, value=7.0)


def test_what_was_read_last_stays_on_the_chart_while_the_source_fails() -> None:
    answers: list[Tile | Exception] = [Tile(tiles.MESSAGES, value=3.0, points=(1.0, 2.0)), OSError("gone")]

    def read(_now: datetime) -> Sequence[Tile]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [answer]

    collector = Collector("s", "r", [Source((tiles.MESSAGES,), FOREVER_S, read)])
    polled(collector)
    lost = polled(collector).named(tiles.MESSAGES)
    assert lost is not None
    assert (lost.value, lost.points, lost.unknown) == (None, (1.0, 2.0), "OSError: gone")


def test_every_tile_is_there_before_it_is_read() -> None:
    collector = Collector("s", "r", [source(tiles.MESSAGES, lambda: 1.0)])
    snapshot = polled(collector)
    assert [tile.name for tile in snapshot.tiles] == list(tiles.COMMANDS)
    drift = snapshot.named(tiles.DRIFT)
    assert drift is not None
    assert drift.unknown == "not read yet"


def test_only_what_is_due_is_read_and_nothing_new_is_no_snapshot() -> None:
    reads = {"fast": 0, "slow": 0}

    def count(name: str) -> float:
        reads[name] += 1
        return 1.0

    fast = source(tiles.BROADCASTS, lambda: count("fast"), every_s=0.0)
    slow = source(tiles.MESSAGES, lambda: count("slow"))
    collector = Collector("s", "r", [slow, fast])
    assert polled(collector) is not None
    assert collector.poll() is None
    assert reads == {"fast": 2, "slow": 1}
    assert collector.wait_s() == 0.0


def test_feed_delivers_from_a_thread_of_its_own_until_it_is_stopped() -> None:
    delivered = threading.Semaphore(0)
    threads = []

    def deliver(_snapshot: Snapshot) -> None:
        threads.append(threading.current_thread())
        delivered.release()

    feed = Feed(
        Collector("s", "r", [source(tiles.MESSAGES, lambda: 1.0), source(tiles.DRIFT, lambda: 1.0)]), deliver
    )
    feed.start()
    assert delivered.acquire(timeout=60)
    feed.refresh()
    assert delivered.acquire(timeout=60)
    feed.stop()
    threads[0].join(60)
    assert not threads[0].is_alive()
    assert threading.current_thread() not in threads

"""How much of logs and metrics is kept: an hour of 30 messages a second leaves no more than its last minutes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from whatschat_ops.local.control import budgets
from whatschat_ops.local.control.stores import MAX_CACHED, Cache

REGION = "eu-west-1"
HOUR_S, MESSAGES_PER_S = 3600, 30
EVENTS_PER_S = 4 * MESSAGES_PER_S
TRIMMED_EVERY_S = 60


class Store(dict[Any, Any]):
    """A store of one Region, as ministack has them."""

    @property
    def _data(self) -> Store:
        return self

    def all_items(self) -> list[tuple[Any, Any]]:
        return list(self.items())


class Modules:
    """CloudWatch Logs and CloudWatch, with what is kept of them."""

    def __init__(self) -> None:
        self._log_groups, self._log_records, self._metrics = Store(), Store(), Store()
        self._alarm_history = Store()

    def group(self, **streams: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        self._log_groups["/g"] = {"streams": {name: {"events": events} for name, events in streams.items()}}
        return streams

    def trim(self, *most: int) -> None:
        budgets.keep_newest(self, self, *most)


def events(times_ms: Iterable[int]) -> list[dict[str, Any]]:
    return [{"timestamp": time_ms} for time_ms in times_ms]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"
)
def test_events_are_deleted_when_their_retention_ends() -> None:
    modules, day_ms = Modules(), 86_400_000
    streams = modules.group(a=events([0, day_ms - 1, day_ms, 2 * day_ms]), b=events([1]))
    budgets.expire(modules, 2 * day_ms / 1000)
    assert len(streams["a"]) == 4
    modules._log_groups["/g"]["retentionInDays"] = 1
    budgets.expire(modules, 2 * day_ms / 1000)
    assert [event["timestamp"] for event in streams["a"]] == [day_ms, 2 * day_ms]
    assert streams["b"] == []


@pytest.mark.difference(
    "CloudWatch Logs",
    aws="keeps log events until their retention ends",
    here="keeps the newest 20,000 events of a log group, or `local.log_events_per_group`",
)
def test_hour_of_messages_leaves_the_newest_events_of_all_streams() -> None:
    modules = Modules()
    streams = modules.group(a=[], b=[], quiet=events([0]))
    for second in range(HOUR_S):
        for stream in ("a", "b"):
            streams[stream] += events(range(second * 1000, second * 1000 + EVENTS_PER_S // 2))
        if second % TRIMMED_EVERY_S == TRIMMED_EVERY_S - 1:
            modules.trim()
    kept = [event["timestamp"] for stream in streams.values() for event in stream]
    assert len(kept) <= budgets.MAX_EVENTS_PER_GROUP * (1 + budgets.SLACK)
    assert min(kept) >= (HOUR_S - len(kept) / EVENTS_PER_S - 1) * 1000
    assert streams["quiet"] == []
    assert streams["a"][-1]["timestamp"] == streams["b"][-1]["timestamp"] == 3_599_059


def test_events_of_the_same_millisecond_are_not_deleted_beyond_the_budget() -> None:
    modules = Modules()
    streams = modules.group(a=events([7] * budgets.MAX_EVENTS_PER_GROUP), b=events([7] * 5_000))
    modules.trim()
    assert sum(map(len, streams.values())) == budgets.MAX_EVENTS_PER_GROUP


def test_group_within_its_budget_keeps_everything() -> None:
    modules = Modules()
    streams = modules.group(a=events(range(budgets.MAX_EVENTS_PER_GROUP)), b=events([5]))
    modules.trim()
    assert [len(stream) for stream in streams.values()] == [budgets.MAX_EVENTS_PER_GROUP, 1]


def test_group_keeps_as_many_events_as_the_setting_says() -> None:
    modules = Modules()
    streams = modules.group(a=events(range(5_000)))
    modules.trim(10_000)
    assert len(streams["a"]) == 5_000
    modules.trim(1_000)
    assert len(streams["a"]) == 1_000


@pytest.mark.difference(
    "CloudWatch",
    aws="keeps data points for 3 hours to 15 months, by their period",
    here="keeps the newest 5,000 points of a metric",
)
def test_hour_of_latencies_leaves_the_newest_points_of_each_metric() -> None:
    modules = Modules()
    modules._metrics["busy"] = busy = [{"Timestamp": i} for i in range(HOUR_S * MESSAGES_PER_S)]
    modules._metrics["quiet"] = [{"Timestamp": 0}]
    modules.trim()
    assert len(busy) == budgets.MAX_POINTS_PER_METRIC
    assert busy[-1] == {"Timestamp": HOUR_S * MESSAGES_PER_S - 1}
    assert modules._metrics["quiet"] == [{"Timestamp": 0}]


def test_records_of_put_events_are_limited() -> None:
    modules = Modules()
    modules._log_records.update({number: {} for number in range(budgets.MAX_LOG_RECORDS + 7)})
    modules.trim()
    assert (len(modules._log_records), next(iter(modules._log_records))) == (budgets.MAX_LOG_RECORDS, 7)


@pytest.mark.difference(
    "CloudWatch: metrics",
    aws="are kept for 15 months, however many they are",
    here="the 8,000 with the newest data points are kept",
)
def test_metrics_of_a_dimension_with_a_request_id_are_limited() -> None:
    modules = Modules()
    modules._metrics["in use"] = [{"Timestamp": 0}, {"Timestamp": 1_000_000}]
    for number in range(2 * budgets.MAX_METRICS):
        modules._metrics[number] = [{"Timestamp": number}]
    modules.trim()
    assert len(modules._metrics) == budgets.MAX_METRICS
    assert list(modules._metrics)[:2] == ["in use", budgets.MAX_METRICS + 1]


@pytest.mark.difference(
    "CloudWatch: history of alarms",
    aws="is kept for 30 days",
    here="the newest 1,000 entries of a Region are kept",
)
def test_history_of_alarms_is_limited() -> None:
    modules = Modules()
    modules._alarm_history["entries"] = entries = list(range(budgets.MAX_HISTORY_ENTRIES + 7))
    modules.trim()
    assert (len(entries), entries[0]) == (budgets.MAX_HISTORY_ENTRIES, 7)


def test_hour_of_handshakes_with_unknown_apis_leaves_a_small_cache() -> None:
    now = [0.0]
    cache = Cache(lambda: now[0])
    for number in range(HOUR_S * MESSAGES_PER_S):
        now[0] = number / MESSAGES_PER_S
        assert cache.get(("api", str(number)), lambda: None) is None
    assert len(cache) <= MAX_CACHED + MESSAGES_PER_S

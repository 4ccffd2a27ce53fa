"""What the embedded AWS keeps of logs and metrics, so that its memory does not grow with its age.

AWS keeps them for years; here a busy hour would be half a gigabyte. `keep_newest` runs every few seconds and covers
what the gateway, functions and clients wrote: the newest are kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any

MAX_EVENTS_PER_GROUP = 20_000
"""In all its streams, unless `local.log_events_per_group` says otherwise: about 10 MB, or eleven minutes of a function that is invoked ten times a second."""
MAX_POINTS_PER_METRIC = 5_000
"""Of one metric with its dimensions: about 1.5 MB. Equal values within ten seconds are one point, so that a count has
points of 14 hours, and the latencies of a busy route those of some minutes.
"""
MAX_METRICS = 8_000
"""Of all namespaces: a dimension with a request id makes a metric of each request."""
MAX_HISTORY_ENTRIES = 1_000
"""Of all alarms of a Region."""
MAX_LOG_RECORDS = 20_000
"""Of events that clients put, for GetLogRecord."""
SLACK = 0.1
"""By how much a group, or the number of metrics, may be over its budget before it is sorted by time."""


def keep_newest(cloudwatch_logs: Any, cloudwatch: Any, events_per_group: int = MAX_EVENTS_PER_GROUP) -> None:
    """Delete what is over the budgets, oldest first. The first two arguments are ministack's modules."""
    for _, group in cloudwatch_logs._log_groups.all_items():
        _keep_newest_events([stream["events"] for stream in group["streams"].values()], events_per_group)
    records = cloudwatch_logs._log_records._data
    for key in list(records)[: max(0, len(records) - MAX_LOG_RECORDS)]:
        del records[key]
    for _, points in cloudwatch._metrics.all_items():
        del points[:-MAX_POINTS_PER_METRIC]
    _keep_latest_metrics(cloudwatch._metrics._data)
    for _, entries in cloudwatch._alarm_history.all_items():
        del entries[:-MAX_HISTORY_ENTRIES]


def _keep_latest_metrics(metrics: dict[Any, list[dict[str, Any]]]) -> None:
    """Those whose last point is the newest."""
    excess = len(metrics) - MAX_METRICS
    if excess <= MAX_METRICS * SLACK:
        return
    last = {key: points[-1]["Timestamp"] if points else 0.0 for key, points in list(metrics.items())}
    for key in sorted(last, key=last.__getitem__)[:excess]:
        metrics.pop(key, None)


def expire(cloudwatch_logs: Any, now_s: float) -> None:
    """Delete the events whose group keeps them no longer (Logs API Reference, PutRetentionPolicy)."""
    for _, group in cloudwatch_logs._log_groups.all_items():
        if days := group.get("retentionInDays"):
            oldest_ms = (now_s - days * 86_400) * 1000
            for stream in group["streams"].values():
                events = stream["events"]
                del events[: bisect_left(events, oldest_ms, key=lambda event: float(event["timestamp"]))]


def _keep_newest_events(streams: list[list[dict[str, Any]]], most: int) -> None:
    """The events of each stream are in the order of their times."""
    excess = sum(map(len, streams)) - most
    if excess <= most * SLACK:
        return
    # Time and stream in one integer: sorting pairs would stop the event loop for 50 ms.
    several = len(streams)
    times = sorted(
        event["timestamp"] * several + number for number, events in enumerate(streams) for event in events
    )
    for number, count in Counter(time % several for time in times[:excess]).items():
        del streams[number][:count]

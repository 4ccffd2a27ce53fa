"""Log events and metrics of the embedded AWS, with bounded memory.

They are appended to the stores of ministack's CloudWatch Logs and CloudWatch modules directly (it has no faster way),
so that FilterLogEvents and GetMetricStatistics return them at once. Both calls are fast and may come from any thread.
The modules are passed in: this one imports nothing of ministack.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from whatschat_ops.local.layout import ACCOUNT_ID, DEFAULT_REGION
from whatschat_ops.local.monitoring.log_metrics import LogMetric

MAX_EVENTS_PER_STREAM = 20_000
MAX_STREAMS_PER_GROUP = 100
METRIC_RESOLUTION_S = 10
"""Equal values within this time are one weighted point. CloudWatch's own periods are 60 s or a multiple of 10 s."""


class Telemetry:
    """Writes to CloudWatch Logs and CloudWatch. `changed` is called with the name of the service that was written to."""

    def __init__(
        self,
        cloudwatch_logs: Any,
        cloudwatch: Any,
        scope: Callable[[str, str], Any],
        regions_of: Callable[[str, str], Iterable[str]],
        changed: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        *,
        events_per_stream: int = MAX_EVENTS_PER_STREAM,
    ) -> None:
        """`scope(account, region)` is a context manager; `regions_of(kind, name)` the Regions of an API or function."""
        self._cloudwatch_logs = cloudwatch_logs
        self._cloudwatch = cloudwatch
        self._scope = scope
        self._regions_of = regions_of
        self._changed = changed
        self._clock = clock
        self._events_per_stream = events_per_stream
        self._points: dict[tuple[int, str, float, int], tuple[Any, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._points_since = 0

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], *, create_group: bool = True
    ) -> None:
        """Append (timestamp in ms, message) events. `group` is a name, or an ARN, which includes the Region.

        Without `create_group`, events for a group that does not exist are dropped.
        """
        name, region = self._locate(group)
        now_ms = int(self._clock() * 1000)
        events = [
            {"timestamp": timestamp, "message": message, "ingestionTime": now_ms, "eventId": uuid.uuid4().hex}
            for timestamp, message in messages
        ]
        with self._scope(ACCOUNT_ID, region):
            if not create_group and name not in self._cloudwatch_logs._log_groups:
                return
            record = self._stream(name, stream, now_ms)
            self._cloudwatch_logs._append_log_events(record, events)
            if len(record["events"]) > self._events_per_stream * 1.1:
                # A new list: a page of FilterLogEvents may be reading the old one.
                record["events"] = record["events"][-self._events_per_stream :]
            self._cloudwatch_logs._fanout_to_subscription_filters(name, stream, events)
            self._cloudwatch_logs._fanout_to_live_tail_sessions(name, stream, events)
        self._changed("cloudwatch_logs")

    def needs(self, group: str, stream: str) -> tuple[str, str, list[str]]:
        """The Region, the stream's ARN, and the IAM actions that writing the next event requires."""
        name, region = self._locate(group)
        with self._scope(ACCOUNT_ID, region):
            record = self._cloudwatch_logs._log_groups.get(name)
            there = record is not None and stream in record["streams"]
        actions = [] if there else ["logs:CreateLogStream"]
        if record is None:
            actions.insert(0, "logs:CreateLogGroup")
        arn = f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{name}:log-stream:{stream}"
        return region, arn, [*actions, "logs:PutLogEvents"]

    def _locate(self, group: str) -> tuple[str, str]:
        if group.startswith("arn:"):
            parts = group.split(":")
            return parts[6], parts[3]
        groups = [
            region for (_, region, name), _ in self._cloudwatch_logs._log_groups.all_items() if name == group
        ]
        if groups:
            return group, groups[0]
        function = group.rpartition("/")[2]
        return group, next(iter(self._regions_of("FunctionName", function)), DEFAULT_REGION)

    def _stream(self, group: str, stream: str, now_ms: int) -> dict[str, Any]:
        if group not in self._cloudwatch_logs._log_groups:
            self._cloudwatch_logs._create_log_group({"logGroupName": group})
        streams: dict[str, dict[str, Any]] = self._cloudwatch_logs._log_groups[group]["streams"]
        if stream not in streams:
            for oldest in list(streams)[: max(0, len(streams) - MAX_STREAMS_PER_GROUP + 1)]:
                del streams[oldest]
            streams[stream] = {
                "events": [],
                "uploadSequenceToken": "1",
                "creationTime": now_ms,
                "firstEventTimestamp": None,
                "lastEventTimestamp": None,
                "lastIngestionTime": None,
            }
        return streams[stream]

    def record_in(
        self, region: str, namespace: str, name: str, value: float, dimensions: Mapping[str, str]
    ) -> None:
        """Record one count in a Region."""
        with self._scope(ACCOUNT_ID, region):
            self.add_point(namespace, name, value, "Count", dimensions)

    def record_metric(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        time_s: float | None = None,
    ) -> None:
        """Record one datum in the Region of the API or function in the dimensions, of this moment or of `time_s`."""
        named = next((key for key in ("ApiId", "FunctionName") if key in dimensions), "")
        regions = self._regions_of(named, dimensions[named]) if named else ()
        with self._scope(ACCOUNT_ID, next(iter(regions), DEFAULT_REGION)):
            at_s = self._clock() if time_s is None else time_s
            self._count(namespace, name, _rounded(value), unit, dict(dimensions), at_s)

    def add_point(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str = "None",
        dimensions: Mapping[str, str] | None = None,
    ) -> None:
        """Record one datum in the current Region. Replaces ministack's `record_metric`, which stores every value."""
        pairs = dict(dimensions or {})
        self._count(namespace, name, _rounded(value), unit, pairs, self._clock())

    def add_log_metric(self, metric: LogMetric) -> None:
        """Record one datum of a log event in the current Region, at the time of the event."""
        dimensions = dict(metric.dimensions)
        self._count(metric.namespace, metric.name, metric.value, metric.unit, dimensions, metric.time_s)

    def _count(
        self, namespace: str, name: str, value: float, unit: str, dimensions: dict[str, str], time_s: float
    ) -> None:
        with self._lock:
            bucket = self._cloudwatch._metric_bucket(
                (namespace, name, self._cloudwatch._dims_key(dimensions))
            )
            self._point(bucket, value, unit, dimensions, time_s)["Count"] += 1
        self._changed("cloudwatch")

    def _point(
        self, bucket: list[Any], value: float, unit: str, dimensions: dict[str, str], time_s: float
    ) -> dict[str, Any]:
        current = int(self._clock() // METRIC_RESOLUTION_S)
        if current != self._points_since:
            self._points.clear()
            self._points_since = current
        key = (id(bucket), unit, value, int(time_s // METRIC_RESOLUTION_S))
        if key not in self._points:
            point = {
                "Timestamp": time_s,
                "Value": value,
                "Count": 0.0,
                "Unit": unit,
                "Dimensions": dimensions,
            }
            bucket.append(point)
            self._points[key] = (bucket, point)  # keeps the bucket alive, so that its id is not reused
        return self._points[key][1]


def _rounded(value: float) -> float:
    if not value or not math.isfinite(value) or value == int(value):
        return float(value)
    return round(value, min(2, 2 - math.floor(math.log10(abs(value)))))

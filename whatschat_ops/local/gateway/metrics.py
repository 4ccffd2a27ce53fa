"""The CloudWatch metrics of AWS/ApiGateway for WebSocket APIs, aggregated between two flushes.

Names and dimensions: apigateway-websocket-api-logging. Each value is recorded for {ApiId} and {ApiId, Stage}, and for
{ApiId, Stage, Route} if the stage or the route has detailed metrics. AWS publishes once a minute; here metrics are flushed every
few seconds, so that they can be seen at once, under the minute in which the requests were.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from whatschat_ops.local.interfaces import ControlPlane, Stage

NAMESPACE = "AWS/ApiGateway"
MAX_LATENCY_SAMPLES = 50
"""Per route and flush. Under load a uniform sample of the latencies is recorded, so that a busy gateway stays fast."""

CountName = Literal["ConnectCount", "MessageCount", "IntegrationError", "ClientError", "ExecutionError"]
Series = tuple[str, str, str | None, int]
"""ApiId, Stage, Route if it is published separately, and the minute since 1970."""
_MINUTE_S = 60


@dataclass(slots=True)
class _Tally:
    counts: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    latencies_seen: int = 0

    def add_latency(self, latency_ms: float) -> None:
        """Reservoir sampling."""
        self.latencies_seen += 1
        if len(self.latencies_ms) < MAX_LATENCY_SAMPLES:
            self.latencies_ms.append(latency_ms)
        elif (slot := random.randrange(self.latencies_seen)) < MAX_LATENCY_SAMPLES:
            self.latencies_ms[slot] = latency_ms


class Metrics:
    """Counts values and records them on `flush`."""

    def __init__(self, control_plane: ControlPlane, clock: Callable[[], float] = time.time) -> None:
        self._control_plane = control_plane
        self._clock = clock
        self._tallies: dict[Series, _Tally] = {}

    def count(self, name: CountName, api_id: str, stage: Stage, route_key: str | None = None) -> None:
        """Add one."""
        counts = self._tally(api_id, stage, route_key).counts
        counts[name] = counts.get(name, 0) + 1

    def latency(self, latency_ms: float, api_id: str, stage: Stage, route_key: str) -> None:
        """Add an IntegrationLatency."""
        self._tally(api_id, stage, route_key).add_latency(latency_ms)

    def flush(self) -> None:
        """Record and reset what was counted since the last flush."""
        tallies, self._tallies = self._tallies, {}
        for series, tally in tallies.items():
            for dimensions in _dimension_sets(series):
                self._record(tally, dimensions, series[-1] * _MINUTE_S)

    def _tally(self, api_id: str, stage: Stage, route_key: str | None) -> _Tally:
        detailed = stage.route_metrics.get(route_key or "", stage.detailed_metrics)
        series = (api_id, stage.name, route_key if detailed else None, int(self._clock()) // _MINUTE_S)
        tally = self._tallies.get(series)
        if tally is None:
            tally = self._tallies[series] = _Tally()
        return tally

    def _record(self, tally: _Tally, dimensions: dict[str, str], time_s: float) -> None:
        for name, value in tally.counts.items():
            self._control_plane.record_metric(NAMESPACE, name, value, "Count", dimensions, time_s)
        for latency_ms in tally.latencies_ms:
            self._control_plane.record_metric(
                NAMESPACE, "IntegrationLatency", latency_ms, "Milliseconds", dimensions, time_s
            )


def _dimension_sets(series: Series) -> list[dict[str, str]]:
    api_id, stage, route_key, _ = series
    sets = [{"ApiId": api_id}, {"ApiId": api_id, "Stage": stage}]
    if route_key is not None:
        sets.append({"ApiId": api_id, "Stage": stage, "Route": route_key})
    return sets

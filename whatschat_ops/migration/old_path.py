"""What the backend publishes of the old path, for the gate to compare with. Pure.

The application's backend puts these metrics itself (PutMetricData; docs/migrate.md): AWS sees nothing of a Socket.IO server. A
metric that was not put is missing, not 0: a backend puts `Errors`, `Reconnects` and `Gone` as 0 in minutes without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.metrics.catalog import Shown
from whatschat_ops.metrics.reading import Metric, Query
from whatschat_ops.migration.cohort import Service

NAMESPACE: Final = "WhatsChat/OldPath"
REQUESTS: Final = Shown("samples", "Requests")
"""Connects and messages of the old server; native calls that were offered."""
ERRORS: Final = Shown("errors", "Errors")
LATENCY: Final = Shown("latency_p95_ms", "Latency", "p95", "ms")
"""Each value of its own, not as a StatisticSet: percentiles need values (CloudWatch API reference, PutMetricData)."""
RECONNECTS: Final = Shown("reconnects", "Reconnects")
GONE: Final = Shown("gone_410", "Gone")
"""Messages to a user whose socket was gone."""
METRICS: Final = (REQUESTS, ERRORS, LATENCY, RECONNECTS, GONE)


def dimensions(stack: str, service: Service) -> dict[str, str]:
    """The dimensions of every metric of the old path. `stack`: the value of the stack's tag."""
    return {"Stack": stack, "Service": service.value}


def queries(stack: str, service: Service) -> Iterator[tuple[str, Query]]:
    """The figure, and the metric that it is."""
    for each in METRICS:
        metric = Metric.of(NAMESPACE, each.metric, dimensions(stack, service))
        yield each.name, Query(metric, each.statistic)

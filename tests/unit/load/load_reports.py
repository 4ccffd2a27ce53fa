"""A finished load test, for those who look at its report."""

from __future__ import annotations

from datetime import UTC, datetime

from whatschat_ops.choices import Traffic
from whatschat_ops.load.deliveries import Deliveries, percent
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import Charts, LoadReport, Sockets, Tool
from whatschat_ops.load.timeline import Point
from whatschat_ops.measure.histogram import Histogram

PLAN = LoadPlan(
    url="ws://127.0.0.1:1/x",
    sockets=10,
    users=10,
    connect_rate_per_s=400.0,
    interval_s=1.0,
    duration_s=5.0,
    message_size_bytes=200,
    traffic=Traffic.MIXED,
    drain_s=5.0,
)


def histogram(count: int, seconds: float) -> Histogram:
    """`count` times the same value."""
    made = Histogram()
    for _ in range(count):
        made.record(seconds)
    return made


def a_report(*, count: int = 50, lost: int = 0, error: str = "too slow", url: str = PLAN.url) -> LoadReport:
    """A test of `count` pings of 10 ms and as many messages of 20 ms, `lost` of either."""
    pings, messages = histogram(count, 0.010), histogram(count, 0.020)
    loss = percent(lost, count)
    point = Point(1.0, "steady", 10, 10, 1, 0, count, count, 1, 10.0, 20.0, 30.0)
    return LoadReport(
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
        interrupted=False,
        plan=LoadPlan(url, 10, 10, 400.0, 1.0, 5.0, 200, Traffic.MIXED, 5.0),
        ramp_s=1.0,
        steady_s=5.0,
        drain_s=0.1,
        sockets=Sockets(11, 10, {"429": 1}, {"1001": 2}, 0, error, 10.0),
        handshake=histogram(10, 0.005).latency(),
        ping=Deliveries(count, count, count - lost, 0, lost, 0, loss, 0, pings.latency()),
        message=Deliveries(count, count, count - lost, 0, lost, 0, loss, 1, messages.latency()),
        receipts=count,
        errors={error: 1} if error else {},
        strange=0,
        sent_per_s=20.0,
        arrived_per_s=20.0,
        tool=Tool(histogram(count, 0.001).latency(), 0.2, 0, 0),
        timeline=(point, point),
        charts=Charts(histogram(10, 0.005).columns(), pings.columns(), messages.columns()),
    )

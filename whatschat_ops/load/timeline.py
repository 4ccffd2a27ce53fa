"""The test second by second: sockets, messages, latencies. One point per second, at most a few thousand."""

from __future__ import annotations

from dataclasses import dataclass

from whatschat_ops.measure.histogram import BucketCount, Histogram


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals of a moment."""

    open_sockets: int
    opened: int
    refused: int
    cut: int
    sent: int
    arrived: int
    errors: int


@dataclass(frozen=True, slots=True)
class Point:
    """One second: sockets at its end, all else within it. `at_s` is its end, after the start.

    Latencies are None when nothing arrived."""

    at_s: float
    phase: str
    open_sockets: int
    opened: int
    refused: int
    cut: int
    sent: int
    arrived: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Second:
    """A point, and its latencies as they were counted: those of several processes add up."""

    point: Point
    latencies: list[BucketCount]


class Timeline:
    """Makes points from totals."""

    def __init__(self) -> None:
        self.seconds: list[Second] = []
        self._last = Counts(0, 0, 0, 0, 0, 0, 0)
        self._latency = Histogram()

    def record(self, latency_s: float) -> None:
        """A message arrived."""
        self._latency.record(latency_s)

    def point(self, at_s: float, phase: str, now: Counts) -> Point:
        """End a second."""
        last, latency = self._last, self._latency.latency()
        point = Point(
            at_s=round(at_s, 3),
            phase=phase,
            open_sockets=now.open_sockets,
            opened=now.opened - last.opened,
            refused=now.refused - last.refused,
            cut=now.cut - last.cut,
            sent=now.sent - last.sent,
            arrived=now.arrived - last.arrived,
            errors=now.errors - last.errors,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
            max_ms=latency.max_ms,
        )
        self.seconds.append(Second(point, self._latency.counted()))
        self._last, self._latency = now, Histogram()
        return point

"""Latencies in bounded memory: counts in buckets that are at most 0.8 % wide, as HdrHistogram has them.

Values are whole microseconds from 0 to about 19 hours. Each power of two is cut into 128 equal buckets, so that a percentile
is off by at most 1/128 of itself, whatever the shape of the distribution and however many values there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

BITS: Final = 7
"""A power of two has 2**BITS buckets."""
LARGEST_US: Final = (1 << 36) - 1


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution in figures, in milliseconds; None when there was nothing to measure."""

    count: int
    mean_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """How many values lie from `from_ms` up to `to_ms`."""

    from_ms: float
    to_ms: float
    count: int


class BucketCount(NamedTuple):
    """One bucket: how many values, their sum and the largest of them, in microseconds."""

    bucket: int
    values: int
    sum_us: int
    largest_us: int


class Histogram:
    """Counts of values. One thread writes; another may read figures meanwhile, of a moment that is nearly the same."""

    __slots__ = ("_counts", "_largest_us", "_sum_us", "count")

    def __init__(self, counted: Iterable[BucketCount] = ()) -> None:
        """With what was counted before, elsewhere, by `bucket_of`."""
        self.count = 0
        self._counts = [0] * (bucket_of(LARGEST_US) + 1)
        self._sum_us = 0
        self._largest_us = 0
        for bucket, values, sum_us, largest_us in counted:
            self._counts[bucket] += values
            self.count += values
            self._sum_us += sum_us
            self._largest_us = max(self._largest_us, largest_us)

    def record(self, seconds: float) -> None:
        """Add a value. A negative one (a clock that went back) counts as 0, one beyond the range as the largest."""
        self.record_us((min(LARGEST_US, max(0, int(seconds * 1_000_000))),))

    def record_us(self, values_us: Sequence[int]) -> None:
        """Add values from 0 to LARGEST_US."""
        if not values_us:
            return
        counts = self._counts
        for value_us in values_us:
            counts[bucket_of(value_us)] += 1
        self.count += len(values_us)
        self._sum_us += sum(values_us)
        self._largest_us = max(self._largest_us, max(values_us))

    def percentile_ms(self, percent: float) -> float:
        """The value that `percent` of all values do not exceed, to 1/128; 0 when there are none."""
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return min(bounds_of(index)[1] - 1, self._largest_us) / 1000
        return 0.0

    def counted(self) -> list[BucketCount]:
        """What was counted, for another histogram: buckets that are not empty, the sum and the largest with the first."""
        filled = [(bucket, count) for bucket, count in enumerate(self._counts) if count]
        return [
            BucketCount(bucket, count, 0 if place else self._sum_us, 0 if place else self._largest_us)
            for place, (bucket, count) in enumerate(filled)
        ]

    def latency(self) -> Latency:
        """The usual figures."""
        if not self.count:
            return Latency(0)
        mean_ms = self._sum_us / self.count / 1000
        p50_ms, p90_ms, p95_ms, p99_ms = (self.percentile_ms(percent) for percent in (50, 90, 95, 99))
        largest_ms = self._largest_us / 1000
        return Latency(self.count, round(mean_ms, 3), p50_ms, p90_ms, p95_ms, p99_ms, largest_ms)

    def columns(self, per_doubling: int = 4) -> tuple[Column, ...]:
        """The distribution in columns whose width grows with the value, from the first to the last that is not empty.

        `per_doubling` columns from a value to its double; values under 0.1 ms are one column.
        """
        counts: dict[int, int] = {}
        for low_us, high_us, count in self._filled():
            middle_us = (low_us + high_us) / 2
            place = max(0, math.floor(math.log2(max(middle_us, 1) / 100) * per_doubling) + 1)
            counts[place] = counts.get(place, 0) + count
        if not counts:
            return ()
        return tuple(
            Column(_edge_ms(place, per_doubling), _edge_ms(place + 1, per_doubling), counts.get(place, 0))
            for place in range(min(counts), max(counts) + 1)
        )

    def _filled(self) -> Iterator[tuple[int, int, int]]:
        for index, count in enumerate(self._counts):
            if count:
                yield (*bounds_of(index), count)


def shown(value: float | None, form: str) -> str:
    """A figure as text, in Python's format; "-" when there was nothing to measure."""
    return "-" if value is None else format(value, form)


def bucket_of(value_us: int) -> int:
    """The number of the bucket that holds the value."""
    shift = value_us.bit_length() - BITS - 1
    return (shift << BITS) + (value_us >> shift) if shift > 0 else value_us


def bounds_of(bucket: int) -> tuple[int, int]:
    """The first value of a bucket, and the first one beyond it."""
    shift = max(0, (bucket >> BITS) - 1)
    mantissa = bucket - (shift << BITS)
    return mantissa << shift, (mantissa + 1) << shift


def _edge_ms(place: int, per_doubling: int) -> float:
    edge_ms: float = 0.1 * 2 ** ((place - 1) / per_doubling)
    return edge_ms if place else 0.0

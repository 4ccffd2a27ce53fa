"""The histogram: how near its figures are to the exact ones."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.measure.histogram import (
    LARGEST_US,
    BucketCount,
    Histogram,
    Latency,
    bounds_of,
    bucket_of,
    shown,
)

SECONDS = st.lists(st.floats(0, 3600), min_size=1, max_size=200)


@given(SECONDS, st.floats(0.1, 100))
def test_percentile_is_within_a_128th_of_the_exact_one(values: list[float], percent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    rank = max(1, math.ceil(len(values) * percent / 100))
    exact_ms = int(sorted(values)[rank - 1] * 1_000_000) / 1000

    assert exact_ms <= histogram.percentile_ms(percent) <= exact_ms * (1 + 1 / 128) + 0.001


@given(SECONDS, SECONDS)
def test_values_counted_elsewhere_and_recorded_after_are_as_if_all_were_recorded(
    before: list[float], after: list[float]
) -> None:
    whole = Histogram()
    for value in (*before, *after):
        whole.record(value)
    counted = [BucketCount(bucket_of(us), 1, us, us) for us in (int(value * 1_000_000) for value in before)]

    resumed = Histogram(counted)
    resumed.record_us([int(value * 1_000_000) for value in after])

    assert resumed.latency() == whole.latency()
    assert resumed.columns() == whole.columns()


@given(st.integers(0, LARGEST_US))
def test_value_lies_in_its_bucket(value_us: int) -> None:
    low, high = bounds_of(bucket_of(value_us))
    assert low <= value_us < high
    assert bucket_of(high) == bucket_of(value_us) + 1


@given(SECONDS)
def test_columns_hold_every_value_and_touch_one_another(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    columns = histogram.columns()

    assert sum(column.count for column in columns) == len(values)
    assert all(left.to_ms == right.from_ms for left, right in pairwise(columns))
    assert len(columns) < 120


def test_values_beyond_the_range_are_counted_at_its_ends() -> None:
    histogram = Histogram()
    histogram.record(-1)
    histogram.record(10**9)
    assert histogram.count == 2
    assert histogram.percentile_ms(50) == 0
    assert Histogram().percentile_ms(99) == 0


def test_latency_of_nothing_is_not_zero() -> None:
    assert Histogram().latency() == Latency(0, None, None, None, None, None, None)
    assert (shown(None, ",.1f"), shown(0.0, ",.1f")) == ("-", "0.0")

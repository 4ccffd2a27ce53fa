from __future__ import annotations

import pytest

from whatschat_ops.metrics.figures import Line, figure, merged, ratio
from whatschat_ops.metrics.reading import Series


def line(*series: float | None, statistic: str = "Sum", partial: bool = False) -> Line:
    return Line("L", "of", "", statistic, series, partial)


@pytest.mark.parametrize(
    ("series", "statistic", "value", "previous", "change"),
    [
        ((), "Sum", None, None, None),
        ((None, None, None, None), "Sum", None, None, None),
        ((1, None, 4, None), "Sum", 4, 1, 3),
        ((0, 0, 4, None), "Sum", 4, 0, None),
        ((None, None, 1, 2), "Sum", 3, None, None),
        ((4, 4, None, None), "Sum", None, 8, None),
        ((4, 4, 0, None), "SampleCount", 0, 8, -1),
        ((5, 10, 20, None), "Maximum", 20, 10, 1),
        ((5, 10, 3, 5), "p99", 5, 10, -0.5),
    ],
)
def test_missing_values_stay_missing(
    series: Series, statistic: str, value: float | None, previous: float | None, change: float | None
) -> None:
    found = figure(line(*series, statistic=statistic), points=2)
    assert (found.value, found.previous, found.change) == (value, previous, change)
    assert found.points == series[2:]


@pytest.mark.parametrize(
    ("tops", "bottoms", "value", "points"),
    [
        ([line(1, None)], [line(4, 4)], 1 / 8, (0.25, None)),
        ([line(None, None)], [line(4, 4)], None, (None, None)),
        ([line(1, 1)], [line(None, None)], None, (None, None)),
        ([line(0, 0)], [line(0, 0)], None, (None, None)),
        ([line(1, 0), line(None, 2)], [line(4, 4), line(None, 4)], 3 / 12, (0.25, 0.25)),
    ],
    ids=[
        "one period without errors",
        "no errors known",
        "no requests",
        "nothing happened",
        "several",
    ],
)
def test_ratio_divides_sums(
    tops: list[Line], bottoms: list[Line], value: float | None, points: Series
) -> None:
    found = ratio("Rate", None, tops, bottoms, 2)
    assert found.value == value
    assert found.points == points


def test_ratio_of_both_times_is_without_what_is_taken_away() -> None:
    tops, bottoms = [line(2, 2, 4, 6)], [line(5, 5, 20, 20)]
    found = ratio("Rate", None, tops, bottoms, 2, less=((8, 30), (1, 2)))
    assert (found.value, found.previous) == (2 / 10, 3 / 8)
    assert ratio("Rate", None, tops, bottoms, 2, less=((99, 99), (0, 0))).value is None


def test_ratio_of_a_partial_line_is_partial() -> None:
    assert ratio("Rate", None, [line(1, partial=True)], [line(2)], 1).partial
    assert not ratio("Rate", None, [line(1)], [line(2)], 1).partial


def test_series_are_merged_period_by_period() -> None:
    assert merged("Sum", (1, None, None), (2, 3, None)) == (3, 3, None)
    assert merged("Maximum", (1, None, None), (2, 3, None)) == (2, 3, None)
    assert merged("Sum") == ()

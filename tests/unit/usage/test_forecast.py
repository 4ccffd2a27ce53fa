from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import UsageError
from whatschat_ops.usage.forecast import LEAST_DAYS, Coverage, Forecast, back_test, forecast, predicted, trend

FIRST: Final = date(2026, 9, 1)
WEEK: Final = (1.0, 1.1, 1.2, 1.1, 1.0, 0.5, 0.4)


def series(
    seed: int,
    days: int,
    *,
    noise: float = 5.0,
    growth: float = 0.0,
    outliers: float = 0.0,
    season: bool = True,
) -> list[float]:
    """Costs a day around 100 dollars."""
    chance = random.Random(seed)
    return [
        max(0.0, (100 + growth * day) * (WEEK[day % 7] if season else 1) + chance.gauss(0, noise))
        * (3 if chance.random() < outliers else 1)
        for day in range(days)
    ]


def history(values: Sequence[float]) -> dict[date, Decimal]:
    return {FIRST + timedelta(days=number): Decimal(repr(value)) for number, value in enumerate(values)}


def made(values: Sequence[float], ahead: int = 7, level: int = 80) -> Forecast:
    return forecast(history(values), ahead, level)


@pytest.mark.parametrize(
    "kind",
    [
        {}, {"growth": 1.0}, {"growth": -0.3}, {"outliers": 0.03}, {"noise": 20.0, "season": False},
    ],
    ids=["steady", "growing", "shrinking", "with outliers", "no week"],
)  # fmt: skip
@pytest.mark.parametrize(("level", "least", "most"), [(80, 0.74, 0.88), (50, 0.43, 0.59)])
def test_interval_covers_what_it_says(kind: dict[str, float], level: int, least: float, most: float) -> None:
    back, ahead = Coverage(0, 0), Coverage(0, 0)
    for seed in range(40):
        values = series(seed, 120 + 7, **kind)  # type: ignore[arg-type]
        found = made(values[:120], level=level)
        inside = [float(day.low) <= value <= float(day.high) for day, value in zip(found.days, values[120:], strict=True)]  # fmt: skip
        back = Coverage(back.days + found.coverage.days, back.covered + found.coverage.covered)
        ahead = Coverage(ahead.days + 7, ahead.covered + sum(inside))
    assert least <= back.covered / back.days <= most
    assert least <= ahead.covered / ahead.days <= most


def test_series_without_noise_is_continued_exactly() -> None:
    values = [100 * WEEK[day % 7] for day in range(63)]
    found = made(values, 14)
    assert [float(day.cost) for day in found.days] == pytest.approx(values[:14])
    assert [day.low for day in found.days] == [day.high for day in found.days]
    assert found.coverage.percent == 100
    assert found.days[0].day == FIRST + timedelta(days=63)


def test_trend_is_not_moved_by_days_that_are_off() -> None:
    values = [2.0 * day for day in range(60)]
    values[20], values[41] = 9_999.0, 0.0
    assert trend(values) == 2.0
    assert predicted(values, 1) == pytest.approx(120.0)
    assert predicted(values, 30) == pytest.approx(178.0)


def test_limits_grow_with_the_weeks_ahead() -> None:
    found = made(series(1, 90), 28)
    widths = [float(day.high - day.low) for day in found.days]
    assert widths[0] < widths[7] < widths[14] < widths[21]


@pytest.mark.parametrize("days", [0, 1, LEAST_DAYS - 1])
def test_too_little_history_is_refused_with_what_is_missing(days: int) -> None:
    with pytest.raises(UsageError, match=f"needs {LEAST_DAYS} days.*{LEAST_DAYS - days} more are needed"):
        made(series(1, days))


def test_least_history_has_two_weeks_of_back_test() -> None:
    assert made(series(1, LEAST_DAYS)).coverage.days == 14


def test_days_that_are_not_final_are_left_out() -> None:
    values = series(1, 60)
    late = [FIRST + timedelta(days=58), FIRST + timedelta(days=59)]
    found = forecast(history(values), 7, 80, late)
    assert found.left_out == tuple(late)
    assert found.days == forecast(history(values[:58]), 7, 80).days


def test_day_without_a_row_cost_nothing_and_is_counted() -> None:
    costs = history([100.0] * 60)
    del costs[FIRST + timedelta(days=30)]
    found = forecast(costs, 7, 80)
    assert (found.history_days, found.filled) == (60, 1)
    assert found.days[0].cost == 100


@given(st.lists(st.floats(0, 1e6), min_size=LEAST_DAYS, max_size=80), st.integers(1, 92))
def test_forecast_of_any_history_is_an_amount_within_its_limits(values: list[float], ahead: int) -> None:
    found = made(values, ahead)
    assert len(found.days) == ahead
    assert all(0 <= day.low <= day.cost <= day.high for day in found.days)
    assert found.total == sum(day.cost for day in found.days)


def test_back_test_knows_no_later_error() -> None:
    values = series(3, 80)
    changed = [*values[:70], *(value * 50 for value in values[70:])]
    before, after = back_test(values[:70], 0.8)[1], back_test(changed, 0.8)[1]
    assert after.days - before.days == 10
    assert after.covered == before.covered

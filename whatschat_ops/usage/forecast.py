"""What the next days cost, from the days before: the same day of the week, a robust trend, and an interval that was tested. Pure.

    level    the median of the last three same days of the week, each moved along the trend
    trend    the median of the changes from week to week (Theil-Sen with a lag of seven days: a day that is off moves it little)
    interval empirical quantiles of the errors that this very forecast made before, wider by the root of the weeks ahead

`Coverage` is how often the interval held on days that it did not know: at each day of the back test the interval is made of
errors of earlier days only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import ceil, sqrt
from statistics import median
from typing import Final

from whatschat_ops.errors import UsageError
from whatschat_ops.plurals import counted
from whatschat_ops.pricing.amounts import Usd, plain
from whatschat_ops.usage.measured import Finding

WEEK: Final = 7
FIRST_DAYS: Final = 3 * WEEK
"""A forecast needs a level and two changes of each day of the week."""
LEAST_ERRORS: Final = 14
"""Ours: fewer have no quantiles; two weeks have each day of the week twice."""
LEAST_DAYS: Final = FIRST_DAYS + LEAST_ERRORS + 2 * WEEK
"""Three weeks for the first forecast, two of errors, two to test the interval on."""
MOST_DAYS_AHEAD: Final = 92
_CENTS: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class ForecastDay:
    """A day to come, in US dollars: between `low` and `high` with the probability of `Forecast.level`."""

    day: date
    cost: Usd
    low: Usd
    high: Usd


@dataclass(frozen=True, slots=True)
class Coverage:
    """The back test: of `days` days, `covered` were within their intervals."""

    days: int
    covered: int

    @property
    def percent(self) -> int:
        """Rounded to whole percents."""
        return round(100 * self.covered / self.days)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`left_out`: days of the history that are not final, or incomplete, and were not used. `filled`: days without a row, taken as 0."""

    level_percent: int
    history: tuple[date, date]
    history_days: int
    history_cost: Usd
    left_out: tuple[date, ...]
    filled: int
    days: tuple[ForecastDay, ...]
    total: Usd
    low: Usd
    """Sum of the days' lower limits: the sum stays above it more often than the level says."""
    high: Usd
    trend_a_week: Usd
    coverage: Coverage
    rejects: tuple[Finding, ...] = ()
    """Rows of the history that are in no day's cost."""
    handled: tuple[Finding, ...] = ()


def forecast(
    costs: Mapping[date, Decimal], days_ahead: int, level_percent: int, left_out: Sequence[date] = ()
) -> Forecast:
    """The days after the last one of the history. Raises UsageError for too little history."""
    used = {day: cost for day, cost in costs.items() if day not in set(left_out)}
    series, first, filled = _series(used)
    if len(series) < LEAST_DAYS:
        raise UsageError(
            f"A forecast needs {LEAST_DAYS} days of history, and the history has {counted(len(series), 'final day')}: "
            f"{LEAST_DAYS - len(series)} more are needed.",
        )
    errors, coverage = back_test(series, level_percent / 100)
    below, above = _quantiles(errors, level_percent / 100)
    last = first + timedelta(days=len(series) - 1)
    days = [_day(series, last, ahead, below, above) for ahead in range(1, days_ahead + 1)]
    return Forecast(
        level_percent,
        (first, last),
        len(series),
        plain(sum(used.values(), Decimal(0))),
        tuple(left_out),
        filled,
        tuple(days),
        plain(sum((day.cost for day in days), Decimal(0))),
        plain(sum((day.low for day in days), Decimal(0))),
        plain(sum((day.high for day in days), Decimal(0))),
        _money(trend(series) * WEEK),
        coverage,
    )


def _series(costs: Mapping[date, Decimal]) -> tuple[list[float], date, int]:
    """Every day from the first to the last one; a day that a bill does not have cost nothing."""
    if not costs:
        return [], date.min, 0
    first, last = min(costs), max(costs)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [float(costs.get(day, 0)) for day in days], first, len(days) - len(costs)


def trend(series: Sequence[float]) -> float:
    """Dollars a day: the median change over a week, of the last eight weeks.

    >>> trend([day + (5 if day % 7 == 0 else 0) for day in range(30)])
    1.0
    """
    recent = series[-9 * WEEK :]
    changes = [(after - before) / WEEK for before, after in zip(recent, recent[WEEK:], strict=False)]
    return median(changes) if changes else 0.0


def predicted(series: Sequence[float], ahead: int) -> float:
    """The cost `ahead` days after the end of the series, at least 0."""
    slope = trend(series)
    same = [
        series[position] + slope * (len(series) - 1 + ahead - position)
        for weeks in range(3)
        if (position := len(series) - 1 + ahead - WEEK * (ceil(ahead / WEEK) + weeks)) >= 0
    ]
    return max(0.0, median(same))


def back_test(series: Sequence[float], level: float) -> tuple[list[float], Coverage]:
    """The errors of forecasts of one day ahead to seven, sorted; and how often the interval of the earlier ones held.

    A forecast knows the errors of the days before it was made, not those of the days between.
    """
    errors: list[float] = []
    days = covered = 0
    for end in range(FIRST_DAYS, len(series)):
        ahead = (end - FIRST_DAYS) % WEEK + 1
        error = series[end] - predicted(series[: end - ahead + 1], ahead)
        known = sorted(errors[: max(0, end - ahead + 1 - FIRST_DAYS)])
        if len(known) >= LEAST_ERRORS:
            below, above = _quantiles(known, level)
            days += 1
            covered += below <= error <= above
        errors.append(error)
    return sorted(errors), Coverage(days, covered)


def _quantiles(errors: Sequence[float], level: float) -> tuple[float, float]:
    """The limits that leave as much on either side, of sorted errors: those of order statistics, rounded to the outside."""
    tail = (1 - level) / 2 * (len(errors) + 1)
    lower = max(0, int(tail) - 1)
    return errors[lower], errors[len(errors) - 1 - lower]


def _day(series: Sequence[float], last: date, ahead: int, below: float, above: float) -> ForecastDay:
    cost = predicted(series, ahead)
    wider = sqrt(ceil(ahead / WEEK))
    low, high = cost + min(below, 0.0) * wider, cost + max(above, 0.0) * wider
    return ForecastDay(
        last + timedelta(days=ahead), _money(cost), _money(max(0.0, low)), _money(max(0.0, high))
    )


def _money(amount: float) -> Decimal:
    return plain(Decimal(repr(amount)).quantize(_CENTS))

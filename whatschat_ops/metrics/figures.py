"""Series added up, compared and divided. Pure.

What is missing stays None: a sum has the values that there are, a ratio needs both of its sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from whatschat_ops.metrics.reading import Series

SUMS: Final = frozenset({"Sum", "SampleCount"})
"""Statistics whose values add up; of all others (Maximum, p99) the value of a time is the highest of its periods."""
RATIO: Final = "Ratio"
Pair = tuple[float, float]
"""A part of the upper and of the lower sum of a ratio."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report.

    `of` is the function, table or route that it is about. `statistic` is Sum, SampleCount, Maximum, a percentile, or Ratio of two
    sums. `change` is the growth since the time before, 0.5 for half as much again. `points`: one value a period, oldest first.
    `partial`: CloudWatch did not answer all of it.
    """

    name: str
    of: str | None
    unit: str
    statistic: str
    value: float | None
    previous: float | None = None
    change: float | None = None
    points: Series = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What a figure is made of: its series from the beginning of the time before, if that is compared."""

    name: str
    of: str | None
    unit: str
    statistic: str
    series: Series
    partial: bool = False


def figure(line: Line, points: int) -> Figure:
    """The last `points` of a line as a figure, compared with those before."""
    before, now = line.series[:-points], line.series[-points:]
    value, previous = summary(line.statistic, now), summary(line.statistic, before)
    return Figure(
        line.name,
        line.of,
        line.unit,
        line.statistic,
        value,
        previous,
        change(value, previous),
        now,
        line.partial,
    )


def ratio(
    name: str,
    of: str | None,
    tops: Sequence[Line],
    bottoms: Sequence[Line],
    points: int,
    *,
    less: tuple[Pair, Pair] = ((0, 0), (0, 0)),
) -> Figure:
    """What the lines `tops` are of the lines `bottoms`: the sums of each time divided, and those of each period.

    `less` is taken from both sums, of this time and of the time before; periods are as they are.
    """

    def divided(pick: Callable[[Line], Series], minus: Pair) -> float | None:
        sums = (_total(value for line in lines for value in pick(line)) for lines in (tops, bottoms))
        return _quotient(*(each and max(0, each - part) for each, part in zip(sums, minus, strict=True)))

    value = divided(lambda line: line.series[-points:], less[0])
    previous = divided(lambda line: line.series[:-points], less[1])
    periods = zip(
        *(merged("Sum", *(line.series for line in lines)) for lines in (tops, bottoms)), strict=True
    )
    each = tuple(_quotient(top, bottom) for top, bottom in periods)[-points:]
    is_partial = any(line.partial for line in (*tops, *bottoms))
    return Figure(name, of, "", RATIO, value, previous, change(value, previous), each, is_partial)


def merged(statistic: str, *series: Series) -> Series:
    """Series of equal length as one, period by period. Empty without any."""
    return tuple(summary(statistic, values) for values in zip(*series, strict=True))


def summary(statistic: str, values: Iterable[float | None]) -> float | None:
    """All values as one: their sum, or the highest. None if there is none."""
    found = [value for value in values if value is not None]
    return _total(found) if statistic in SUMS else max(found, default=None)


def change(value: float | None, previous: float | None) -> float | None:
    """The growth; None without either, or from 0."""
    return None if value is None or not previous else value / previous - 1


def _total(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None


def _quotient(top: float | None, bottom: float | None) -> float | None:
    return None if top is None or not bottom else top / bottom

"""The statistics of CloudWatch over stored points. Pure.

A point is what ministack stores: `Timestamp` (epoch s), `Unit`, and `Value` that was seen `Count` times (default 1), or a
statistic set as `_stat`. CloudWatch User Guide, "CloudWatch statistics definitions" and "Percentiles".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Point = Mapping[str, Any]

_PERCENTILE: Final = re.compile(r"p(100|\d{1,2}(?:\.\d{1,10})?)")
_TRIMMED: Final = re.compile(r"(?:tm|wm|tc|ts)\d.*|(?:tm|wm|tc|ts|pr)\(.*\)|iqm", re.IGNORECASE)


class InvalidStatisticError(ValueError):
    """A statistic that CloudWatch does not have, or that is refused here."""


def require_statistic(name: str) -> None:
    """Raise InvalidStatisticError for a name that is not computed."""
    if name in _BASIC or _PERCENTILE.fullmatch(name):
        return
    if _TRIMMED.fullmatch(name):
        raise InvalidStatisticError(
            f"The statistic {name} is refused: the embedded AWS does not compute trimmed statistics (tm, wm, tc, ts, pr, IQM)."
        )
    raise InvalidStatisticError(f"The value {name} is not a valid statistic.")


def statistic(name: str, points: Iterable[Point]) -> float | None:
    """A statistic of the points of one period. None: no data, no percentile of these data, or a name not computed."""
    parts = [part for part in map(_part, points) if part[0] > 0]
    if not parts:
        return None
    basic, percentile = _BASIC.get(name), _PERCENTILE.fullmatch(name)
    if basic:
        return basic(parts)
    return _percentile(parts, float(percentile[1])) if percentile else None


_Part = tuple[float, float, float, float]
"""SampleCount, Sum, Minimum, Maximum."""

_BASIC: Final[Mapping[str, Callable[[list[_Part]], float]]] = {
    "SampleCount": lambda parts: sum(part[0] for part in parts),
    "Sum": lambda parts: sum(part[1] for part in parts),
    "Average": lambda parts: sum(part[1] for part in parts) / sum(part[0] for part in parts),
    "Minimum": lambda parts: min(part[2] for part in parts),
    "Maximum": lambda parts: max(part[3] for part in parts),
}


def _part(point: Point) -> _Part:
    found = point.get("_stat")
    if found is not None:
        count, total, low, high = (
            float(found.get(name, 0)) for name in ("SampleCount", "Sum", "Minimum", "Maximum")
        )
        return count, total, low, high
    count, value = float(point.get("Count", 1)), float(point["Value"])
    return count, value * count, value, value


def _percentile(parts: list[_Part], percent: float) -> float | None:
    """Linear between the two nearest ranks, each value as often as it was seen.

    CloudWatch has none if a value is negative, or of a statistic set that is not one repeated value.
    """
    if any(low < 0 or low != high or total != low * count for count, total, low, high in parts):
        return None
    ordered = sorted((low, count) for count, _, low, _ in parts)
    rank = percent / 100 * max(0.0, sum(count for _, count in ordered) - 1)
    below = _value_at(ordered, int(rank))
    return below + (rank - int(rank)) * (_value_at(ordered, int(rank) + 1) - below)


def _value_at(ordered: list[tuple[float, float]], rank: int) -> float:
    seen = 0.0
    for value, count in ordered:
        seen += count
        if rank < seen:
            return value
    return ordered[-1][0]

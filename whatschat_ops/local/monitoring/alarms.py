"""In which state a metric alarm is, by its metric's points. Pure.

CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data": the newest real data points of the
evaluation range are used first; only if there are fewer than the evaluation periods does the treatment of missing data
decide.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.local.monitoring.statistics import Point, require_statistic, statistic
from whatschat_ops.quotas import MAX_ALARM_RANGE_S

EXTRA_PERIODS: Final = 2
"""The evaluation range is longer than the evaluation periods by this: 5 for 3 in the guide's tables."""

_OPERATORS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}

_HIGH_RESOLUTION_S: Final = (10, 20, 30)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state and the reason for it."""

    state: str
    reason: str


_MISSING: Final = ("breaching", "notBreaching", "ignore", "missing")


def require_evaluated(alarm: Mapping[str, Any]) -> None:
    """Raise ValueError for an alarm that CloudWatch refuses, or that is not evaluated here. `alarm` is a request."""
    if alarm.get("Metrics") or alarm.get("ThresholdMetricId"):
        raise ValueError(
            "An alarm on metric math or an anomaly detection band is refused: the embedded AWS does not evaluate it."
        )
    comparison = alarm.get("ComparisonOperator")
    if comparison not in _OPERATORS:
        raise ValueError(
            f"The comparison operator {comparison} is refused: the embedded AWS does not evaluate anomaly detection bands."
        )
    require_statistic(str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"))
    period, periods = int(alarm.get("Period") or 0), int(alarm.get("EvaluationPeriods") or 0)
    if period not in _HIGH_RESOLUTION_S and (period < 1 or period % 60):
        raise ValueError(f"The value {period} for parameter Period must be 10, 20, 30 or a multiple of 60.")
    if int(alarm.get("DatapointsToAlarm") or 0) > periods:
        raise ValueError(
            "The value for parameter DatapointsToAlarm must not be greater than EvaluationPeriods."
        )
    missing = alarm.get("TreatMissingData") or "missing"
    if missing not in _MISSING:
        raise ValueError(
            f"The value {missing} is not supported for TreatMissingData parameter. "
            f"Supported values are [{', '.join(_MISSING)}]."
        )
    for name in ("AlarmActions", "InsufficientDataActions", "OKActions"):
        for arn in alarm.get(name) or ():
            if not str(arn).startswith("arn:"):
                raise ValueError(f"Invalid arn syntax: {arn}")
    if periods < 1 or period * periods > MAX_ALARM_RANGE_S:
        raise ValueError("EvaluationPeriods must be at least 1, and with Period not more than seven days.")


def verdict(alarm: Mapping[str, Any], points: Iterable[Point], now: float) -> Verdict | None:
    """The state that an alarm gets at `now` (epoch s); None: it keeps its state."""
    periods, needed = (
        int(alarm["EvaluationPeriods"]),
        int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]),
    )
    values = _values(alarm, points, now, periods + EXTRA_PERIODS)
    compare, words = _OPERATORS[alarm["ComparisonOperator"]]
    threshold = float(alarm["Threshold"])
    # "Alarms that evaluate metrics in the AWS/DynamoDB namespace always ignore missing data" (PutMetricAlarm).
    dynamodb = alarm.get("Namespace") == "AWS/DynamoDB"
    missing = "ignore" if dynamodb else str(alarm.get("TreatMissingData") or "missing")
    real = [value for value in values if value is not None][:periods]
    state = decided(
        [compare(value, threshold) for value in real],
        periods,
        needed,
        missing,
    )
    if state is None:
        return None
    if not real:
        return Verdict(state, _reason_without_data(state))
    was = "was" if state == "ALARM" else "was not"
    shown = ", ".join(f"{value}" for value in real)
    plural = "datapoint" if len(real) == 1 else "datapoints"
    return Verdict(
        state, f"Threshold Crossed: {len(real)} {plural} [{shown}] {was} {words} the threshold ({threshold})."
    )


def decided(breaching: Sequence[bool], periods: int, needed: int, missing: str) -> str | None:
    """The state by the newest real data points; None: unchanged."""
    count, absent = sum(breaching), periods - len(breaching)
    if missing == "breaching":
        return "ALARM" if count + absent >= needed else "OK"
    if count >= needed:
        return "ALARM"
    if missing == "notBreaching" or count < len(breaching):
        return "OK"
    if missing == "ignore":
        return None
    return "ALARM" if breaching else "INSUFFICIENT_DATA"


def _values(
    alarm: Mapping[str, Any], points: Iterable[Point], now: float, periods: int
) -> list[float | None]:
    """The statistic of the newest periods, newest first. They end with the minute that has begun."""
    period, unit = int(alarm["Period"]), alarm.get("Unit")
    name = str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average")
    grain = min(60, period)
    end = (now // grain + 1) * grain
    start = end - periods * period
    by_period: dict[int, list[Point]] = defaultdict(list)
    for point in points:
        if start <= point["Timestamp"] < end and unit in (None, point["Unit"]):
            by_period[math.ceil((end - point["Timestamp"]) / period) - 1].append(point)
    return [statistic(name, by_period[number]) for number in range(periods)]


def _reason_without_data(state: str) -> str:
    if state == "INSUFFICIENT_DATA":
        return "Insufficient Data: no datapoints were received."
    treated = "[Breaching]" if state == "ALARM" else "[NonBreaching]"
    return f"Threshold Crossed: no datapoints were received for the evaluation periods and missing datapoints were treated as {treated}."

"""GetMetricData, GetMetricStatistics and ListMetrics over stored points. Pure.

Sources: the three pages of the CloudWatch API reference. Requests and answers are the documents of the service model;
a time is epoch seconds as `Time`.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from whatschat_ops.local.monitoring.statistics import (
    InvalidStatisticError,
    Point,
    require_statistic,
    statistic,
)
from whatschat_ops.quotas import (
    MAX_METRIC_DATA_POINTS,
    MAX_METRIC_DATA_QUERIES,
    MAX_METRIC_STATISTICS_POINTS,
    METRICS_PAGE,
)

Document = Mapping[str, Any]
Metric = tuple[str, str, str]
"""Namespace, name, dimensions as ministack's key."""

Store = Iterable[tuple[Metric, Sequence[Point]]]

RECENTLY_ACTIVE_S: Final = 3 * 60 * 60
_SHORT_PERIODS_S: Final = (1, 5, 10, 20, 30)


class Time(float):
    """Epoch seconds in a document."""


class RequestError(Exception):
    """An answer with an error: its code (`ValidationError`) and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def metric_data(request: Document, points_of: Any) -> dict[str, Any]:
    """GetMetricData. `points_of(namespace, name, dimensions)` are the points of a metric."""
    queries = list(request.get("MetricDataQueries") or [])
    _require_queries(queries)
    start, end = _range(request, "ValidationError")
    newest_first = request.get("ScanBy") != "TimestampAscending"
    limit = min(int(request.get("MaxDatapoints") or MAX_METRIC_DATA_POINTS), MAX_METRIC_DATA_POINTS)
    first, after = _token(request.get("NextToken"))
    results, token = [], None
    for number, query in enumerate(queries):
        values = _series(query["MetricStat"], start, end, points_of, newest_first)
        if number < first or token is not None or query.get("ReturnData") is False:
            values = []
        if number == first and after is not None:
            values = [found for found in values if (found[0] < after if newest_first else found[0] > after)]
        page = values[:limit]
        limit -= len(page)
        if len(page) < len(values):
            token = _encoded_token(number, page[-1][0] if page else after if number == first else None)
        if query.get("ReturnData") is not False:
            results.append(_result(query, page, "PartialData" if token is not None else "Complete"))
    return {"MetricDataResults": results, "Messages": [], **({"NextToken": token} if token else {})}


def _result(query: Document, page: Sequence[tuple[float, float]], status: str) -> dict[str, Any]:
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
        "Timestamps": [Time(at) for at, _ in page],
        "Values": [value for _, value in page],
        "StatusCode": status,
    }


def metric_statistics(request: Document, points_of: Any) -> dict[str, Any]:
    """GetMetricStatistics, oldest first (AWS promises no order)."""
    names, extended = list(request.get("Statistics") or []), list(request.get("ExtendedStatistics") or [])
    if bool(names) == bool(extended):
        raise RequestError(
            "InvalidParameterCombination",
            "Either Statistics or ExtendedStatistics must be specified, but not both.",
        )
    for name in (*names, *extended):
        _require(name, "InvalidParameterValue")
    period = _period(request.get("Period"), "InvalidParameterValue")
    start, end = _range(request, "InvalidParameterValue")
    start = _rounded_down(start, period)
    if (wanted := -(-(end - start) // period)) > MAX_METRIC_STATISTICS_POINTS:
        raise RequestError(
            "InvalidParameterCombination",
            f"You have requested up to {wanted:.0f} datapoints, which exceeds the limit of {MAX_METRIC_STATISTICS_POINTS}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    name = str(request.get("MetricName"))
    points = points_of(request.get("Namespace"), name, dimensions_of(request))
    datapoints = [
        {"Timestamp": Time(at), "Unit": unit, **_datapoint(in_period, names, extended)}
        for (at, unit), in_period in sorted(_periods(points, start, end, period, request.get("Unit")).items())
    ]
    return {"Label": name, "Datapoints": datapoints}


def _datapoint(points: Sequence[Point], names: list[str], extended: list[str]) -> dict[str, Any]:
    found = {name: value for name in (*names, *extended) if (value := statistic(name, points)) is not None}
    return found if names else {"ExtendedStatistics": found}


def listed_metrics(request: Document, store: Store, now: float) -> dict[str, Any]:
    """ListMetrics, at most 500 a page."""
    active = request.get("RecentlyActive")
    if active not in (None, "PT3H"):
        raise RequestError(
            "InvalidParameterValue", f"The value {active} for parameter RecentlyActive is invalid: PT3H"
        )
    since = now - RECENTLY_ACTIVE_S if active else 0.0
    found = sorted(
        metric
        for metric, points in store
        if points
        and request.get("Namespace") in (None, metric[0])
        and request.get("MetricName") in (None, metric[1])
        and _has_dimensions(points[0], request.get("Dimensions") or [])
        and max(point["Timestamp"] for point in points) >= since
    )
    names = {metric: points[0]["Dimensions"] for metric, points in store if points}
    first = _offset(request.get("NextToken"))
    page = [
        {
            "Namespace": metric[0],
            "MetricName": metric[1],
            "Dimensions": [{"Name": name, "Value": value} for name, value in names[metric].items()],
        }
        for metric in found[first : first + METRICS_PAGE]
    ]
    more = (
        {"NextToken": _encoded_token(first + METRICS_PAGE, None)} if first + METRICS_PAGE < len(found) else {}
    )
    return {"Metrics": page, **more}


def dimensions_of(metric: Document) -> dict[str, str]:
    """The dimensions of a request by name."""
    return {row["Name"]: row.get("Value", "") for row in metric.get("Dimensions") or []}


def epoch_s(value: Any) -> float:
    """A time of a request, in any protocol: a datetime, a number, or ISO 8601. Raises ValueError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _require_queries(queries: Sequence[Document]) -> None:
    if not 1 <= len(queries) <= MAX_METRIC_DATA_QUERIES:
        raise RequestError(
            "ValidationError", f"A request has 1 to {MAX_METRIC_DATA_QUERIES} MetricDataQueries."
        )
    for number, query in enumerate(queries, start=1):
        at = f"MetricDataQueries.member.{number}"
        if query.get("Expression"):
            raise RequestError(
                "ValidationError",
                f"The expression of {query.get('Id')} is refused: the embedded AWS does not evaluate metric math, SEARCH or "
                "Metrics Insights.",
            )
        if not re.fullmatch(r"[a-z][a-zA-Z0-9_]*", str(query.get("Id"))):
            raise RequestError(
                "ValidationError",
                f"The value {query.get('Id')} for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
            )
        if not (query.get("MetricStat") or {}).get("Metric"):
            raise RequestError("ValidationError", f"The parameter {at}.MetricStat.Metric must be specified.")
        _require(str(query["MetricStat"].get("Stat")), "ValidationError")
        _period(query["MetricStat"].get("Period"), "ValidationError")
    if len({query["Id"] for query in queries}) < len(queries):
        raise RequestError(
            "ValidationError", "The values for parameter Id in MetricDataQueries are not unique."
        )


def _series(
    stat: Document, start: float, end: float, points_of: Any, newest_first: bool
) -> list[tuple[float, float]]:
    metric, period = stat["Metric"], int(stat["Period"])
    points = points_of(metric.get("Namespace"), metric.get("MetricName"), dimensions_of(metric))
    by_time: dict[float, list[Point]] = defaultdict(list)
    for (at, _), found in _periods(
        points, _rounded_down(start, period), end, period, stat.get("Unit")
    ).items():
        by_time[at] += found
    values = ((at, statistic(stat["Stat"], found)) for at, found in by_time.items())
    return sorted(((at, value) for at, value in values if value is not None), reverse=newest_first)


def _periods(
    points: Iterable[Point], start: float, end: float, period: int, unit: str | None
) -> dict[tuple[float, str], list[Point]]:
    """The points of each period that has some, by its beginning and their unit."""
    found: dict[tuple[float, str], list[Point]] = defaultdict(list)
    for point in points:
        if start <= point["Timestamp"] < end and unit in (None, point["Unit"]):
            found[point["Timestamp"] // period * period, point["Unit"]].append(point)
    return found


def _rounded_down(start: float, period: int) -> float:
    grain = 60 if period % 60 == 0 else period
    return start // grain * grain


def _range(request: Document, code: str) -> tuple[float, float]:
    try:
        start, end = epoch_s(request.get("StartTime")), epoch_s(request.get("EndTime"))
    except (TypeError, ValueError):
        raise RequestError(code, "The parameters StartTime and EndTime must be times.") from None
    if start >= end:
        raise RequestError(code, "The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _period(value: Any, code: str) -> int:
    period = int(value or 0)
    if period not in _SHORT_PERIODS_S and (period < 1 or period % 60):
        raise RequestError(
            code, f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {value}."
        )
    return period


def _require(name: str, code: str) -> None:
    try:
        require_statistic(name)
    except InvalidStatisticError as error:
        raise RequestError(code, str(error)) from None


def _has_dimensions(point: Point, wanted: Sequence[Document]) -> bool:
    dimensions = point["Dimensions"]
    return all(
        row.get("Name") in dimensions and row.get("Value") in (None, "", dimensions[row["Name"]])
        for row in wanted
    )


def _encoded_token(position: int, at: float | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([position, at]).encode()).decode()


def _token(token: Any) -> tuple[int, float | None]:
    if not token:
        return 0, None
    try:
        position, at = json.loads(base64.urlsafe_b64decode(str(token)))
        return int(position), None if at is None else float(at)
    except (ValueError, TypeError, RecursionError):
        raise RequestError("InvalidNextToken", "The next token specified is invalid.") from None


def _offset(token: Any) -> int:
    return _token(token)[0]

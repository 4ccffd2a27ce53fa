"""The constraints of what PutMetricData stores (CloudWatch API Reference, MetricDatum). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whatschat_ops.local.monitoring.metric_queries import RequestError
from whatschat_ops.quotas import MAX_METRIC_DIMENSIONS

_SIZES: Final = tuple(
    f"{prefix}{unit}" for unit in ("bytes", "bits") for prefix in ("", "Kilo", "Mega", "Giga", "Tera")
)
_AMOUNTS: Final = tuple(f"{unit[:1].upper()}{unit[1:]}" for unit in _SIZES)
UNITS: Final = (
    *("Seconds", "Microseconds", "Milliseconds", *_AMOUNTS, "Percent", "Count"),
    *(f"{unit}/Second" for unit in (*_AMOUNTS, "Count")),
    "None",
)
"""The enumeration StandardUnit of the service model."""
_RESOLUTIONS_S: Final = (1, 60)


def require_datum(datum: Mapping[str, Any], at: str) -> None:
    """Raise RequestError for a datum, `at` its place in the request, outside the constraints."""
    unit, resolution_s = datum.get("Unit") or "None", int(datum.get("StorageResolution") or 60)
    values = datum.get("StatisticValues") or {}
    text = None
    if unit not in UNITS:
        text = f"The parameter {at}.Unit must be a value in the set [ {', '.join(UNITS)} ]."
    elif resolution_s not in _RESOLUTIONS_S:
        text = f"The value {resolution_s} for parameter {at}.StorageResolution must be 1 or 60."
    elif len(datum.get("Dimensions") or ()) > MAX_METRIC_DIMENSIONS:
        text = f"The collection {at}.Dimensions must not have a size greater than {MAX_METRIC_DIMENSIONS}."
    elif values and float(values.get("Minimum", 0)) > float(values.get("Maximum", 0)):
        text = f"The value for {at}.StatisticValues.Minimum must not be greater than that of Maximum."
    if text:
        raise RequestError("InvalidParameterValue", text)

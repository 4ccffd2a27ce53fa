"""What CloudWatch accepts as the body of a dashboard. Pure.

CloudWatch API reference, "Dashboard body structure and syntax". PutDashboard refuses a body that is not JSON, and one with
validation errors, which it names by their path.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from whatschat_ops.quotas import MAX_DASHBOARD_WIDGETS

_Column = Annotated[int, Meta(ge=0, le=23)]
_Width = Annotated[int, Meta(ge=1, le=24)]
_Height = Annotated[int, Meta(ge=1, le=1000)]
_View = Literal["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]
_Period = Annotated[int, Meta(ge=1)]


class _Widget(Struct, tag_field="type"):
    x: _Column | None = None
    y: Annotated[int, Meta(ge=0)] | None = None
    width: _Width | None = None
    height: _Height | None = None


class _TextProperties(Struct):
    markdown: str
    background: Literal["transparent", "solid"] | None = None


class _MetricProperties(Struct):
    region: str
    metrics: list[list[Any]] | None = None
    annotations: dict[str, Any] | None = None
    title: str | None = None
    view: _View | None = None
    stacked: bool | None = None
    stat: str | None = None
    period: _Period | None = None
    liveData: bool | None = None
    legend: dict[str, Any] | None = None


class _LogProperties(Struct):
    region: str
    query: str
    title: str | None = None
    view: Literal["table", "timeSeries", "bar", "pie"] | None = None


class _AlarmProperties(Struct):
    alarms: Annotated[list[str], Meta(min_length=1, max_length=100)]
    title: str | None = None
    sortBy: Literal["default", "stateUpdatedTimestamp", "timestamp"] | None = None
    states: list[Literal["ALARM", "INSUFFICIENT_DATA", "OK"]] | None = None


class _Text(_Widget, tag="text", kw_only=True):
    properties: _TextProperties


class _Metric(_Widget, tag="metric", kw_only=True):
    properties: _MetricProperties


class _Log(_Widget, tag="log", kw_only=True):
    properties: _LogProperties


class _Alarm(_Widget, tag="alarm", kw_only=True):
    properties: _AlarmProperties


class _Explorer(_Widget, tag="explorer", kw_only=True):
    properties: dict[str, Any]


class _Custom(_Widget, tag="custom", kw_only=True):
    properties: dict[str, Any]


class _Body(Struct):
    widgets: Annotated[
        list[_Text | _Metric | _Log | _Alarm | _Explorer | _Custom], Meta(max_length=MAX_DASHBOARD_WIDGETS)
    ]
    start: str | None = None
    end: str | None = None
    periodOverride: Literal["auto", "inherit"] | None = None
    variables: list[dict[str, Any]] | None = None


class InvalidDashboardError(ValueError):
    """A body that PutDashboard refuses. `path` is the DataPath of a validation message; None: it is not JSON."""

    def __init__(self, message: str, path: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def require_valid(body: str) -> None:
    """Raise InvalidDashboardError with the first error of a dashboard's body."""
    try:
        document = msgspec.json.decode(body.encode())
    except (msgspec.DecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidDashboardError("The field DashboardBody must be a valid JSON object", None)
    try:
        found = msgspec.convert(document, _Body)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        path = re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", place.rstrip("`")).replace(".", "/")
        raise InvalidDashboardError(reason.replace("Object", "Should be an object", 1), path or "/") from None
    for number, widget in enumerate(found.widgets):
        if isinstance(widget, _Metric):
            _require_metrics(widget.properties, f"/widgets/{number}/properties")


def _require_metrics(properties: _MetricProperties, path: str) -> None:
    if properties.metrics is None and not (properties.annotations or {}).get("alarms"):
        raise InvalidDashboardError("Should have metrics, or annotations with an alarm", path)
    for number, metric in enumerate(properties.metrics or []):
        names = metric[:-1] if metric and isinstance(metric[-1], dict) else metric
        options = metric[-1] if len(names) < len(metric) else {}
        is_metric = len(names) >= 2 and len(names) % 2 == 0
        if not all(isinstance(name, str) for name in names) or not (
            is_metric or (not names and "expression" in options)
        ):
            raise InvalidDashboardError(
                "Should be a namespace, a metric name and pairs of dimension name and value, or an expression",
                f"{path}/metrics/{number}",
            )
        if options.get("yAxis", "left") not in ("left", "right"):
            raise InvalidDashboardError(
                "Should be equal to one of: left, right", f"{path}/metrics/{number}/yAxis"
            )

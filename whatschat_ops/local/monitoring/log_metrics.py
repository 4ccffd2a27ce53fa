"""Metrics that log events make: by metric filters, and by the embedded metric format (EMF). Pure.

CloudWatch Logs User Guide, "Creating metrics from log events using filters"; CloudWatch User Guide, "Specification:
Embedded metric format".
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.local.monitoring.filter_pattern import (
    Match,
    compile_pattern,
    extracted_from,
    json_event,
)

MAX_EMF_DIMENSIONS: Final = 30
MAX_EMF_VALUES: Final = 100
MAX_FILTER_DIMENSIONS: Final = 3


@dataclass(frozen=True, slots=True)
class LogMetric:
    """One datum. `time_s` is the time of the log event (EMF: of its own timestamp)."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: Mapping[str, str]
    time_s: float


def embedded_metrics(message: str) -> list[LogMetric]:
    """The metrics of a log event in the embedded metric format; none if it is not, or not to the specification."""
    event = json_event(message) if '"_aws"' in message else None
    if event is None or not isinstance(event.get("_aws"), dict):
        return []
    timestamp_ms = event["_aws"].get("Timestamp")
    directives = event["_aws"].get("CloudWatchMetrics")
    if not _is_number(timestamp_ms) or not isinstance(directives, list):
        return []
    return [
        metric for directive in directives for metric in _of_directive(event, directive, timestamp_ms / 1000)
    ]


def _of_directive(event: Mapping[str, Any], directive: Any, time_s: float) -> list[LogMetric]:
    if not isinstance(directive, dict) or not isinstance(directive.get("Namespace"), str):
        return []
    sets = [_dimensions(event, names) for names in _listed(directive.get("Dimensions"))]
    if not sets or None in sets:
        return []
    return [
        LogMetric(
            directive["Namespace"],
            str(metric["Name"]),
            value,
            str(metric.get("Unit") or "None"),
            dimensions,
            time_s,
        )
        for metric in _listed(directive.get("Metrics"))
        if isinstance(metric, dict) and "Name" in metric
        for value in _values(event.get(str(metric["Name"])))
        for dimensions in sets
        if dimensions is not None
    ]


def _dimensions(event: Mapping[str, Any], names: Any) -> dict[str, str] | None:
    if not isinstance(names, list) or len(names) > MAX_EMF_DIMENSIONS:
        return None
    found = {str(name): event.get(str(name)) for name in names}
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    return texts if len(texts) == len(found) else None


def _values(target: Any) -> list[float]:
    values = target if isinstance(target, list) else [target]
    valid = len(values) <= MAX_EMF_VALUES and all(map(_is_number, values))
    return [float(value) for value in values] if valid else []


def filter_metrics(
    transformation: Mapping[str, Any], pattern: str, events: Iterable[tuple[int, str]]
) -> Iterator[LogMetric]:
    """The metrics of log events, (ms, message), that a metric filter makes.

    Events that do not match have the default value, if there is one and no event of their minute matches.
    """
    matcher = compile_pattern(pattern)
    matched_minutes, unmatched = set(), []
    for timestamp_ms, message in events:
        match = matcher(message)
        if match is None:
            unmatched.append(timestamp_ms)
            continue
        matched_minutes.add(timestamp_ms // 60_000)
        value = _number(selected(str(transformation["metricValue"]), message, match))
        dimensions = {
            name: selected(selector, message, match)
            for name, selector in (transformation.get("dimensions") or {}).items()
        }
        if value is not None and None not in dimensions.values():
            texts = {name: text for name, text in dimensions.items() if text is not None}
            yield _log_metric(transformation, value, timestamp_ms, texts)
    if transformation.get("defaultValue") is not None:
        for timestamp_ms in unmatched:
            if timestamp_ms // 60_000 not in matched_minutes:
                yield _log_metric(transformation, float(transformation["defaultValue"]), timestamp_ms, {})


def selected(selector: str, message: str, match: Match) -> str | None:
    """The text that `$.latency`, `$bytes` or a plain value stands for in an event; None if the event does not have it."""
    if selector.startswith("$."):
        event = json_event(message)
        return extracted_from(event, [selector]).get(selector) if event is not None else None
    return match.get(selector) if selector.startswith("$") else selector


def transformation_error(transformations: Sequence[Mapping[str, Any]]) -> str | None:
    """Why PutMetricFilter refuses the transformations, or None."""
    if len(transformations) != 1:
        return "A metric filter has exactly one metric transformation"
    transformation = transformations[0]
    value = str(transformation.get("metricValue", ""))
    dimensions = transformation.get("dimensions") or {}
    if not value.startswith("$") and _number(value) is None:
        return f"Invalid metric transformation: metricValue '{value}' is neither a number nor a selector"
    if len(dimensions) > MAX_FILTER_DIMENSIONS:
        return f"Invalid metric transformation: more than {MAX_FILTER_DIMENSIONS} dimensions"
    if dimensions and transformation.get("defaultValue") is not None:
        return "Invalid metric transformation: dimensions and default value are mutually exclusive"
    return None


def _log_metric(
    transformation: Mapping[str, Any], value: float, timestamp_ms: int, dimensions: Mapping[str, str]
) -> LogMetric:
    namespace, name = transformation["metricNamespace"], transformation["metricName"]
    unit = str(transformation.get("unit") or "None")
    return LogMetric(namespace, name, value, unit, dimensions, timestamp_ms / 1000)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_number(value: Any) -> bool:
    """Whether it is a number that a float can hold: an integer of JSON may be larger."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

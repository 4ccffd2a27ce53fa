"""ListMetrics and GetMetricData: many metrics in few requests, what they answer as series with one place for each period.

A period without data is None, never 0: a service that had nothing to count publishes nothing. NaN is no data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.metrics.window import Window
from whatschat_ops.quotas import MAX_METRIC_DATA_QUERIES

Series = tuple[float | None, ...]
COMPLETE: Final = "Complete"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of CloudWatch. `dimensions` are sorted pairs of name and value."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: dict[str, str]) -> Metric:
        """The metric with exactly these dimensions."""
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class Query:
    """A statistic of a metric: Sum, Maximum, SampleCount or a percentile such as p99."""

    metric: Metric
    statistic: str


@dataclass(slots=True)
class MetricReader:
    """Reads the metrics of one Region. `queries` counts what was asked of GetMetricData, `messages` what it remarked."""

    aws: Aws
    region: str
    queries: int = 0
    messages: dict[str, None] = field(default_factory=dict)
    partial: set[Query] = field(default_factory=set)
    """Queries whose answer lacks data that exist."""

    def listed(self, namespace: str, **dimensions: str) -> Iterator[Metric]:
        """The metrics that had data in the last two weeks and have these dimensions, among others."""
        wanted = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        pages = self._client.get_paginator("list_metrics")
        for page in pages.paginate(Namespace=namespace, Dimensions=wanted):
            for found in page.get("Metrics", ()):
                pairs = {row["Name"]: row["Value"] for row in found.get("Dimensions", ())}
                yield Metric.of(found["Namespace"], found["MetricName"], pairs)

    def read(self, queries: Iterable[Query], window: Window) -> dict[Query, Series]:
        """The series of each query from `window.first` until `window.until`."""
        asked = list(dict.fromkeys(queries))
        starts = range(0, len(asked), MAX_METRIC_DATA_QUERIES)
        parts = (self._read(asked[start : start + MAX_METRIC_DATA_QUERIES], window) for start in starts)
        return {query: series for part in parts for query, series in part}

    def _read(self, queries: Sequence[Query], window: Window) -> Iterator[tuple[Query, Series]]:
        self.queries += len(queries)
        places = int((window.until - window.first).total_seconds()) // window.period_s
        series: list[list[float | None]] = [[None] * places for _ in queries]
        status: dict[int, str] = {}
        for page in self._pages(queries, window):
            self.messages |= dict.fromkeys(
                f"{each.get('Code')}: {each.get('Value')}" for each in page.get("Messages", ())
            )
            for result in page.get("MetricDataResults", ()):
                number = int(result["Id"].removeprefix("q"))
                status[number] = result.get("StatusCode", COMPLETE)
                for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True):
                    place = int((at - window.first).total_seconds() // window.period_s)
                    if 0 <= place < places and math.isfinite(value):
                        series[number][place] = value
        # PartialData is the status of each page but the last one; a query that no page answered is not complete either.
        self.partial |= {query for number, query in enumerate(queries) if status.get(number) != COMPLETE}
        for query, values in zip(queries, series, strict=True):
            yield query, tuple(values)

    def _pages(self, queries: Sequence[Query], window: Window) -> Iterator[Any]:
        asked = [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": query.metric.namespace,
                        "MetricName": query.metric.name,
                        "Dimensions": [
                            {"Name": name, "Value": value} for name, value in query.metric.dimensions
                        ],
                    },
                    "Period": window.period_s,
                    "Stat": query.statistic,
                },
            }
            for number, query in enumerate(queries)
        ]
        pages = self._client.get_paginator("get_metric_data")
        yield from pages.paginate(MetricDataQueries=asked, StartTime=window.first, EndTime=window.until)

    @property
    def _client(self) -> Any:
        return self.aws.client("cloudwatch", region=self.region)

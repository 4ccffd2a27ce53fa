"""The scheduled count: what it asks, what it adds up, when it gives up, and the line that becomes metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from whatschat_ops.handlers.aws_api import AwsCallFailed
from whatschat_ops.handlers.open_connections import Counted, CountTooLong, count, metric_line
from whatschat_ops.local.monitoring.log_metrics import embedded_metrics

NOW_S = 1_795_000_000
Page = Mapping[str, Any]


class Pages:
    """A table that answers with these pages."""

    def __init__(self, *pages: Page | Exception) -> None:
        self._pages = list(pages)
        self.requests: list[Mapping[str, Any]] = []

    def call(self, service: str, target: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert (service, target) == ("dynamodb", "DynamoDB_20120810.Scan")
        self.requests.append(request)
        page = self._pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return dict(page)


def page(kept: int, scanned: int, units: float = 0.5, last: str | None = None) -> Page:
    more = {"LastEvaluatedKey": {"connectionId": {"S": last}}} if last else {}
    return {"Count": kept, "ScannedCount": scanned, "ConsumedCapacity": {"CapacityUnits": units}, **more}


def always(ms: int) -> Callable[[], int]:
    return lambda: ms


def test_pages_are_added_up_and_what_the_filter_takes_out_is_stale() -> None:
    table = Pages(page(3, 5, 128.5, last="a"), page(0, 0, 0.5, last="b"), page(7, 7, 2.0))
    assert count(table, "rows", NOW_S, always(60_000)) == Counted(10, 2, 3, 131.0)
    starts = [request.get("ExclusiveStartKey") for request in table.requests]
    assert starts == [None, {"connectionId": {"S": "a"}}, {"connectionId": {"S": "b"}}]


def test_rows_are_counted_and_not_read() -> None:
    table = Pages(page(0, 0))
    count(table, "rows", NOW_S, always(60_000))
    (request,) = table.requests
    assert request["Select"] == "COUNT"
    assert request["TableName"] == "rows"
    assert request["ExpressionAttributeValues"] == {":now": {"N": str(NOW_S)}}
    assert "ConsistentRead" not in request  # which would cost twice as much


def test_count_that_would_not_end_in_time_is_given_up_without_a_number() -> None:
    left = iter([60_000, 9_999])
    table = Pages(page(3, 3, last="a"), page(4, 4))
    with pytest.raises(CountTooLong, match="3 rows were counted"):
        count(table, "rows", NOW_S, lambda: next(left))
    assert len(table.requests) == 1


def test_refused_read_is_no_count() -> None:
    table = Pages(page(3, 3, last="a"), AwsCallFailed("Scan", "AccessDeniedException"))
    with pytest.raises(AwsCallFailed):
        count(table, "rows", NOW_S, always(60_000))


def test_line_becomes_two_metrics_of_the_table() -> None:
    line = json.dumps(metric_line(Counted(10, 2, 3, 131.0), "rows", NOW_S * 1000, "request-1"))
    found = {metric.name: metric for metric in embedded_metrics(line)}
    assert {name: metric.value for name, metric in found.items()} == {"OpenConnections": 10, "StaleRows": 2}
    for metric in found.values():
        assert (metric.namespace, metric.unit, metric.time_s) == ("WhatsChat", "Count", NOW_S)
        assert metric.dimensions == {"TableName": "rows"}

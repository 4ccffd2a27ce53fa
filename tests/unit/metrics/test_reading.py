"""GetMetricData as AWS may answer it, from recorded pages: botocore's own Stubber checks requests and answers against the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.errors import PermissionDenied
from whatschat_ops.metrics.reading import Metric, MetricReader, Query
from whatschat_ops.metrics.window import Window
from whatschat_ops.quotas import MAX_METRIC_DATA_QUERIES
from whatschat_ops.redaction import Secret

SINCE = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
WINDOW = Window(SINCE, SINCE + timedelta(minutes=3), 60, SINCE, compared=False)
METRIC = Metric.of("AWS/ApiGateway", "MessageCount", {"Stage": "production", "ApiId": "a1"})
QUERY = Query(METRIC, "Sum")
ERRORS = Query(Metric.of("AWS/ApiGateway", "ClientError", {"ApiId": "a1"}), "Sum")


@pytest.fixture
def aws() -> Aws:
    return Aws(AwsTarget("us-east-1", None, "http://127.0.0.1:9", "AKIAIOSFODNN7EXAMPLE", Secret("x")))


@pytest.fixture
def stubber(aws: Aws) -> Iterator[Stubber]:
    with Stubber(aws.client("cloudwatch", region="us-east-1")) as made:
        yield made
        made.assert_no_pending_responses()


@pytest.fixture
def reader(aws: Aws) -> MetricReader:
    return MetricReader(aws, "us-east-1")


def result(number: int, values: dict[int, float], status: str = "Complete") -> dict[str, Any]:
    at = [SINCE + timedelta(minutes=minute) for minute in values]
    return {"Id": f"q{number}", "Timestamps": at, "Values": list(values.values()), "StatusCode": status}


def test_metric_is_asked_with_its_dimensions_and_values_come_to_their_periods(
    reader: MetricReader, stubber: Stubber
) -> None:
    stat = {
        "Metric": {
            "Namespace": "AWS/ApiGateway",
            "MetricName": "MessageCount",
            "Dimensions": [{"Name": "ApiId", "Value": "a1"}, {"Name": "Stage", "Value": "production"}],
        },
        "Period": 60,
        "Stat": "Sum",
    }
    request = {
        "MetricDataQueries": [{"Id": "q0", "MetricStat": stat}],
        "StartTime": SINCE,
        "EndTime": SINCE + timedelta(minutes=3),
    }
    stubber.add_response("get_metric_data", {"MetricDataResults": [result(0, {2: 5, 0: 7})]}, request)
    assert reader.read([QUERY, QUERY], WINDOW) == {QUERY: (7, None, 5)}
    assert (reader.queries, reader.partial) == (1, set())


@pytest.mark.parametrize(
    ("values", "series"),
    [
        ({}, (None, None, None)),
        ({1: 4}, (None, 4, None)),
        ({0: math.nan, 1: 2, 2: math.inf}, (None, 2, None)),
        ({-1: 9, 3: 9, 1: 0}, (None, 0, None)),
    ],
    ids=["no point", "one point", "no numbers", "outside the time"],
)
def test_what_is_no_value_is_missing(
    reader: MetricReader, stubber: Stubber, values: dict[int, float], series: tuple[float | None, ...]
) -> None:
    stubber.add_response("get_metric_data", {"MetricDataResults": [result(0, values)]})
    assert reader.read([QUERY], WINDOW)[QUERY] == series


def test_pages_are_followed_and_partial_data_is_completed_by_the_last_one(
    reader: MetricReader, stubber: Stubber
) -> None:
    pages = [
        {"MetricDataResults": [result(0, {2: 3}, "PartialData")], "NextToken": "2"},
        {"MetricDataResults": [result(0, {1: 2}, "PartialData"), result(1, {0: 1})], "NextToken": "3"},
        {"MetricDataResults": [result(0, {0: 1})]},
    ]
    for page, token in zip(pages, [{}, {"NextToken": "2"}, {"NextToken": "3"}], strict=True):
        expected = {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": ANY, **token}
        stubber.add_response("get_metric_data", page, expected)
    assert reader.read([QUERY, ERRORS], WINDOW) == {QUERY: (1, 2, 3), ERRORS: (1, None, None)}
    assert reader.partial == set()


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden"])
def test_answer_that_lacks_data_is_partial_and_its_messages_are_kept(
    reader: MetricReader, stubber: Stubber, status: str
) -> None:
    message = {"Code": "ArchiveDelay", "Value": "Some data are late."}
    page = {"MetricDataResults": [result(0, {0: 1}, status)], "Messages": [message, message]}
    stubber.add_response("get_metric_data", page)
    assert reader.read([QUERY, ERRORS], WINDOW) == {QUERY: (1, None, None), ERRORS: (None, None, None)}
    assert reader.partial == {QUERY, ERRORS}
    assert list(reader.messages) == ["ArchiveDelay: Some data are late."]


def test_request_has_no_more_queries_than_aws_takes(reader: MetricReader, stubber: Stubber) -> None:
    queries = [
        Query(Metric.of("AWS/Lambda", "Errors", {"FunctionName": f"f{number}"}), "Sum")
        for number in range(2 * MAX_METRIC_DATA_QUERIES + 1)
    ]
    for size in (MAX_METRIC_DATA_QUERIES, MAX_METRIC_DATA_QUERIES, 1):
        results = [result(number, {0: number}) for number in range(size)]
        stubber.add_response("get_metric_data", {"MetricDataResults": results})
    found = reader.read(queries, WINDOW)
    assert [series[0] for series in found.values()] == [*range(500), *range(500), 0]
    assert reader.queries == len(queries)


def test_nothing_is_asked_for_nothing(reader: MetricReader, stubber: Stubber) -> None:
    assert reader.read([], WINDOW) == {}


def test_listing_is_read_to_its_end(reader: MetricReader, stubber: Stubber) -> None:
    def page(name: str) -> dict[str, Any]:
        dimensions = [{"Name": "ApiId", "Value": "a1"}]
        return {"Metrics": [{"Namespace": "AWS/ApiGateway", "MetricName": name, "Dimensions": dimensions}]}

    wanted = {"Namespace": "AWS/ApiGateway", "Dimensions": [{"Name": "ApiId", "Value": "a1"}]}
    stubber.add_response("list_metrics", {**page("ClientError"), "NextToken": "2"}, wanted)
    stubber.add_response("list_metrics", page("MessageCount"), {**wanted, "NextToken": "2"})
    names = [metric.name for metric in reader.listed("AWS/ApiGateway", ApiId="a1")]
    assert names == ["ClientError", "MessageCount"]


def test_refusal_is_our_error(reader: MetricReader, stubber: Stubber) -> None:
    stubber.add_client_error("get_metric_data", "AccessDenied", "not authorized", 403)
    with pytest.raises(PermissionDenied):
        reader.read([QUERY], WINDOW)

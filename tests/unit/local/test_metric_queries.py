"""CloudWatch's statistics, pages, alarms and dashboards: the pure parts."""

from __future__ import annotations

import math
from contextlib import nullcontext
from statistics import quantiles
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops import dashboard_body as dashboards
from whatschat_ops.local.control.cloudwatch import CloudWatch, query_document
from whatschat_ops.local.monitoring import alarms
from whatschat_ops.local.monitoring.lambda_metrics import lambda_points, with_lambda_sums
from whatschat_ops.local.monitoring.metric_queries import (
    RequestError,
    listed_metrics,
    metric_data,
    metric_statistics,
)
from whatschat_ops.local.monitoring.statistics import InvalidStatisticError, require_statistic, statistic

START = 1_700_000_040.0
"""A whole minute."""


def point(at_s: float, value: float, count: float = 1, unit: str = "Count", **rest: Any) -> dict[str, Any]:
    return {
        "Timestamp": START + at_s,
        "Value": value,
        "Count": count,
        "Unit": unit,
        "Dimensions": {"A": "a"},
        **rest,
    }


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SampleCount", 6),
        ("Sum", 100),
        ("Average", 100 / 6),
        ("Minimum", 1),
        ("Maximum", 50),
        ("p0", 10),
        ("p50", 20),
        ("p100", 30),
    ],
)
def test_values_count_as_often_as_they_were_seen(name: str, value: float) -> None:
    counted = [point(0, 10), point(0, 20, 2), point(0, 30)]
    with_set = [
        *counted,
        {**point(0, 0), "_stat": {"SampleCount": 2, "Sum": 20, "Minimum": 1, "Maximum": 50}},
    ]
    points = counted if name.startswith("p") else with_set
    assert statistic(name, points) == pytest.approx(value)


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html")
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 4)), min_size=1, max_size=12),
    st.integers(1, 99),
)
def test_percentile_is_that_of_every_value_on_its_own(values: list[tuple[int, int]], percent: int) -> None:
    points = [point(0, value, count) for value, count in values]
    single = [float(value) for value, count in values for _ in range(count)]
    expected = quantiles(single, n=100, method="inclusive")[percent - 1] if len(single) > 1 else single[0]
    found = statistic(f"p{percent}", points)
    assert found is not None
    assert math.isclose(found, expected, abs_tol=1e-9)
    assert statistic("p0", points) == min(single)
    assert statistic("p100", points) == max(single)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"
)
@pytest.mark.parametrize(
    "points",
    [
        [],
        [point(0, -1), point(0, 2)],
        [{**point(0, 0), "_stat": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}}],
    ],
)
def test_negative_values_and_statistic_sets_have_no_percentile(points: list[dict[str, Any]]) -> None:
    assert statistic("p50", points) is None


@pytest.mark.parametrize("name", ["Sum", "p0", "p99.9", "p100", "p95.1234567890"])
def test_statistic_that_is_computed_is_accepted(name: str) -> None:
    require_statistic(name)


@pytest.mark.parametrize("name", ["average", "p", "p101", "p-1", "", "Median"])
def test_statistic_that_cloudwatch_does_not_have_is_invalid(name: str) -> None:
    with pytest.raises(InvalidStatisticError, match="not a valid statistic"):
        require_statistic(name)


POINTS = [point(0, 1), point(59, 2), point(60, 3), point(125, 4), point(180, 5)]


def query(**overrides: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum", **overrides}
    return {"Id": stat.pop("Id", "q"), "MetricStat": stat}


def asked(*queries: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    request = {"MetricDataQueries": queries or [query()], "StartTime": START, "EndTime": START + 180}
    return metric_data({**request, **overrides}, lambda *_: POINTS)


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
def test_data_are_by_period_newest_first_without_the_end() -> None:
    (result,) = asked()["MetricDataResults"]
    assert [at - START for at in result["Timestamps"]] == [120, 60, 0]
    assert result["Values"] == [4, 3, 3]
    assert (result["Label"], result["StatusCode"]) == ("M", "Complete")
    assert asked(ScanBy="TimestampAscending")["MetricDataResults"][0]["Values"] == [3, 3, 4]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
def test_start_time_is_rounded_down_to_the_minute() -> None:
    assert asked(StartTime=START + 59.5, EndTime=START + 60)["MetricDataResults"][0]["Values"] == [3]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
@pytest.mark.parametrize("order", ["TimestampDescending", "TimestampAscending"])
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_together_have_every_data_point_once(order: str, limit: int) -> None:
    queries = (query(Id="a"), query(Id="b"), {**query(Id="c"), "ReturnData": False})
    found: dict[str, list[float]] = {"a": [], "b": []}
    token = None
    while True:
        page = asked(*queries, ScanBy=order, MaxDatapoints=limit, NextToken=token)
        assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= limit
        for result in page["MetricDataResults"]:
            found[result["Id"]] += result["Values"]
        token = page.get("NextToken")
        if token is None:
            assert all(result["StatusCode"] == "Complete" for result in page["MetricDataResults"])
            break
    expected = [3, 3, 4] if order == "TimestampAscending" else [4, 3, 3]
    assert found == {"a": expected, "b": expected}


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
@pytest.mark.parametrize(
    ("queries", "overrides"),
    [
        ([], {"MetricDataQueries": []}),
        ([query(Id="Upper")], {}),
        ([query(), query()], {}),
        ([query(Period=90)], {}),
        ([query(Stat="Median")], {}),
        ([{"Id": "q"}], {}),
        ([query()], {"EndTime": START}),
    ],
)
def test_request_that_is_not_valid_is_a_validation_error(queries: Any, overrides: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        asked(*queries, **overrides)
    assert caught.value.code == "ValidationError"


def counted(**overrides: Any) -> dict[str, Any]:
    request = {
        "Namespace": "N",
        "MetricName": "M",
        "StartTime": START,
        "EndTime": START + 180,
        "Period": 60,
        "Statistics": ["Sum"],
        **overrides,
    }
    points = [*POINTS, point(0, 7, unit="Seconds")]
    return metric_statistics(request, lambda *_: points)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"
)
def test_data_of_each_unit_are_data_points_of_their_own() -> None:
    found = [(row["Timestamp"] - START, row["Unit"], row["Sum"]) for row in counted()["Datapoints"]]
    assert found == [(0, "Count", 3), (0, "Seconds", 7), (60, "Count", 3), (120, "Count", 4)]
    assert [row["Sum"] for row in counted(Unit="Seconds")["Datapoints"]] == [7]
    assert counted(Unit="Bytes")["Datapoints"] == []


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"
)
@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"Statistics": []}, "InvalidParameterCombination"),
        ({"ExtendedStatistics": ["p50"]}, "InvalidParameterCombination"),
        ({"EndTime": START + 60 * 1441}, "InvalidParameterCombination"),
        ({"Period": 0}, "InvalidParameterValue"),
        ({"StartTime": "yesterday"}, "InvalidParameterValue"),
    ],
)
def test_statistics_of_an_invalid_request_are_an_error(overrides: dict[str, Any], code: str) -> None:
    with pytest.raises(RequestError) as caught:
        counted(**overrides)
    assert caught.value.code == code


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html")
def test_metrics_are_listed_by_names_dimensions_and_activity() -> None:
    store = [
        (("N", "old", "A=a"), [point(0, 1)]),
        (("N", "new", "A=a"), [point(20_000, 1)]),
        (("N", "plain", ""), [{**point(0, 1), "Dimensions": {}}]),
        (("Other", "new", "A=a"), [point(0, 1)]),
    ]

    def names(**request: Any) -> list[str]:
        return [row["MetricName"] for row in listed_metrics(request, store, START + 20_000)["Metrics"]]

    assert names(Namespace="N") == ["new", "old", "plain"]
    assert names(Namespace="N", Dimensions=[{"Name": "A"}]) == ["new", "old"]
    assert names(Dimensions=[{"Name": "A", "Value": "b"}]) == []
    assert names(RecentlyActive="PT3H") == ["new"]
    with pytest.raises(RequestError):
        names(RecentlyActive="PT1H")


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html")
def test_metrics_of_a_function_are_those_of_its_aliases_too() -> None:
    def stored(value: float, **dimensions: str) -> tuple[tuple[str, str, str], list[dict[str, Any]]]:
        key = "|".join(f"{name}={text}" for name, text in dimensions.items())
        return ("AWS/Lambda", "Errors", key), [{**point(0, value), "Dimensions": dimensions}]

    store = [
        stored(1, FunctionName="f"),
        stored(2, FunctionName="f", Resource="f:live"),
        stored(4, FunctionName="g"),
    ]
    wanted: list[dict[str, str]] = [
        {},
        {"FunctionName": "f"},
        {"FunctionName": "f", "Resource": "f:live"},
        {"FunctionName": "h"},
    ]
    found = [statistic("Sum", list(lambda_points("Errors", dimensions, store))) for dimensions in wanted]
    assert found == [7, 3, 2, None]
    listed = listed_metrics({"MetricName": "Errors"}, with_lambda_sums(store), START)["Metrics"]
    shown = [{row["Name"]: row["Value"] for row in metric["Dimensions"]} for metric in listed]
    assert shown == [
        {},
        {"FunctionName": "f"},
        {"FunctionName": "f", "Resource": "f:live"},
        {"FunctionName": "g"},
    ]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html")
def test_metrics_are_listed_500_a_page() -> None:
    store = [(("N", f"{number:04}", ""), [point(0, 1)]) for number in range(501)]
    first = listed_metrics({}, store, START)
    rest = listed_metrics({"NextToken": first["NextToken"]}, store, START)
    assert (len(first["Metrics"]), [row["MetricName"] for row in rest["Metrics"]]) == (500, ["0500"])
    assert "NextToken" not in rest


def test_query_protocol_has_the_same_document() -> None:
    params = {f"D.member.{number}.Name": [str(number)] for number in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)}
    assert query_document({**params, "Unit": ["Count"], "D.member.1.Value": ["x"]}) == {
        "D": [{"Name": "1", "Value": "x"}, *({"Name": str(number)} for number in range(2, 11))],
        "Unit": "Count",
    }


# The guide's two tables: data points of the evaluation range, the newest last; X breaches, 0 does not, - is missing.
MISSING = ("missing", "ignore", "breaching", "notBreaching")
GUIDE = [
    (3, "0-X-X", ("OK", "OK", "OK", "OK")),
    (3, "----0", ("OK", "OK", "OK", "OK")),
    (3, "-----", ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    (3, "0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "--X--", ("ALARM", None, "ALARM", "OK")),
    (2, "0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0-X--", ("OK", "OK", "ALARM", "OK")),
    (2, "----0", ("OK", "OK", "ALARM", "OK")),
    (2, "---X-", ("ALARM", None, "ALARM", "OK")),
]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"
)
@pytest.mark.parametrize(("needed", "shown", "states"), GUIDE)
def test_alarm_has_the_state_of_the_guides_tables(
    needed: int, shown: str, states: tuple[str | None, ...]
) -> None:
    points = [point(60 * number, 9 if sign == "X" else 1) for number, sign in enumerate(shown) if sign != "-"]
    for missing, state in zip(MISSING, states, strict=True):
        alarm = {
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": needed,
            "Period": 60,
            "Statistic": "Sum",
            "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": missing,
        }
        found = alarms.verdict(alarm, points, START + 60 * len(shown) - 1)
        assert (found.state if found else None) == state, missing


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html")
def test_alarm_on_dynamodb_ignores_missing_data() -> None:
    alarm = {
        "Namespace": "AWS/DynamoDB",
        "EvaluationPeriods": 1,
        "Period": 60,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "breaching",
    }
    assert alarms.verdict(alarm, [], START) is None
    assert alarms.verdict({**alarm, "Namespace": "Other"}, [], START) is not None


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html")
@pytest.mark.parametrize(
    "overrides",
    [
        {"Period": 0},
        {"Period": 90},
        {"EvaluationPeriods": 0},
        {"Period": 86_400, "EvaluationPeriods": 8},
        {"Statistic": "Median"},
    ],
)
def test_alarm_with_an_invalid_parameter_is_refused(overrides: dict[str, Any]) -> None:
    good = {"ComparisonOperator": "GreaterThanThreshold", "Period": 60, "EvaluationPeriods": 1}
    alarms.require_evaluated(good)
    with pytest.raises(ValueError, match=r"must be|not a valid statistic"):
        alarms.require_evaluated({**good, **overrides})


METRIC = {
    "type": "metric",
    "properties": {"region": "us-east-1", "metrics": [["N", "M", "A", "a", {"stat": "Sum"}]]},
}


def body(*widgets: Any, **rest: Any) -> str:
    import json

    return json.dumps({"widgets": list(widgets), **rest})


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"
)
@pytest.mark.parametrize(
    "text",
    [
        body(),
        body({"type": "text", "x": 0, "y": 7, "width": 24, "height": 2, "properties": {"markdown": "# a"}}),
        body(METRIC, start="-PT3H", periodOverride="inherit"),
        body(
            {
                "type": "metric",
                "properties": {"region": "r", "metrics": [[{"expression": "m1/2", "id": "e"}]]},
            }
        ),
        body({"type": "log", "properties": {"region": "r", "query": "SOURCE 'g' | fields @message"}}),
        body({"type": "alarm", "properties": {"alarms": ["arn:aws:cloudwatch:r:0:alarm:a"]}}),
    ],
)
def test_dashboard_body_as_documented_is_valid(text: str) -> None:
    dashboards.require_valid(text)


@pytest.mark.aws("recorded: InvalidParameterInput of PutDashboard in issues of Terraform's AWS provider")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{bad", None),
        ("[]", None),
        ("{}", "/"),
        (body({"type": "unknown", "properties": {}}), "/widgets/0/type"),
        (body(METRIC, {"type": "metric", "properties": {"metrics": []}}), "/widgets/1/properties"),
        (body({"type": "text", "properties": {}}), "/widgets/0/properties"),
        (body({**METRIC, "width": 25}), "/widgets/0/width"),
        (body({"type": "metric", "properties": {"region": "r"}}), "/widgets/0/properties"),
        (
            body({"type": "metric", "properties": {"region": "r", "metrics": [["N", "M", "A"]]}}),
            "/widgets/0/properties/metrics/0",
        ),
    ],
)
def test_dashboard_body_with_an_error_is_refused_with_its_path(text: str, path: str | None) -> None:
    with pytest.raises(dashboards.InvalidDashboardError) as caught:
        dashboards.require_valid(text)
    assert caught.value.path == path


@pytest.mark.parametrize("time", ["yesterday", [1], "inf"])
def test_datum_whose_time_cannot_be_read_is_refused(time: Any) -> None:
    answers: Any = SimpleNamespace(
        _put_metric_data=lambda *_: "stored",
        _error=lambda code, message, *_, **__: f"{code}: {message}",
        _get_metric_data=None,
    )
    CloudWatch(answers, lambda: START, lambda *_: None).install_metrics()
    datum = {"MetricName": "M", "Value": 1, "Timestamp": time}
    answer = answers._put_metric_data({}, {"Namespace": "N", "MetricData": [datum]}, True, False)
    assert answer == "InvalidParameterValue: MetricData.member.1.Timestamp must be a time."


class CountingMetrics(dict[Any, Any]):
    """A store of metrics that counts how often all of it is read."""

    reads = 0

    def all_items(self) -> list[tuple[Any, Any]]:
        self.reads += 1
        return list(self.items())


def test_alarms_on_functions_look_once_through_all_metrics() -> None:
    metrics = CountingMetrics()
    for number in range(50):
        dimensions = {"FunctionName": "f", "Resource": f"f:{number}"}
        stored = {**point(0, 1), "Dimensions": dimensions}
        metrics["a", "r", ("AWS/Lambda", "Errors", f"{number}")] = [stored]
    alarm = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 50,
        "StateValue": "OK",
    }
    rows = {("a", "r", f"alarm-{number}"): {**alarm, "AlarmName": f"alarm-{number}"} for number in range(20)}
    cloudwatch: Any = SimpleNamespace(
        _metrics=metrics,
        _alarms=SimpleNamespace(all_items=lambda: list(rows.items())),
        _record_history=lambda *_: None,
        _dispatch_alarm_actions=lambda *_: None,
        _evaluate_parent_alarms=lambda *_: None,
    )
    CloudWatch(cloudwatch, lambda: START, lambda *_: nullcontext()).evaluate_alarms()
    assert {row["StateValue"] for row in rows.values()} == {"ALARM"}
    assert metrics.reads == 1

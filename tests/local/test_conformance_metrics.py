"""CloudWatch of the embedded AWS. The rules themselves: tests/unit/local/test_metric_queries.py."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.names import own
from whatschat_ops.local.monitoring import metric_input

pytestmark = pytest.mark.local

NOW_S = int(time.time()) // 60 * 60
"""A whole minute, of which the data are 10 minutes old."""
AT = NOW_S - 600


@pytest.fixture
def cloudwatch(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("cloudwatch")


@pytest.fixture
def namespace() -> str:
    return own(f"conformance-{uuid.uuid4()}")


def dimensions(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def put(cloudwatch: Any, namespace: str, *data: dict[str, Any]) -> None:
    rows = [{"MetricName": "M", "Timestamp": AT, "Unit": "Count", **datum} for datum in data]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=rows)


def statistics(cloudwatch: Any, namespace: str, *names: str, **request: Any) -> list[dict[str, Any]]:
    answer = cloudwatch.get_metric_statistics(
        **{
            "Namespace": namespace,
            "MetricName": "M",
            "StartTime": AT,
            "EndTime": NOW_S,
            "Period": 60,
            **({"Statistics": list(names)} if names else {}),
            **request,
        }
    )
    found: list[dict[str, Any]] = answer["Datapoints"]
    return found


def query(namespace: str, stat: str, **metric: Any) -> dict[str, Any]:
    named = {"Namespace": namespace, "MetricName": "M", **metric}
    return {"Id": "q", "MetricStat": {"Metric": named, "Period": 60, "Stat": stat}}


def data(cloudwatch: Any, *queries: dict[str, Any], **request: Any) -> Any:
    return cloudwatch.get_metric_data(
        **{"MetricDataQueries": list(queries), "StartTime": AT, "EndTime": NOW_S, **request}
    )


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html")
def test_values_with_counts_and_statistic_sets_are_counted(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"Values": [10, 20], "Counts": [3, 1]})
    put(
        cloudwatch,
        namespace,
        {"StatisticValues": {"SampleCount": 2, "Sum": 7, "Minimum": 3, "Maximum": 4}},
    )
    (found,) = statistics(cloudwatch, namespace, "SampleCount", "Sum", "Average", "Minimum", "Maximum")
    assert (found["SampleCount"], found["Sum"], found["Minimum"], found["Maximum"]) == (6, 57, 3, 20)
    assert found["Average"] == pytest.approx(9.5)
    assert (found["Timestamp"].timestamp(), found["Unit"]) == (AT, "Count")


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html"
)
def test_percentiles_are_extended_statistics(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"Values": [10, 20], "Counts": [3, 1]})
    (found,) = statistics(cloudwatch, namespace, ExtendedStatistics=["p0", "p50", "p100"])
    assert found["ExtendedStatistics"] == {"p0": 10, "p50": 10, "p100": 20}


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
def test_data_of_a_metric_are_those_with_exactly_its_dimensions(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"Value": 1, "Dimensions": dimensions(A="a")})
    put(cloudwatch, namespace, {"Value": 2, "Dimensions": dimensions(A="a", B="b")})
    by_dimensions = [
        data(cloudwatch, query(namespace, "Sum", Dimensions=dimensions(**wanted)))["MetricDataResults"][0]
        for wanted in ({}, {"A": "a"}, {"A": "a", "B": "b"}, {"B": "b"})
    ]
    assert [result["Values"] for result in by_dimensions] == [[], [1], [2], []]
    assert {result["StatusCode"] for result in by_dimensions} == {"Complete"}
    assert statistics(cloudwatch, namespace, "Sum") == []


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html")
def test_data_come_newest_first_in_pages(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, *({"Value": number, "Timestamp": AT + 60 * number} for number in (1, 2, 3)))
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query(namespace, "Sum")], StartTime=AT, EndTime=NOW_S, MaxDatapoints=2
    )
    results = [page["MetricDataResults"][0] for page in pages]
    assert [(result["Values"], result["StatusCode"]) for result in results] == [
        ([3, 2], "PartialData"),
        ([1], "Complete"),
    ]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html")
def test_metrics_are_listed_by_dimension(cloudwatch: Any, namespace: str) -> None:
    put(cloudwatch, namespace, {"Value": 1, "Dimensions": dimensions(A="a", B="b")}, {"Value": 1})
    found = cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "B"}], RecentlyActive="PT3H")
    assert found["Metrics"] == [
        {"Namespace": namespace, "MetricName": "M", "Dimensions": dimensions(A="a", B="b")}
    ]
    assert len(cloudwatch.list_metrics(Namespace=namespace)["Metrics"]) == 2


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html")
@pytest.mark.parametrize(
    "datum",
    [
        {"Value": 1, "Values": [1]},
        {},
        {"Values": [1, 2], "Counts": [1]},
        {"Value": 1, "Timestamp": AT - 15 * 86_400},
        {"Value": 1, "Timestamp": AT + 3 * 3600},
        {"Value": float("nan")},
    ],
)
def test_datum_that_is_not_valid_is_refused(cloudwatch: Any, namespace: str, datum: dict[str, Any]) -> None:
    code, _ = refused(put, cloudwatch, namespace, datum)
    assert code in ("InvalidParameterValue", "InvalidParameterCombination")


@pytest.mark.aws("service model of CloudWatch: protocols smithy-rpc-v2-cbor, json, query")
@pytest.mark.parametrize("protocol", ["query", "json"])
def test_older_clients_get_the_same_data(
    embedded_aws: EmbeddedAws, cloudwatch: Any, namespace: str, protocol: str
) -> None:
    from botocore.session import Session

    session = Session()
    loader = session.get_component("data_loader")
    load = loader.load_service_model

    def load_service_model(*arguments: Any, **named: Any) -> Any:
        model = load(*arguments, **named)
        only = {**model.get("metadata", {}), "protocol": protocol, "protocols": [protocol]}
        return {**model, "metadata": only} if "operations" in model else model

    loader.load_service_model = load_service_model
    older = session.create_client(
        "cloudwatch",
        endpoint_url=embedded_aws.endpoint_url,
        region_name=embedded_aws.region,
        aws_access_key_id=embedded_aws.access_key_id,
        aws_secret_access_key=embedded_aws.secret_access_key.reveal(),
    )
    put(older, namespace, {"Values": [1, 3], "Counts": [1, 1], "Dimensions": dimensions(A="a", B="b")})
    wanted = dimensions(A="a", B="b")
    found = data(older, query(namespace, "p100", Dimensions=wanted))["MetricDataResults"][0]
    assert (found["Values"], [at.timestamp() for at in found["Timestamps"]]) == ([3], [AT])
    (counted,) = statistics(older, namespace, ExtendedStatistics=["p0"], Dimensions=wanted)
    assert counted["ExtendedStatistics"] == {"p0": 1}
    assert older.list_metrics(Namespace=namespace)["Metrics"][0]["Dimensions"] == wanted
    assert refused(data, older, query(namespace, "Median"))[0] == "ValidationError"


@pytest.mark.difference(
    "CloudWatch: metric math, SEARCH, Metrics Insights",
    aws="expressions in GetMetricData",
    here="refused with ValidationError",
)
@pytest.mark.parametrize("expression", ["m1 / 2", "SEARCH('{N,A}', 'Sum')", 'SELECT AVG(M) FROM "N"'])
def test_expression_is_refused(cloudwatch: Any, expression: str) -> None:
    code, message = refused(data, cloudwatch, {"Id": "e", "Expression": expression, "Period": 60})
    assert code == "ValidationError"
    assert "refused: the embedded AWS does not evaluate" in message


@pytest.mark.difference(
    "CloudWatch: trimmed statistics",
    aws="tm, wm, tc, ts, pr and IQM",
    here="refused: ValidationError, and InvalidParameterValue of GetMetricStatistics",
)
@pytest.mark.parametrize("name", ["tm90", "wm99", "tc99", "ts90", "TM(10%:90%)", "PR(:300)", "IQM"])
def test_trimmed_statistic_is_refused(cloudwatch: Any, namespace: str, name: str) -> None:
    for code, message in (
        refused(data, cloudwatch, query(namespace, name)),
        refused(statistics, cloudwatch, namespace, ExtendedStatistics=[name]),
    ):
        assert code in ("ValidationError", "InvalidParameterValue")
        assert "refused: the embedded AWS does not compute trimmed statistics" in message


def alarm(namespace: str, **overrides: Any) -> dict[str, Any]:
    return {
        "AlarmName": namespace,
        "Namespace": namespace,
        "MetricName": "M",
        "Dimensions": dimensions(A="a"),
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        **overrides,
    }


def state(cloudwatch: Any, name: str) -> str:
    (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    value: str = found["StateValue"]
    return value


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html")
def test_alarm_looks_at_the_data_of_its_dimensions_only(cloudwatch: Any, namespace: str) -> None:
    cloudwatch.put_metric_alarm(**alarm(namespace))
    assert state(cloudwatch, namespace) == "INSUFFICIENT_DATA"
    put(cloudwatch, namespace, {"Value": 5, "Timestamp": time.time(), "Dimensions": dimensions(A="b")})
    assert state(cloudwatch, namespace) == "INSUFFICIENT_DATA"
    put(cloudwatch, namespace, {"Value": 5, "Timestamp": time.time(), "Dimensions": dimensions(A="a")})
    assert state(cloudwatch, namespace) == "ALARM"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"
)
def test_alarm_is_evaluated_without_a_call_and_treats_missing_data(cloudwatch: Any, namespace: str) -> None:
    cloudwatch.put_metric_alarm(**alarm(namespace, TreatMissingData="notBreaching"))
    cloudwatch.set_alarm_state(AlarmName=namespace, StateValue="ALARM", StateReason="a test")
    assert eventually(lambda: state(cloudwatch, namespace) == "OK")


@pytest.mark.difference(
    "CloudWatch: alarms",
    aws="evaluated once a minute, after the period",
    here="evaluated every two seconds and at each PutMetricData, with the minute that has begun",
)
def test_alarm_does_not_wait_for_the_end_of_its_period(cloudwatch: Any, namespace: str) -> None:
    cloudwatch.put_metric_alarm(**alarm(namespace, Period=3600))
    put(cloudwatch, namespace, {"Value": 5, "Timestamp": time.time(), "Dimensions": dimensions(A="a")})
    assert state(cloudwatch, namespace) == "ALARM"


@pytest.mark.difference(
    "CloudWatch: alarms on metric math and anomaly detection",
    aws="evaluated",
    here="refused with ValidationError",
)
@pytest.mark.parametrize(
    "overrides",
    [
        {"Metrics": [{"Id": "e", "Expression": "1", "ReturnData": True}]},
        {"ComparisonOperator": "LessThanLowerThreshold"},
        {"Statistic": None, "ExtendedStatistic": "tm90"},
    ],
)
def test_alarm_that_would_not_be_evaluated_is_refused(
    cloudwatch: Any, namespace: str, overrides: dict[str, Any]
) -> None:
    request = {name: value for name, value in alarm(namespace, **overrides).items() if value is not None}
    code, message = refused(cloudwatch.put_metric_alarm, **request)
    assert code == "ValidationError"
    assert "refused: the embedded AWS does not" in message


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html")
def test_dashboard_is_the_same_in_every_region(
    embedded_aws: EmbeddedAws, cloudwatch: Any, namespace: str
) -> None:
    body = '{"widgets": [{"type": "text", "properties": {"markdown": "# Generated"}}]}'
    assert (
        cloudwatch.put_dashboard(DashboardName=namespace, DashboardBody=body)["DashboardValidationMessages"]
        == []
    )
    elsewhere = dataclasses.replace(embedded_aws, region="eu-west-1", _clients={}).client("cloudwatch")
    assert elsewhere.get_dashboard(DashboardName=namespace)["DashboardBody"] == body
    elsewhere.delete_dashboards(DashboardNames=[namespace])
    assert refused(cloudwatch.get_dashboard, DashboardName=namespace)[0] == "ResourceNotFound"


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html")
@pytest.mark.parametrize(
    ("body", "shown"),
    [("{bad", "must be a valid JSON object"), ('{"widgets": [{"type": "unknown"}]}', "/widgets/0")],
)
def test_dashboard_that_is_not_valid_is_refused(
    cloudwatch: Any, namespace: str, body: str, shown: str
) -> None:
    code, message = refused(cloudwatch.put_dashboard, DashboardName=namespace, DashboardBody=body)
    assert code == "InvalidParameterInput"
    assert shown in message


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html and API_PutMetricData.html"
)
@pytest.mark.parametrize(
    ("datum", "message"),
    [
        ({"Unit": "Foo"}, "MetricData.member.1.Unit must be a value in the set [ Seconds, Microseconds,"),
        ({"StorageResolution": 7}, "StorageResolution must be 1 or 60"),
        ({"Dimensions": dimensions(**{f"D{n}": "x" for n in range(31)})}, "a size greater than 30"),
        (
            {"Value": None, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}},
            "Minimum must not be greater",
        ),
    ],
    ids=["unit", "resolution", "dimensions", "minimum"],
)
def test_datum_outside_the_constraints_is_refused(
    cloudwatch: Any, namespace: str, datum: dict[str, Any], message: str
) -> None:
    row = {
        name: value for name, value in {"MetricName": "M", "Value": 1, **datum}.items() if value is not None
    }
    code, said = refused(cloudwatch.put_metric_data, Namespace=namespace, MetricData=[row])
    assert code == "InvalidParameterValue"
    assert message in said


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html")
def test_user_does_not_write_the_metrics_of_a_service(cloudwatch: Any) -> None:
    answer = refused(
        cloudwatch.put_metric_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "M", "Value": 1}]
    )
    assert answer == ("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")


@pytest.mark.aws("the unit None and 26 others: the enumeration StandardUnit of the service model")
def test_units_are_those_of_the_service_model() -> None:
    model = Loader().load_service_model("cloudwatch", "service-2")
    assert list(metric_input.UNITS) == model["shapes"]["StandardUnit"]["enum"]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"TreatMissingData": "zz"}, "The value zz is not supported for TreatMissingData parameter."),
        ({"DatapointsToAlarm": 5}, "DatapointsToAlarm must not be greater than EvaluationPeriods"),
        ({"AlarmActions": ["foo"]}, "Invalid arn syntax: foo"),
    ],
    ids=["missing data", "datapoints", "action"],
)
def test_alarm_outside_the_constraints_is_refused(
    cloudwatch: Any, namespace: str, overrides: dict[str, Any], message: str
) -> None:
    code, said = refused(cloudwatch.put_metric_alarm, **alarm(namespace, **overrides))
    assert code == "ValidationError"
    assert message in said

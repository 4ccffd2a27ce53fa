"""CloudWatch Logs of the embedded AWS: searching, and what log events cause. Patterns: tests/unit/local/test_filter_pattern.py."""

from __future__ import annotations

import base64
import gzip
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.printing_function import printing_function
from tests.local.program import eventually
from tests.names import own

pytestmark = pytest.mark.local

Group = Callable[..., str]

BASE_MS = int(time.time() * 1000)
"""The time of every event, less what the test says."""


@pytest.fixture
def logs(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("logs")


@pytest.fixture
def group(embedded_aws: EmbeddedAws, logs: Any, request: pytest.FixtureRequest) -> Group:
    """Create a log group of the test with events, by stream: (ms before `BASE_MS`, message)."""

    def create(**streams: list[tuple[int, str]]) -> str:
        name = own(f"/conformance/{request.function.__name__}/{uuid.uuid4()}")
        logs.create_log_group(logGroupName=name)
        for stream, events in streams.items():
            logs.create_log_stream(logGroupName=name, logStreamName=stream)
            if events:
                put(logs, name, stream, events)
        embedded_aws.settle()
        return name

    return create


def put(logs: Any, group: str, stream: str, events: list[tuple[int, str]]) -> None:
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": BASE_MS - ago_ms, "message": message} for ago_ms, message in events],
    )


def messages(logs: Any, group: str, **search: Any) -> list[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, **search)
    return [event["message"] for page in pages for event in page["events"]]


def refused(call: Callable[..., Any], *positional: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*positional, **arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_events_of_all_streams_are_in_the_order_of_their_time(logs: Any, group: Group) -> None:
    name = group(a=[(5000, "1"), (3000, "3"), (1000, "5")], b=[(4000, "2"), (2000, "4")])
    assert messages(logs, name) == ["1", "2", "3", "4", "5"]
    assert messages(logs, name, startFromHead=False) == ["5", "4", "3", "2", "1"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_pattern_selects_events_with_their_case(logs: Any, group: Group) -> None:
    name = group(a=[(3, "ERROR one"), (2, "error two"), (1, '{"level": "ERROR", "status": 500}')])
    assert messages(logs, name, filterPattern="ERROR") == ["ERROR one", '{"level": "ERROR", "status": 500}']
    assert messages(logs, name, filterPattern="{ $.status >= 500 }") == ['{"level": "ERROR", "status": 500}']
    assert messages(logs, name, filterPattern="?one ?two") == ["ERROR one", "error two"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_limit_ends_a_page_and_the_token_continues_it(logs: Any, group: Group) -> None:
    name = group(a=[(9, "1"), (9, "2"), (8, "4")], b=[(9, "3"), (7, "5")])
    first = logs.filter_log_events(logGroupName=name, limit=2)
    second = logs.filter_log_events(logGroupName=name, limit=2, nextToken=first["nextToken"])
    last = logs.filter_log_events(logGroupName=name, limit=2, nextToken=second["nextToken"])
    pages = [[event["message"] for event in page["events"]] for page in (first, second, last)]
    assert pages == [["1", "2"], ["3", "4"], ["5"]]
    assert "nextToken" not in last


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_a_page_ends_at_one_megabyte(logs: Any, group: Group) -> None:
    name = group(a=[])
    for number in range(3):
        put(logs, name, "a", [(9 - number, str(number) * 400_000)])
    first = logs.filter_log_events(logGroupName=name)
    assert [event["message"][0] for event in first["events"]] == ["0", "1"]
    assert [message[0] for message in messages(logs, name)] == ["0", "1", "2"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_times_are_inclusive(logs: Any, group: Group) -> None:
    name = group(a=[(3000, "1"), (2000, "2"), (1000, "3")])
    at_ms = [event["timestamp"] for event in logs.filter_log_events(logGroupName=name)["events"]]
    assert messages(logs, name, startTime=at_ms[1], endTime=at_ms[1]) == ["2"]
    assert messages(logs, name, startTime=at_ms[1] + 1) == ["3"]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_streams_are_selected_by_name_or_by_prefix(logs: Any, group: Group) -> None:
    name = group(web1=[(3, "1")], web2=[(2, "2")], other=[(1, "3")])
    assert messages(logs, name, logStreamNamePrefix="web") == ["1", "2"]
    assert messages(logs, name, logStreamNames=["web2", "other"]) == ["2", "3"]
    both = refused(
        logs.filter_log_events, logGroupName=name, logStreamNames=["web1"], logStreamNamePrefix="w"
    )
    assert both[0] == "InvalidParameterException"


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_what_cannot_be_searched_is_an_error(logs: Any, group: Group) -> None:
    name = group(a=[])
    for search, code in (
        ({"logGroupName": "/none"}, "ResourceNotFoundException"),
        ({"logGroupName": name, "logStreamNames": ["none"]}, "ResourceNotFoundException"),
        ({"logGroupName": name, "filterPattern": "{ $.a"}, "InvalidParameterException"),
        ({"logGroupName": name, "nextToken": "none"}, "InvalidParameterException"),
    ):
        assert refused(logs.filter_log_events, **search)[0] == code


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TestMetricFilter.html"
)
def test_test_metric_filter_extracts_the_fields_of_each_match(logs: Any) -> None:
    lines = ["127.0.0.1 200 15", "127.0.0.1 404 20", "no"]
    found = logs.test_metric_filter(filterPattern="[ip, status = 4*, bytes]", logEventMessages=lines)[
        "matches"
    ]
    fields = {"$ip": "127.0.0.1", "$status": "404", "$bytes": "20"}
    assert found == [{"eventNumber": 2, "eventMessage": lines[1], "extractedValues": fields}]
    assert refused(logs.test_metric_filter, filterPattern="[", logEventMessages=lines)[0] == (
        "InvalidParameterException"
    )


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html")
def test_event_of_last_month_is_reported_and_not_stored(logs: Any, group: Group) -> None:
    name = group(a=[(1, "now")])
    old = {"timestamp": BASE_MS - 30 * 86_400_000, "message": "old"}
    answer = logs.put_log_events(logGroupName=name, logStreamName="a", logEvents=[old])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert messages(logs, name) == ["now"]
    unordered = refused(put, logs, group=name, stream="a", events=[(1, "b"), (2, "a")])
    assert unordered[0] == "InvalidParameterException"


def sums(aws: EmbeddedAws, namespace: str, name: str, dimensions: dict[str, str]) -> dict[str, float]:
    now = BASE_MS / 1000
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - 600,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum", "SampleCount", "Maximum"],
    )["Datapoints"]
    return {key: sum(point[key] for point in points) for key in ("Sum", "SampleCount")}


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html")
def test_metric_filter_publishes_values_of_matching_events(
    embedded_aws: EmbeddedAws, logs: Any, group: Group
) -> None:
    name = group(a=[])
    transformation = {"metricNamespace": "Filtered", "metricName": "Latency", "metricValue": "$.ms"}
    logs.put_metric_filter(
        logGroupName=name,
        filterName="latency",
        filterPattern="{ $.ms = * && $.route = * }",
        metricTransformations=[
            {**transformation, "dimensions": {"Route": "$.route"}, "unit": "Milliseconds"}
        ],
    )
    put(
        logs,
        name,
        "a",
        [
            (3, '{"ms": 12.5, "route": "ping"}'),
            (2, '{"ms": 7, "route": "ping"}'),
            (1, '{"ms": 900, "route": "echo"}'),
        ],
    )
    assert sums(embedded_aws, "Filtered", "Latency", {"Route": "ping"}) == {"Sum": 19.5, "SampleCount": 2}
    assert sums(embedded_aws, "Filtered", "Latency", {"Route": "echo"}) == {"Sum": 900, "SampleCount": 1}


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html")
def test_default_value_stands_for_minutes_without_a_match(
    embedded_aws: EmbeddedAws, logs: Any, group: Group
) -> None:
    name = group(a=[])
    transformation = {
        "metricNamespace": "Filtered",
        "metricName": "Errors",
        "metricValue": "1",
        "defaultValue": 0,
    }
    logs.put_metric_filter(
        logGroupName=name, filterName="errors", filterPattern="ERROR", metricTransformations=[transformation]
    )
    put(logs, name, "a", [(2, "fine"), (1, "well")])
    assert sums(embedded_aws, "Filtered", "Errors", {}) == {"Sum": 0, "SampleCount": 2}


@pytest.mark.difference(
    "CloudWatch Logs: a metric filter's default value",
    aws="only for minutes without a match, counted at the end of the minute",
    here="at once, for each batch of events without a match: an event that matches later in that minute is counted beside it",
)
def test_default_value_is_published_before_its_minute_is_over(
    embedded_aws: EmbeddedAws, logs: Any, group: Group
) -> None:
    name = group(a=[])
    transformation = {
        "metricNamespace": "Filtered",
        "metricName": "Later",
        "metricValue": "1",
        "defaultValue": 0,
    }
    logs.put_metric_filter(
        logGroupName=name, filterName="errors", filterPattern="ERROR", metricTransformations=[transformation]
    )
    for message in ("fine", "ERROR"):
        put(logs, name, "a", [(0, message)])
    assert sums(embedded_aws, "Filtered", "Later", {}) == {"Sum": 1, "SampleCount": 2}


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html"
)
def test_metric_filter_that_cannot_work_is_refused(logs: Any, group: Group) -> None:
    name = group()
    good = {"metricNamespace": "n", "metricName": "m", "metricValue": "1"}
    for pattern, transformation in (
        ("{ $.a", good),
        ("a", {**good, "metricValue": "one"}),
        ("a", {**good, "dimensions": {"A": "$.a"}, "defaultValue": 0}),
    ):
        refusal = refused(
            logs.put_metric_filter,
            logGroupName=name,
            filterName="f",
            filterPattern=pattern,
            metricTransformations=[transformation],
        )
        assert refusal[0] == "InvalidParameterException"


def embedded(**overrides: Any) -> str:
    directive = {
        "Namespace": "Embedded",
        "Dimensions": [["Route"], ["Route", "Stage"]],
        "Metrics": [{"Name": "Bytes", "Unit": "Bytes"}],
    }
    metadata = {"Timestamp": BASE_MS, "CloudWatchMetrics": [directive]}
    return json.dumps(
        {"_aws": metadata, "Route": "ping", "Stage": "production", "Bytes": [100, 200.25], **overrides}
    )


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"
)
def test_embedded_metrics_are_published_for_each_dimension_set(
    embedded_aws: EmbeddedAws, logs: Any, group: Group
) -> None:
    put(logs, group(a=[]), "a", [(1, embedded()), (0, "_aws is not in the embedded metric format")])
    expected = {"Sum": 300.25, "SampleCount": 2}
    assert sums(embedded_aws, "Embedded", "Bytes", {"Route": "ping"}) == expected
    assert sums(embedded_aws, "Embedded", "Bytes", {"Route": "ping", "Stage": "production"}) == expected


@pytest.fixture(scope="module")
def reporter(embedded_aws: EmbeddedAws) -> str:
    """A function that prints its event. Its ARN."""
    return printing_function(embedded_aws, "logs-reporter")


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"
)
def test_embedded_metrics_of_a_function_are_published(embedded_aws: EmbeddedAws, reporter: str) -> None:
    event = json.loads(embedded(Route="from-function"))
    embedded_aws.client("lambda").invoke(FunctionName=reporter, Payload=json.dumps(event).encode())
    found = eventually(
        lambda: sums(embedded_aws, "Embedded", "Bytes", {"Route": "from-function"})["SampleCount"] == 2
    )
    assert found


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html")
def test_subscription_filter_delivers_matching_events_to_a_function(
    embedded_aws: EmbeddedAws, logs: Any, group: Group, reporter: str
) -> None:
    name = group(a=[])
    subscription = {
        "logGroupName": name,
        "filterName": "errors",
        "filterPattern": "{ $.status >= 500 }",
        "destinationArn": reporter,
    }
    without_permission = refused(logs.put_subscription_filter, **subscription)
    assert without_permission[0] == "InvalidParameterException"
    assert "permission to execute your function" in without_permission[1]
    embedded_aws.client("lambda").add_permission(
        FunctionName=reporter,
        StatementId="logs",
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=f"arn:aws:logs:us-east-1:000000000000:log-group:{name}:*",
    )
    logs.put_subscription_filter(**subscription)
    put(logs, name, "a", [(2, '{"status": 200}'), (1, '{"status": 503}')])
    printed = eventually(lambda: messages(logs, "/aws/lambda/logs-reporter", filterPattern="awslogs"))
    delivered = json.loads(gzip.decompress(base64.b64decode(json.loads(printed[-1])["awslogs"]["data"])))
    assert (delivered["logGroup"], delivered["logStream"]) == (name, "a")
    assert [event["message"] for event in delivered["logEvents"]] == ['{"status": 503}']


@pytest.mark.difference(
    "CloudWatch Logs: subscription filters",
    aws="to Kinesis, Firehose, OpenSearch and other accounts too",
    here="other destinations than Lambda functions are refused with InvalidParameterException",
)
def test_subscription_filter_to_another_destination_is_refused(logs: Any, group: Group) -> None:
    code, message = refused(
        logs.put_subscription_filter,
        logGroupName=group(),
        filterName="f",
        filterPattern="",
        destinationArn="arn:aws:kinesis:us-east-1:000000000000:stream/s",
    )
    assert code == "InvalidParameterException"
    assert "the embedded AWS does not deliver" in message


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html")
def test_insights_query_of_system_fields_is_run(logs: Any, group: Group) -> None:
    name = group(a=[(2000, "one 1"), (1000, "two 2")])
    query = "fields @message | filter @message like /t[a-z]o/ | sort @timestamp desc | limit 5"
    now = BASE_MS // 1000
    started = logs.start_query(logGroupName=name, startTime=now - 60, endTime=now + 60, queryString=query)
    rows = logs.get_query_results(queryId=started["queryId"])["results"]
    assert [row[0] for row in rows] == [{"field": "@message", "value": "two 2"}]


@pytest.mark.difference(
    "CloudWatch Logs: Insights",
    aws="stats, parse, dedup, display, unnest, pattern, diff, conditions on fields, SQL and PPL",
    here="refused with MalformedQueryException; run: fields (system fields), three forms of filter, sort @timestamp, limit",
)
@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("stats count(*) by bin(5m)", None),
        ("fields @message | parse @message '*' as all", None),
        ("fields status", None),
        ("filter status = 500", None),
        ("fields @message | dedup @message", None),
        ("fields @message | filter @message like 'one'", None),
        ("limit 5 | fields @message", None),
        ("SELECT * FROM `group`", "SQL"),
    ],
)
def test_insights_query_that_would_be_run_in_part_is_refused(
    logs: Any, group: Group, query: str, language: str | None
) -> None:
    chosen = {"queryLanguage": language} if language else {}
    code, message = refused(
        logs.start_query, logGroupName=group(), startTime=0, endTime=1, queryString=query, **chosen
    )
    assert code == "MalformedQueryException"
    assert "refused: the embedded AWS does not run" in message


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html"
)
def test_live_tail_shows_the_events_that_match(embedded_aws: EmbeddedAws, logs: Any, group: Group) -> None:
    from boto3 import Session
    from botocore.config import Config

    name = group(a=[])
    tailing = Session().client(
        "logs",
        endpoint_url=embedded_aws.endpoint_url,
        region_name=embedded_aws.region,
        aws_access_key_id=embedded_aws.access_key_id,
        aws_secret_access_key=embedded_aws.secret_access_key.reveal(),
        config=Config(inject_host_prefix=False),
    )
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{name}"
    started = tailing.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="{ $.status = 5* }")
    stream = iter(started["responseStream"])
    assert next(stream)["sessionStart"]["logEventFilterPattern"] == "{ $.status = 5* }"
    put(logs, name, "a", [(2, '{"status": "200"}'), (1, '{"status": "503"}')])
    updates = (event["sessionUpdate"]["sessionResults"] for event in stream)
    found = next(results for results in updates if results)
    assert [result["message"] for result in found] == ['{"status": "503"}']
    started["responseStream"].close()


@pytest.mark.difference(
    "CloudWatch Logs: Live Tail",
    aws="an endpoint of its own, `streaming-logs.…`, to which SDKs add `stream-`",
    here="on the port of every service: an SDK must not add a host prefix (AWS_DISABLE_HOST_PREFIX_INJECTION=true, which `local env` prints)",
)
def test_live_tail_with_a_host_prefix_is_not_reached(logs: Any, group: Group) -> None:
    from botocore.exceptions import EndpointConnectionError

    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group()}"
    with pytest.raises(EndpointConnectionError, match=r"stream-127\.0\.0\.1"):
        logs.start_live_tail(logGroupIdentifiers=[arn])


@pytest.mark.aws("the service model of CloudWatch Logs: EventsLimit")
def test_limit_over_10000_is_refused(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError) as caught:
        embedded_aws.client("logs").filter_log_events(logGroupName="absent", limit=10_001)
    assert caught.value.response["Error"] == {
        "Code": "InvalidParameterException",
        "Message": "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 10000",
    }

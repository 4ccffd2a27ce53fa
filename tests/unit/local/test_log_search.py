"""Pages of FilterLogEvents, the throttle of its Region, and the metrics of log events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.local.control.logs import LogRates, Logs
from whatschat_ops.local.monitoring import log_batch, log_search
from whatschat_ops.local.monitoring.filter_pattern import compile_pattern
from whatschat_ops.local.monitoring.insights import refusal
from whatschat_ops.local.monitoring.log_metrics import embedded_metrics
from whatschat_ops.local.monitoring.log_search import PageLimits, Search, search

Streams = Mapping[str, Sequence[Mapping[str, Any]]]


def stream(*times: int) -> list[dict[str, Any]]:
    return [{"timestamp": time, "message": f"{time}-{number}"} for number, time in enumerate(times)]


def pages(streams: Streams, limits: PageLimits, **options: Any) -> list[list[str]]:
    """The messages of each page, until there is no token."""
    found, after = [], None
    while True:
        wanted = Search(compile_pattern(options.get("pattern", "")), after=after, **options.get("wanted", {}))
        page = search(streams, wanted, limits)
        found.append([event["message"] for _, event in page.events])
        if page.next is None:
            return found
        after = log_search.decode(log_search.encode(page.next))


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_a_page_that_searched_enough_is_partial_or_empty_and_has_a_token() -> None:
    events = [{"timestamp": time, "message": "yes" if time in (1, 7) else "no"} for time in range(8)]
    assert pages({"a": events}, PageLimits(searched=3), pattern="yes") == [["yes"], [], ["yes"]]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_the_last_page_has_no_token_even_if_it_is_full() -> None:
    assert pages({"a": stream(1, 2)}, PageLimits(searched=2)) == [["1-0", "2-1"]]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_an_event_of_more_than_a_page_is_a_page() -> None:
    events = [{"timestamp": time, "message": "x" * 10} for time in range(3)]
    assert [len(page) for page in pages({"a": events}, PageLimits(bytes=5))] == [1, 1, 1]


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"
)
def test_late_event_between_two_pages_is_found_if_its_time_is_still_to_come() -> None:
    events = stream(1, 5, 9)
    first = search({"a": events}, Search(compile_pattern(""), limit=2), PageLimits())
    later = sorted([*events, *stream(3, 7)], key=lambda event: event["timestamp"])
    second = search({"a": later}, Search(compile_pattern(""), after=first.next), PageLimits())
    assert [event["timestamp"] for _, event in second.events] == [7, 9]


TIMES = st.lists(st.integers(0, 5), max_size=8).map(sorted)


@given(
    st.dictionaries(st.sampled_from("abc"), TIMES, max_size=3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)
def test_pages_together_have_every_event_once_in_order(
    times: dict[str, list[int]], limit: int, searched: int, newest_first: bool
) -> None:
    streams = {name: stream(*found) for name, found in times.items()}
    got = pages(streams, PageLimits(searched=searched), wanted={"limit": limit, "newest_first": newest_first})
    expected = [
        event["message"]
        for _, _, event in sorted(
            (
                (event["timestamp"], (name, number), event)
                for name, events in streams.items()
                for number, event in enumerate(events)
            ),
            key=lambda entry: entry[:2],
            reverse=newest_first,
        )
    ]
    assert [message for page in got for message in page] == expected
    assert all(len(page) <= min(limit, searched) for page in got)


async def _handler(*_: Any) -> tuple[int, dict[str, Any], bytes]:
    return 200, {}, b""


def statuses(region: str, operation: str, at: list[float]) -> list[int]:
    """The status of a call at each time."""
    now = iter(at)
    module = SimpleNamespace(
        get_region=lambda: region,
        error_response_json=lambda code, message, status: (status, {}, f"{code}: {message}"),
    )
    handle = LogRates(module, lambda: next(now)).throttled(_handler)
    headers = {"x-amz-target": f"Logs_20140328.{operation}"}

    async def call() -> int:
        return (await handle("POST", "/", headers, b"{}", {}))[0]

    return [asyncio.run(call()) for _ in at]


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html")
@pytest.mark.parametrize(
    ("region", "operation", "rate"),
    [
        ("us-east-1", "FilterLogEvents", 25),
        ("eu-central-1", "FilterLogEvents", 5),
        ("sa-east-1", "FilterLogEvents", 10),
        ("eu-west-1", "GetLogEvents", 10),
        ("us-east-1", "GetLogEvents", 25),
    ],
)
def test_calls_over_the_rate_of_the_region_are_throttled(region: str, operation: str, rate: int) -> None:
    assert statuses(region, operation, [0.0] * (rate + 1) + [1.0]) == [200] * rate + [400, 200]


def test_writing_log_events_is_not_throttled() -> None:
    assert set(statuses("eu-central-1", "PutLogEvents", [0.0] * 100)) == {200}


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html")
@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([(1, "a"), (1, "b"), (2, "c")], None),
        ([(2, "a"), (1, "b")], "chronological order"),
        ([(1, "x" * 1_048_551)], "Upload too large"),
        ([(1, "x" * 1_048_550)], None),
        ([(1, "")] * 10_001, "at most 10000"),
        ([(0, "a"), (86_400_001, "b")], "24 hours"),
    ],
)
def test_batch_is_refused_as_documented(events: list[tuple[int, str]], shown: str | None) -> None:
    error = log_batch.batch_error([{"timestamp": time, "message": message} for time, message in events])
    assert (error is None) if shown is None else (shown in str(error))


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html")
def test_events_that_are_too_old_or_too_new_are_reported_and_not_stored() -> None:
    now_s, day_ms = 100 * 86_400, 86_400_000
    times = [now_s * 1000 + offset for offset in (-15 * day_ms, -13 * day_ms, 0, 3 * 3_600_000)]
    kept, rejected = log_batch.stored([{"timestamp": time} for time in times], now_s)
    assert [event["timestamp"] for event in kept] == times[1:3]
    assert rejected == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3}
    assert log_batch.stored([{"timestamp": times[2]}], now_s) == ([{"timestamp": times[2]}], {})


def emf(**overrides: Any) -> str:
    directive = {
        "Namespace": "n",
        "Dimensions": [["D"]],
        "Metrics": [{"Name": "M"}],
        **overrides.pop("directive", {}),
    }
    return json.dumps(
        {"_aws": {"Timestamp": 1000, "CloudWatchMetrics": [directive]}, "D": "d", "M": 1, **overrides}
    )


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"
)
def test_embedded_metric_has_the_time_of_its_metadata() -> None:
    (metric,) = embedded_metrics(emf())
    assert (metric.namespace, metric.name, metric.value, metric.unit, metric.dimensions, metric.time_s) == (
        "n",
        "M",
        1.0,
        "None",
        {"D": "d"},
        1.0,
    )


@pytest.mark.aws(
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"
)
@pytest.mark.parametrize(
    "message",
    [
        "text before " + emf(),
        emf(_aws="text"),
        emf(_aws={"CloudWatchMetrics": []}),
        emf(D=1),
        emf(M="1"),
        emf(M=[1] * 101),
        emf(M=[1, "2"]),
        emf(directive={"Namespace": 1}),
        emf(directive={"Dimensions": "D"}),
        emf(directive={"Dimensions": [["D", "missing"]]}),
        emf(directive={"Metrics": [{"Unit": "Count"}]}),
    ],
)
def test_log_event_that_is_not_to_the_specification_makes_no_metric(message: str) -> None:
    assert embedded_metrics(message) == []


@pytest.mark.parametrize(
    "message",
    [
        emf(M=10**400),
        emf(_aws={"Timestamp": 10**400, "CloudWatchMetrics": []}),
        emf(directive={"Metrics": [{"Name": []}]}),
    ],
)
def test_log_event_that_python_cannot_compute_with_is_written_without_a_metric(message: str) -> None:
    assert embedded_metrics(message) == []


@pytest.mark.aws("https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html")
@pytest.mark.parametrize(
    "query",
    [
        "",
        "fields @timestamp, @message",
        "fields @message | filter @logStream = 'a|b' | sort @timestamp asc | limit 20",
        r"filter @message like /a\/b|c/i | filter toMillis(@timestamp) >= 5",
    ],
)
def test_query_that_is_run_in_full_is_not_refused(query: str) -> None:
    assert refusal(query, None) is None


def test_metric_filter_that_cannot_be_applied_does_not_keep_events_from_being_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    delivered: list[str] = []
    unnamed = {"logGroupName": "g", "filterPattern": "", "metricTransformations": [{"metricValue": "1"}]}
    cloudwatch_logs: Any = SimpleNamespace(
        _fanout_to_subscription_filters=lambda group, *_: delivered.append(group),
        _put_subscription_filter=None,
        _put_metric_filter=None,
        _metric_filters={"f": unnamed},
    )
    telemetry: Any = SimpleNamespace(add_point=lambda *_: None)
    Logs(cloudwatch_logs, telemetry, lambda *_: True).install_filters()
    cloudwatch_logs._fanout_to_subscription_filters("g", "s", [{"timestamp": 1, "message": "m"}])
    assert delivered == ["g"]
    assert "KeyError: 'metricNamespace'" in caplog.text

from __future__ import annotations

import pytest

from whatschat_ops.metrics import selecting
from whatschat_ops.metrics.reading import Metric, Query
from whatschat_ops.quotas import API_ROUTES

GATEWAY, DYNAMODB, USAGE = "AWS/ApiGateway", "AWS/DynamoDB", "AWS/Usage"
STAGE = {"ApiId": "a1", "Stage": "production"}


def gateway(name: str = "MessageCount", **dimensions: str) -> Metric:
    return Metric.of(GATEWAY, name, dimensions)


@pytest.mark.parametrize(
    "route",
    [{"Route": "ping"}, {"Method": "ws", "Resource": "ping"}],
    ids=["as accounts show it", "as the page says"],
)
def test_routes_have_the_dimensions_that_cloudwatch_lists(route: dict[str, str]) -> None:
    listed = [gateway(**STAGE, **route), gateway("IntegrationLatency", **STAGE, **route)]
    found = selecting.of_routes("a1", "production", listed)
    assert [(each.shown.name, each.of, each.queries[0].metric) for each in found] == [
        ("Messages", "ping", listed[0]),
        ("Latency p95", "ping", listed[1]),
    ]


def test_other_dimensions_of_a_hostile_listing_are_no_routes() -> None:
    others = [
        gateway(ApiId="a1"),
        gateway(**STAGE),
        gateway(ApiId="a1", Stage="beta", Route="ping"),
        gateway(ApiId="a2", Stage="production", Route="ping"),
        gateway(**STAGE, Route="ping", Method="ws"),
        gateway(**STAGE, Resource="ping"),
        gateway(**STAGE, Method="ws"),
        gateway(Stage="production", Route="ping"),
        gateway(),
        gateway("Count", **STAGE, Route="ping"),
        *(gateway(**STAGE, Route="ping", **{f"Extra{number}": "x"}) for number in range(1_000)),
    ]
    assert selecting.of_routes("a1", "production", others) == []
    many = (gateway(**STAGE, Route=f"route-{number:05d}") for number in range(20_000))
    found = selecting.of_routes("a1", "production", many)
    assert len(found) == API_ROUTES
    assert found[0].of == "route-00000"


def test_metrics_of_api_function_and_account_are_known_without_a_listing() -> None:
    assert selecting.of_api("a1", "production")[0].queries == (
        Query(gateway("ConnectCount", **STAGE), "Sum"),
    )
    function = selecting.of_function("websocket-connect")
    assert function[0].queries[0].metric == Metric.of(
        "AWS/Lambda", "Invocations", {"FunctionName": "websocket-connect"}
    )
    assert [each.queries[0].statistic for each in function[3:]] == ["p50", "p95", "p99", "Maximum", "Maximum"]
    assert selecting.of_account()[0].queries[0].metric.dimensions == ()


def test_operations_of_a_table_are_added_up_and_its_indexes_are_not() -> None:
    def listed(**dimensions: str) -> Metric:
        return Metric.of(DYNAMODB, "SuccessfulRequestLatency", dimensions)

    put, get = listed(TableName="t", Operation="PutItem"), listed(TableName="t", Operation="GetItem")
    others = [
        listed(TableName="t"),
        listed(TableName="other", Operation="PutItem"),
        listed(TableName="t", Operation="Query", GlobalSecondaryIndexName="i"),
    ]
    requests = selecting.of_table("t", [put, *others, get])[0]
    assert requests.queries == (Query(put, "SampleCount"), Query(get, "SampleCount"))
    throttled = next(
        each for each in selecting.of_table("t", [put]) if each.shown.name == "Throttled requests"
    )
    assert throttled.queries == ()


def test_calls_of_chime_are_added_up_and_its_own_metrics_are_taken_once() -> None:
    def usage(operation: str, type_: str = "API") -> Metric:
        return Metric.of(USAGE, "CallCount", {"Service": "ChimeSDK", "Type": type_, "Resource": operation})

    drops = [
        Metric.of("AWS/ChimeSDK", "AttendeeAudioDrops", dimensions)
        for dimensions in ({"Region": "a"}, {"Region": "b"}, {"Region": "a", "Kind": "x"})
    ]
    found = selecting.of_chime([usage("GetMeeting"), usage("DeleteMeeting"), usage("x", "Resource")], drops)
    by_name = {each.shown.name: [query.metric for query in each.queries] for each in found}
    assert by_name == {
        "API calls": [usage("GetMeeting"), usage("DeleteMeeting")],
        "API errors": [],
        "API throttles": [],
        "AttendeeAudioDrops": drops[:2],
    }

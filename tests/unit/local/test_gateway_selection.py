"""Route selection expressions and token buckets: pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.local.gateway.selection import route_key, select_route
from whatschat_ops.local.gateway.throttle import Throttles, TokenBucket
from whatschat_ops.local.interfaces import Route, Stage, Throttle


@pytest.mark.aws("API Gateway developer guide, apigateway-websocket-api-selection-expressions.html")
@pytest.mark.parametrize(
    ("expression", "message", "key"),
    [
        ("$request.body.type", '{"type": "ping"}', "ping"),
        ("$request.body.type", '{"type": "message:send"}', "message:send"),
        ("${request.body.type}", '{"type": "ping"}', "ping"),
        ("$request.body.a.b", '{"a": {"b": "deep"}}', "deep"),
        ("$request.body.a[1]", '{"a": ["x", "y"]}', "y"),
        ("$request.body.a[2]", '{"a": ["x", "y"]}', ""),
        ("$request.body.a[0].b", '{"a": [{"b": "in"}]}', "in"),
        ("$request.body['my key']", '{"my key": "v"}', "v"),
        ("$request.body.my-key", '{"my-key": "v"}', "v"),
        ("${request.body.a}/${request.body.b}", '{"a": "x", "b": "y"}', "x/y"),
        ("${request.body.a}/${request.body.b}", '{"a": "x"}', "x/"),
        ("pre-${request.body.a}", '{"a": "x"}', "pre-x"),
        ("$request.body.type", '{"type": true}', "true"),
        ("$request.body.type", '{"type": 5}', "5"),
        ("$request.body.type", '{"type": null}', ""),
        ("$request.body.type", '{"type": {"a": 1}}', ""),
        ("$request.body.type", "[1]", ""),
        ("$request.body.type", "no json", ""),
        ("$request.body", '"whole"', "whole"),
        ("\\$default", "{}", "$default"),
    ],
)
def test_expression_gives_the_key(expression: str, message: str, key: str) -> None:
    assert route_key(expression, message) == key


@given(st.text())
def test_no_message_can_break_the_selection(message: str) -> None:
    routes = {"$default": Route("$default", None), "$connect": Route("$connect", None)}
    assert select_route("$request.body.type", routes, message) is routes["$default"]


@pytest.mark.aws("API Gateway developer guide, websocket-api-develop-routes.html")
@given(st.dictionaries(st.text(), st.text()), st.text())
def test_a_type_selects_its_own_route_or_the_default(fields: dict[str, str], wanted: str) -> None:
    routes = {key: Route(key, None) for key in (wanted, "$default", "$connect", "$disconnect")}
    route = select_route("$request.body.type", routes, json.dumps({**fields, "type": wanted}))
    expected = wanted if wanted and wanted not in ("$connect", "$disconnect") else "$default"
    assert route is routes[expected]


def test_no_default_route_selects_nothing() -> None:
    assert select_route("$request.body.type", {"a": Route("a", None)}, '{"type": "b"}') is None


@given(
    st.integers(1, 50),
    st.floats(0.1, 100),
    st.lists(st.floats(0, 0.5), max_size=200),
)
def test_bucket_never_admits_more_than_burst_plus_rate(burst: int, rate: float, gaps: list[float]) -> None:
    bucket, now, admitted = TokenBucket(Throttle(rate, burst), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        admitted += bucket.take(now)
    assert admitted <= burst + rate * now + 1e-6


def test_clock_that_goes_back_refills_nothing() -> None:
    bucket = TokenBucket(Throttle(1, 1), 100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(50.5)
    assert bucket.take(51.6)


@pytest.mark.difference(
    "API Gateway: not documented by AWS",
    aws="whether the routes of a stage share its throttle",
    here="it applies to each route separately",
)
@pytest.mark.aws("API Gateway developer guide, websocket-api-protect.html")
def test_route_setting_replaces_the_stages_and_a_change_counts_at_once() -> None:
    throttles = Throttles(0.0)
    stage = Stage("s", Throttle(0, 1), {"vip": Throttle(0, 3)})
    assert [throttles.admit("a", stage, "vip", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [throttles.admit("a", stage, "x", 0.0) for _ in range(2)] == [True, False]
    assert throttles.admit("a", stage, "y", 0.0)
    assert throttles.admit("b", stage, "x", 0.0)
    assert [throttles.admit("a", Stage("s", Throttle(0, 2)), "x", 0.0) for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert throttles.admit("a", Stage("s"), "x", 0.0)


@pytest.mark.parametrize("key", ["$connect", "$disconnect"])
def test_message_cannot_select_the_route_of_an_event(key: str) -> None:
    routes = {name: Route(name, None) for name in (key, "$default", "chat")}
    selected = select_route("$request.body.type", routes, json.dumps({"type": key}))
    assert selected is routes["$default"]
    assert select_route("$request.body.type", {key: routes[key]}, json.dumps({"type": key})) is None
    assert select_route("$request.body.type", routes, '{"type": "chat"}') is routes["chat"]

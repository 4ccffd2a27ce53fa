"""What `monitoring` makes of the settings: alarms, a dashboard, a count, and what they cost. No call is made."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.dashboard_body import require_valid
from whatschat_ops.errors import ConfigError
from whatschat_ops.pricing.count_reads import count_reads
from whatschat_ops.pricing.rates import Rate
from whatschat_ops.provision import Resource
from whatschat_ops.quotas import MAX_ALARM_RANGE_S
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds.alarm import Alarm
from whatschat_ops.stack.kinds.dashboard import Dashboard, mark_of, owner_in
from whatschat_ops.stack.monthly_costs import monthly_usage, priced
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.parts.monitoring import count_policy
from whatschat_ops.stack.resources import stack_resources

PLACE = Place("eu-west-1", "123456789012")
EVERYTHING = {
    "monitoring": {"enabled": True, "emails": ["oncall@example.com"]},
    "chime": {"events": True, "region": "eu-central-1"},
    "aws": {"region": "eu-central-1"},
    "broadcast": {"distributed": {"enabled": True}},
}


def made(api_id: str | None = None, **monitoring: Any) -> dict[str, Resource]:
    settings = Settings.of({"monitoring": {"enabled": True, **monitoring}})
    blueprint = Blueprint(settings, PLACE, api_id=api_id) if api_id else Blueprint(settings, PLACE)
    return {each.address: each for each in stack_resources(blueprint).wanted}


def of_monitoring(resources: dict[str, Resource]) -> set[str]:
    usual = {each.address for each in stack_resources(Blueprint(Settings(), PLACE)).wanted}
    return resources.keys() - usual


COUNT = {
    f"{kind}.open-connections"
    for kind in ("log_group", "role", "role_policy", "function", "alias", "permission", "event_rule")
}


def test_nothing_is_made_unless_it_is_on() -> None:
    off = Settings.of({"monitoring": {"enabled": False, "emails": ["oncall@example.com"]}})
    wanted = stack_resources(Blueprint(off, PLACE)).wanted
    assert {each.address for each in wanted} == {
        each.address for each in stack_resources(Blueprint(Settings(), PLACE)).wanted
    }


def test_each_part_can_be_turned_off() -> None:
    whole = of_monitoring(made(emails=["oncall@example.com"]))
    alarms = {address for address in whole if address.startswith("alarm.")}
    assert len(alarms) == 12
    assert whole - alarms == {
        *COUNT, "topic.alarms", "subscription.oncall@example.com", "dashboard.monitoring",
    }  # fmt: skip
    assert of_monitoring(made(alarms=False, dashboard=False, open_connections={"enabled": False})) == {
        "topic.alarms"
    }
    without_count = of_monitoring(made(open_connections={"enabled": False}))
    assert not without_count & {*COUNT, "alarm.stale-rows", "alarm.lost-counts"}


def test_dashboard_that_is_off_is_unwanted_and_not_forgotten() -> None:
    settings = Settings.of({"monitoring": {"enabled": True, "dashboard": False}})
    unwanted = {each.address for each in stack_resources(Blueprint(settings, PLACE)).unwanted}
    assert "dashboard.monitoring" in unwanted


def test_more_parts_of_the_stack_have_alarms_of_what_they_lose() -> None:
    blueprint = Blueprint(Settings.of(EVERYTHING), Place("eu-central-1", "123456789012"))
    alarms = {each.name: each.fields for each in stack_resources(blueprint).wanted if each.kind == "alarm"}
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:whatschat-local-broadcast"
    assert alarms["failed-broadcasts"]["dimensions"] == {"StateMachineArn": machine}
    assert alarms["lost-chime-events"]["dimensions"] == {"RuleName": "whatschat-local-chime-events"}
    assert alarms["lost-counts"]["metric_name"] == "AsyncEventsDropped"


THRESHOLDS = {
    "function_errors": 11,
    "function_throttles": 12,
    "execution_errors": 13,
    "integration_latency_ms": 14,
    "table_throttles": 15,
    "stale_rows": 16,
    "lost_events": 17,
}


def test_thresholds_are_those_of_the_settings() -> None:
    alarms = {each.name: each.fields for each in made(thresholds=THRESHOLDS).values() if each.kind == "alarm"}
    assert {name: fields["threshold"] for name, fields in alarms.items()} == {
        **{f"{short}-errors": 11 for short in ("connect", "disconnect", "default")},
        **{f"{short}-throttles": 12 for short in ("connect", "disconnect", "default")},
        "execution-errors": 13,
        "integration-latency": 14,
        "table-reads-throttled": 15,
        "table-writes-throttled": 15,
        "stale-rows": 16,
        "lost-counts": 17,
    }
    assert alarms["integration-latency"]["statistic"] == "p99"
    assert alarms["stale-rows"]["namespace"] == "WhatsChat"  # DynamoDB's own metrics ignore missing data


@pytest.mark.parametrize("minutes", [1, 5, 7, 60, 24 * 60])
def test_every_count_falls_into_a_period_of_the_alarm_of_stale_rows(minutes: int) -> None:
    fields = made(open_connections={"every_minutes": minutes})["alarm.stale-rows"].fields
    assert fields["period_s"] >= minutes * 60
    assert fields["period_s"] % 60 == 0
    assert fields["period_s"] * fields["evaluation_periods"] <= MAX_ALARM_RANGE_S


@pytest.mark.parametrize(("minutes", "expression"), [(1, "rate(1 minute)"), (5, "rate(5 minutes)")])
def test_schedule_is_written_as_eventbridge_takes_it(minutes: int, expression: str) -> None:
    resources = made(open_connections={"every_minutes": minutes})
    assert resources["event_rule.open-connections"].fields["schedule"] == expression
    assert resources["function.open-connections"].fields["timeout_s"] == min(900, minutes * 60)


def test_count_may_read_one_table_and_write_its_log() -> None:
    settings = Settings.of({"monitoring": {"enabled": True}})
    rights = {
        (action, str(statement["Resource"]))
        for statement in count_policy(Blueprint(settings, PLACE))["Statement"]
        for action in statement["Action"]
    }
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/websocket-open-connections:*"
    assert rights == {
        ("dynamodb:Scan", "arn:aws:dynamodb:eu-west-1:123456789012:table/websocket-connections"),
        ("logs:CreateLogStream", group),
        ("logs:PutLogEvents", group),
    }


@pytest.mark.parametrize("monitoring", [{}, {"alarms": False}, {"open_connections": {"enabled": False}}])
def test_dashboard_is_valid_names_its_stack_and_has_no_graph_on_another(monitoring: dict[str, Any]) -> None:
    body = made("abc123", **monitoring)["dashboard.monitoring"].fields["body"]
    require_valid(json.dumps(body))
    assert owner_in(body) == "whatschat-local"
    cells = [
        (widget["x"] + x, widget["y"] + y)
        for widget in body["widgets"]
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    metrics = [row for widget in body["widgets"] for row in widget["properties"].get("metrics", [])]
    assert len(metrics) <= 50  # more is billed otherwise


def test_dashboards_of_two_regions_have_two_names() -> None:
    settings = Settings.of({"monitoring": {"enabled": True}})
    names = {Blueprint(settings, Place(region, "1")).names.dashboard for region in ("us-east-1", "eu-west-1")}
    assert names == {"whatschat-local-us-east-1", "whatschat-local-eu-west-1"}


@pytest.mark.parametrize(
    "body",
    [
        "{bad", [], None, {}, {"widgets": None}, {"widgets": {}}, {"widgets": [1, {"properties": 1}]},
        {"widgets": [{"properties": {"markdown": None}}]},
        {"widgets": [{"type": "text", "properties": {"markdown": "by whatschat-ops:stack=whatschat-local"}}]},
    ],
)  # fmt: skip
def test_dashboard_that_does_not_say_so_is_not_ours(body: Any) -> None:
    assert owner_in(body) is None


def test_mark_of_another_stack_is_read_as_that() -> None:
    body = {"widgets": [{"type": "text", "properties": {"markdown": f"x {mark_of('other-local')} y"}}]}
    assert owner_in(body) == "other-local"


def test_alarms_of_a_stack_alone_are_the_operators() -> None:
    (alarm,) = (each for each in made().values() if each.address == "alarm.lost-counts")
    assert Alarm.arns(alarm, PLACE) == ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:whatschat-local/*"]
    assert Dashboard.arn.of(PLACE, "x") == "arn:aws:cloudwatch::123456789012:dashboard/x"


@pytest.mark.parametrize(
    "monitoring",
    [
        {"emails": ["nobody"]},
        {"emails": ["a@b"]},
        {"emails": ["a b@example.com"]},
        {"open_connections": {"every_minutes": 0}},
        {"thresholds": {"stale_rows": 0}},
        {"thresholds": {"stale": 1}},
    ],
)
def test_settings_that_aws_would_refuse_are_refused(monitoring: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, ValueError)):
        Settings.of({"monitoring": monitoring})


# --- costs ------------------------------------------------------------------------------------------------------------


def usage(
    table_bytes: int | None = None, **monitoring: Any
) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    settings = Settings.of({"monitoring": {"enabled": True, **monitoring}})
    found = monthly_usage(settings, table_bytes)
    return {each.rate: (each.quantity, each.per_million_rows) for each in found}


def test_what_is_on_is_what_costs() -> None:
    assert monthly_usage(Settings()) == ()
    million = count_reads(120_000_000, 5)
    assert usage() == {
        "alarms": (12, None), "dashboards": (1, None), "metrics": (2, None), "dynamodb_reads": (None, million),
    }  # fmt: skip
    assert usage(alarms=False, dashboard=False, open_connections={"enabled": False}) == {}
    assert usage(4_097)["dynamodb_reads"][0] == 8_640


@pytest.mark.parametrize(
    ("table_bytes", "minutes", "units"),
    [
        (1, 5, 8_640 * Decimal("0.5")),
        (4_096, 5, 8_640 * Decimal("0.5")),
        (4_097, 5, 8_640),
        (8_192, 1, 43_200),
        (8_192, 7, 6_172),
        (81_920_000, 60, 7_200_000),
    ],
)
def test_reads_of_a_month_follow_from_the_size_of_the_table_and_the_interval(
    table_bytes: int, minutes: int, units: Decimal
) -> None:
    assert count_reads(table_bytes, minutes) == units


def test_a_price_that_is_not_in_the_card_is_not_found_and_not_zero() -> None:
    alarms, *_ = monthly_usage(Settings.of({"monitoring": {"enabled": True}}))
    source = "https://aws.amazon.com/x"
    rate = Rate.of({"unit": "alarm", "per": 1, "tiers": [{"price": "0.10"}], "source": source})
    found = priced(alarms, {"alarms": rate})
    assert (found.usd, found.source) == ("1.20", source)
    without = priced(alarms, {})
    assert (without.usd, without.source) == (None, "price of alarms not found")

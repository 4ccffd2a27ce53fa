"""What AWS may bill for this stack and no component has, each with the reason. docs/cost.md has it as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from whatschat_ops.cost.components import Component
from whatschat_ops.cost.result import NotIncluded
from whatschat_ops.pricing.rates import RateCard

NO_COMPONENT: Final = tuple(
    NotIncluded(service, item, why)
    for service, item, why in (
        ("Lambda", "/tmp up to 512 MB", "free, and what the functions have"),
        ("DynamoDB", "storage and reads of the ledger, the lock and the audit", "below the free 25 GB; few"),
        ("DynamoDB", "exports to S3", "the stack makes none"),
        ("CloudWatch", "API requests but GetMetricData", "1,000,000 a month are free"),
        ("EventBridge", "events of AWS services, scheduled rules", "free"),
        ("SSM", "standard parameters at the standard throughput", "free"),
        ("KMS", "the AWS managed key", "free; its requests are a line"),
        ("SNS", "publishing", "1,000,000 requests a month are free"),
        ("Data transfer", "handshakes, frames, TLS", "not counted by any metric"),
        ("AWS", "taxes, support, discounts", "of the account"),
    )
)


def not_included(components: Iterable[Component], cards: Iterable[RateCard]) -> tuple[NotIncluded, ...]:
    """What no line shows: components without a quantity whose price no card has, and what has no component."""
    priced = {price for card in cards for price in card.rates}
    unpriced = (
        NotIncluded(each.service, each.item, "price not found")
        for each in components
        if each.quantity.amount is None and each.rate not in priced
    )
    return (*unpriced, *NO_COMPONENT)

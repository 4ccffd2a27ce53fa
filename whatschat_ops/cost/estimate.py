"""One month on two rate cards, line by line.

Input: `Usage`, the facts of the stack, the guide's card and AWS's. Output: an `Estimate` in exact Decimal; the
command line rounds. Makes no request and needs no account.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

from whatschat_ops.cost import remarks
from whatschat_ops.cost.coverage import NOT_INCLUDED
from whatschat_ops.cost.quantities import Quantities, Quantity, StackFacts, quantities
from whatschat_ops.cost.result import Card, Estimate, Line, Price, Totals
from whatschat_ops.cost.usage import Usage
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.pricing import ZERO, Charge, FreeTiers, charge
from whatschat_ops.pricing.rates import Rate, RateCard, RateKey, aws_card

PRECISION = 60
"""Digits: products of the largest quantity and the finest price stay exact."""

LINES: tuple[tuple[RateKey, str, str], ...] = (
    ("websocket_messages", "API Gateway WebSocket", "Messages"),
    ("websocket_connection_minutes", "API Gateway WebSocket", "Connection minutes"),
    ("chime_audio", "Chime SDK", "Audio"),
    ("chime_video", "Chime SDK", "Video"),
    ("lambda_requests", "Lambda", "Requests"),
    ("lambda_duration_arm64", "Lambda", "Duration"),
    ("lambda_duration_x86_64", "Lambda", "Duration"),
    ("dynamodb_writes", "DynamoDB", "Writes"),
    ("dynamodb_reads", "DynamoDB", "Reads"),
    ("dynamodb_storage", "DynamoDB", "Storage"),
    ("dynamodb_pitr", "DynamoDB", "Point-in-time recovery"),
    ("logs_ingested_lambda", "CloudWatch Logs", "Functions"),
    ("logs_ingested", "CloudWatch Logs", "Access log"),
    ("logs_stored", "CloudWatch Logs", "Stored"),
    ("logs_scanned", "CloudWatch Logs", "Scanned by Insights"),
    ("data_transfer_out", "Data transfer", "Out to the internet"),
)
"""Rate key, service, item, in the order shown."""


def estimate(
    usage: Usage,
    stack: StackFacts,
    *,
    guide: RateCard,
    aws: RateCard,
    free_tiers: FreeTiers = FreeTiers.ALWAYS,
) -> Estimate:
    """Price a month of `usage` on both cards."""
    with localcontext(prec=PRECISION):
        amounts = quantities(usage, stack)
        lines = _lines(amounts, guide, aws, free_tiers)
        totals = _totals(lines)
        notes = remarks.notes(stack, amounts, lines, totals, aws)
    return Estimate(
        period="month",
        currency="USD",
        free_tiers=free_tiers.value,
        guide_card=_card(guide),
        aws_card=_card(aws),
        lines=lines,
        totals=totals,
        notes=tuple(notes),
        not_included=NOT_INCLUDED,
    )


def _lines(amounts: Quantities, guide: RateCard, aws: RateCard, free_tiers: FreeTiers) -> tuple[Line, ...]:
    guide_used: dict[str, Decimal] = {}
    aws_used: dict[str, Decimal] = {}
    found = []
    for rate, service, item in LINES:
        quantity = amounts.by_rate.get(rate)
        if quantity is None:  # the duration of the other architecture
            continue
        guide_rate, aws_rate = guide.rates.get(rate), aws.rates.get(rate)
        on_guide = _charge(quantity, guide_rate, amounts.message_kb, free_tiers, guide_used)
        on_aws = _charge(quantity, aws_rate, amounts.message_kb, free_tiers, aws_used)
        found.append(
            Line(
                rate=rate,
                service=service,
                item=item,
                unit=(aws_rate or guide_rate or aws_card().rates[rate]).unit,
                quantity=None if quantity.amount is None else plain(quantity.amount),
                basis=quantity.basis,
                guide=on_guide,
                aws=on_aws,
                difference=plain(on_aws.cost - on_guide.cost) if on_aws and on_guide else None,
                guide_price=_price(guide_rate) if guide_rate else None,
                aws_price=_price(aws_rate) if aws_rate else None,
            )
        )
    return tuple(found)


def _charge(
    quantity: Quantity,
    rate: Rate | None,
    message_kb: Decimal,
    free_tiers: FreeTiers,
    used: dict[str, Decimal],
) -> Charge | None:
    if rate is None or quantity.amount is None:
        return None
    return charge(quantity.amount, rate, size_kb=message_kb, free_tiers=free_tiers, used=used)


def _totals(lines: tuple[Line, ...]) -> Totals:
    guide = _sum(line.guide.cost for line in lines if line.guide)
    same = _sum(line.aws.cost for line in lines if line.aws and line.guide)
    return Totals(
        guide=guide,
        aws=_sum(line.aws.cost for line in lines if line.aws),
        aws_on_guide_lines=same,
        difference=plain(same - guide),
        guide_free_tier=_sum(line.guide.saved for line in lines if line.guide),
        aws_free_tier=_sum(line.aws.saved for line in lines if line.aws),
        unknown_lines=sum(line.quantity is None for line in lines),
        not_found_prices=sum(line.aws_price is None for line in lines),
    )


def _sum(costs: Iterable[Decimal]) -> Decimal:
    return plain(sum(costs, ZERO))


def _price(rate: Rate) -> Price:
    return Price(plain(rate.tiers[0].price), plain(rate.per), rate.unit)


def _card(card: RateCard) -> Card:
    return Card(card.title, card.region, card.as_of)

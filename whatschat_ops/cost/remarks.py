"""The notes of an estimate: assumptions, and where and why the guide differs from AWS's list.

Input: the estimate's parts. Output: sentences. Computes nothing that the lines do not already have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal

from whatschat_ops.cost.quantities import Quantities, StackFacts
from whatschat_ops.cost.result import Line, Price, Totals
from whatschat_ops.pricing.amounts import plain, show_amount, show_money, show_price
from whatschat_ops.pricing.pricing import ZERO, metered_units
from whatschat_ops.pricing.rates import RateCard
from whatschat_ops.quotas import MAX_IDLE_S


def notes(
    stack: StackFacts, amounts: Quantities, lines: Sequence[Line], totals: Totals, aws: RateCard
) -> list[str]:
    """The notes of an estimate, most important first."""
    return [
        *_where_the_guide_differs(lines, aws),
        *_guide_free_tier(lines),
        *_what_the_guide_leaves_out(lines),
        *_messages(amounts, lines, aws),
        *_keep_alive(amounts, aws),
        *_free_tiers(totals),
        *_unknown(totals),
        *_region(stack, aws),
    ]


def price_text(price: Price) -> str:
    """A unit price in words: `$0.25 per 1M messages`, `$0.0017 per attendee-minute`."""
    if price.per == 1:
        return f"{show_price(price.amount)} per {price.unit}"
    count = "1M" if price.per == 1_000_000 else show_amount(price.per)
    return f"{show_price(price.amount)} per {count} {price.unit}s"


def _where_the_guide_differs(lines: Iterable[Line], aws: RateCard) -> Iterator[str]:
    for line in lines:
        if not line.quantity or line.guide_price is None or line.aws_price is None:
            continue
        guide_price, aws_price = _unit_price(line.guide_price), _unit_price(line.aws_price)
        if guide_price == aws_price or not guide_price or not aws_price:
            continue
        too = "low" if guide_price < aws_price else "high"
        ratio = max(guide_price, aws_price) / min(guide_price, aws_price)
        remark = aws.rates[line.rate].remark
        yield (
            f"{line.service}, {line.item.lower()}: the guide says {price_text(line.guide_price)}, {aws.title} "
            f"lists {show_price(line.aws_price.amount)}: the guide is {_times(ratio)} times too {too}."
            + (f" {remark}" if remark else "")
        )


def _guide_free_tier(lines: Iterable[Line]) -> Iterator[str]:
    free = [
        line.guide.free for line in lines if line.guide and line.guide.free and line.service == "Chime SDK"
    ]
    if free:
        yield (
            f"The guide deducts {show_amount(sum(free, ZERO))} free attendee-minutes (here: audio first, then "
            "video); AWS's price page has none."
        )


def _what_the_guide_leaves_out(lines: Iterable[Line]) -> Iterator[str]:
    silent = [line for line in lines if line.aws and line.guide_price is None]
    cost = sum((line.aws.cost for line in silent if line.aws), ZERO)
    if cost:
        services = dict.fromkeys(line.service for line in silent)
        yield f"The guide gives no price for {', '.join(services)}: {show_money(cost)} of the AWS total."


def _messages(amounts: Quantities, lines: Iterable[Line], aws: RateCard) -> Iterator[str]:
    messages = next(line for line in lines if line.rate == "websocket_messages")
    rate = aws.rates.get("websocket_messages")
    unit_kb = rate.metered_kb if rate else None
    if not messages.quantity or unit_kb is None:
        return
    if amounts.message_kb_assumed:
        yield f"Message size not given: {show_amount(amounts.message_kb)} KB assumed."
    units = metered_units(amounts.message_kb, unit_kb)
    if units > 1:
        yield (
            f"AWS meters messages in units of {show_amount(unit_kb)} KB: one of {show_amount(amounts.message_kb)} "
            f"KB is billed as {show_amount(units)}."
        )


def _keep_alive(amounts: Quantities, aws: RateCard) -> Iterator[str]:
    extra = amounts.keep_alive_messages
    rate = aws.rates.get("websocket_messages")
    if extra and rate is not None:
        cost = extra * rate.tiers[0].price / rate.per
        yield (
            f"API Gateway closes connections that are idle for {MAX_IDLE_S // 60} minutes. Pings and pongs that keep them open are "
            f"billed as messages: up to {show_amount(extra)} ({show_money(cost)}) more, unless already included."
        )


def _free_tiers(totals: Totals) -> Iterator[str]:
    taken = {"guide": totals.guide_free_tier, "AWS": totals.aws_free_tier}
    if any(taken.values()):
        parts = [f"{show_money(amount)} ({whose})" for whose, amount in taken.items() if amount]
        yield f"Free tiers deducted: {' and '.join(parts)}."


def _unknown(totals: Totals) -> Iterator[str]:
    if totals.unknown_lines:
        one = totals.unknown_lines == 1
        lines = "1 line is" if one else f"{totals.unknown_lines} lines are"
        yield f"{lines} not in the totals: {'its' if one else 'their'} usage was not given."
    if totals.not_found_prices:
        yield f"{totals.not_found_prices} prices of AWS were not found for this Region: their lines are in no total."


def _region(stack: StackFacts, aws: RateCard) -> Iterator[str]:
    if stack.region != aws.region:
        yield f"The prices are those of {aws.region}; the stack is in {stack.region}, where they may differ."


def _unit_price(price: Price) -> Decimal:
    return price.amount / price.per


def _times(ratio: Decimal) -> str:
    return str(plain(ratio.quantize(Decimal("0.1"), ROUND_HALF_UP)))

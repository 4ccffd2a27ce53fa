"""The notes of an estimate: what it needs, assumptions, and where and why the guide differs from AWS's list.

Input: the estimate's parts. Output: sentences. Computes nothing that the lines do not already have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from whatschat_ops.cost.quantities import Traffic
from whatschat_ops.cost.result import Line, Price, Total, lines_without_price
from whatschat_ops.pricing.amounts import plain, show_amount, show_money, show_price
from whatschat_ops.pricing.pricing import ZERO, metered_units
from whatschat_ops.pricing.rates import Rate, RateCard
from whatschat_ops.quotas import MAX_IDLE_S

GUIDE = "Guide"
NEEDS = (
    "Give at least --messages and --connection-minutes; or --users with --hours-per-day and "
    "--messages-per-day; or --meetings with --attendees and --meeting-minutes; or a file with --usage."
)


def notes(
    traffic: Traffic, lines: Sequence[Line], totals: Mapping[str, Total], cards: Mapping[str, RateCard]
) -> list[str]:
    """The notes of an estimate, most important first."""
    others = [name for name in cards if name != GUIDE]
    return [
        *_needs(traffic, totals),
        *(_guide(lines, others[0], cards) if GUIDE in cards and others else ()),
        *_messages(traffic, cards),
        *(_keep_alive(traffic, others[0], cards) if others else ()),
        *_free_tiers(totals),
        *_unknown(totals),
        *_incomplete(lines, [name for name in cards if name != GUIDE] or list(cards)),
        *_region(traffic, cards),
    ]


def notes_of_measured(
    traffic: Traffic, lines: Sequence[Line], totals: Mapping[str, Total], cards: Mapping[str, RateCard]
) -> list[str]:
    """Those that are not about what usage was given or assumed."""
    others = [name for name in cards if name != GUIDE]
    return [
        *(_guide(lines, others[0], cards) if GUIDE in cards and others else ()),
        *_free_tiers(totals),
        *_incomplete(lines, others or list(cards)),
        *_region(traffic, cards),
    ]


def _needs(traffic: Traffic, totals: Mapping[str, Total]) -> Iterator[str]:
    if not traffic.usage.is_given:
        yield f"No usage is given. {NEEDS}"
    elif all(total.cost is None for total in totals.values()):
        yield f"No quantity follows from the usage that is given. {NEEDS}"


def price_text(price: Price) -> str:
    """A unit price in words: `$0.25 per 1M messages`, `$0.0017 per attendee-minute`."""
    if price.per == 1:
        return f"{show_price(price.amount)} per {price.unit}"
    count = "1M" if price.per == 1_000_000 else show_amount(price.per)
    return f"{show_price(price.amount)} per {count} {price.unit}s"


def _guide(lines: Sequence[Line], other: str, cards: Mapping[str, RateCard]) -> Iterator[str]:
    yield from _where_the_guide_differs(lines, other, cards)
    yield from _guide_free_tier(lines)
    silent = lines_without_price(GUIDE, lines)
    cost = sum((line.charges[other].cost or ZERO for line in silent), ZERO)
    if silent:
        services = dict.fromkeys(line.service for line in silent)
        yield f"The guide gives no price for {', '.join(services)}: {show_money(cost)} of the {other} total."


def _where_the_guide_differs(
    lines: Iterable[Line], other: str, cards: Mapping[str, RateCard]
) -> Iterator[str]:
    for line in lines:
        ours, theirs = line.charges[GUIDE].price, line.charges[other].price
        if not line.quantity or ours is None or theirs is None:
            continue
        guide_price, aws_price = ours.amount / ours.per, theirs.amount / theirs.per
        if guide_price == aws_price or not guide_price or not aws_price:
            continue
        too = "low" if guide_price < aws_price else "high"
        ratio = max(guide_price, aws_price) / min(guide_price, aws_price)
        remark = cards[other].rates[line.rate].remark
        yield (
            f"{line.name}: the guide says {price_text(ours)}, {other} "
            f"lists {show_price(theirs.amount)}: the guide is {_times(ratio)} times too {too}."
            + (f" {remark}" if remark else "")
        )


def _guide_free_tier(lines: Iterable[Line]) -> Iterator[str]:
    charges = (line.charges[GUIDE].charge for line in lines if line.service == "Chime SDK")
    free = sum((charge.free for charge in charges if charge), ZERO)
    if free:
        yield (
            f"The guide deducts {show_amount(free)} free attendee-minutes (here: audio first, then "
            "video); AWS's price page has none."
        )


def _messages(traffic: Traffic, cards: Mapping[str, RateCard]) -> Iterator[str]:
    rates = [card.rates.get("websocket_messages") for card in cards.values()]
    unit_kb = next((rate.metered_kb for rate in rates if rate and rate.metered_kb), None)
    if not traffic.messages.amount or unit_kb is None:
        return
    socket = traffic.usage.websocket
    if socket.message_size_kb is None and not socket.message_sizes:
        yield f"Message size not given: {show_amount(traffic.mean_kb)} KB assumed."
    large = {size_kb: units for size_kb in traffic.shares if (units := metered_units(size_kb, unit_kb)) > 1}
    if large:
        counts = ", ".join(
            f"one of {show_amount(size)} KB is billed as {units}" for size, units in large.items()
        )
        yield f"AWS meters messages in units of {show_amount(unit_kb)} KB: {counts}."


def _keep_alive(traffic: Traffic, other: str, cards: Mapping[str, RateCard]) -> Iterator[str]:
    extra = traffic.keep_alive_messages
    rate: Rate | None = cards[other].rates.get("websocket_messages")
    if extra and rate is not None:
        cost = extra * rate.tiers[0].price / rate.per
        yield (
            f"API Gateway closes connections that are idle for {MAX_IDLE_S // 60} minutes. Pings and pongs that keep them open are "
            f"billed as messages: up to {show_amount(extra)} ({show_money(cost)}) more, unless already included."
        )


def _free_tiers(totals: Mapping[str, Total]) -> Iterator[str]:
    parts = [f"{show_money(total.free_tier)} ({name})" for name, total in totals.items() if total.free_tier]
    if parts:
        yield f"Free tiers deducted: {' and '.join(parts)}."


def _unknown(totals: Mapping[str, Total]) -> Iterator[str]:
    unknown = max(total.depends_on_usage for total in totals.values())
    if unknown:
        lines = "1 line is" if unknown == 1 else f"{unknown} lines are"
        yield f"{lines} not in the totals: {'its' if unknown == 1 else 'their'} usage was not given."


def _incomplete(lines: Sequence[Line], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if missing := lines_without_price(name, lines):
            items = "; ".join(line.name for line in missing)
            yield f"{name} has no price for {items}: the month costs at least the sums (≥) of its other lines."


def _region(traffic: Traffic, cards: Mapping[str, RateCard]) -> Iterator[str]:
    others = {card.region for name, card in cards.items() if name != GUIDE}
    if others and traffic.stack.region not in others:
        yield (
            f"The prices are those of {', '.join(sorted(others))}; the stack is in {traffic.stack.region}, "
            "where they may differ."
        )


def _times(ratio: Decimal) -> str:
    return str(plain(ratio.quantize(Decimal("0.1"), ROUND_HALF_UP)))

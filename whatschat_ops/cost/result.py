"""The results of `cost`, as `--json` shows them. Money and quantities are exact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from whatschat_ops.pricing.amounts import Amount, plain
from whatschat_ops.pricing.pricing import Charge
from whatschat_ops.pricing.rates import Rate, RateCard, RateKey, Tier


@dataclass(frozen=True, slots=True)
class Card:
    """The prices that were used."""

    title: str
    region: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Price:
    """The first tier's price, for a line whose quantity is unknown."""

    amount: Decimal
    per: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Line:
    """One billed item. `quantity` None: unknown; `guide_price` and `aws_price` are the unit prices."""

    rate: RateKey
    service: str
    item: str
    unit: str
    quantity: Decimal | None
    basis: str
    """How the quantity was derived; empty when it was given."""
    guide: Charge | None
    """None when the quantity is unknown or the guide has no price."""
    aws: Charge | None
    difference: Decimal | None
    """AWS minus guide, where both are known."""
    guide_price: Price | None
    aws_price: Price | None
    """None: AWS's price in this Region is not known, and no total has the line."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of the known lines."""

    guide: Decimal
    aws: Decimal
    aws_on_guide_lines: Decimal
    """AWS's price of the lines that the guide prices too."""
    difference: Decimal
    """`aws_on_guide_lines` minus `guide`: the same lines on both cards."""
    guide_free_tier: Decimal
    """What the free units saved."""
    aws_free_tier: Decimal
    unknown_lines: int
    """Lines without a quantity, which no sum includes."""
    not_found_prices: int
    """Lines without a price of AWS in this Region."""


@dataclass(frozen=True, slots=True)
class NotIncluded:
    """An item of the bill that no line has, and why."""

    service: str
    item: str
    why: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """One month, in US dollars."""

    period: str
    currency: str
    free_tiers: str
    guide_card: Card
    aws_card: Card
    lines: tuple[Line, ...]
    totals: Totals
    notes: tuple[str, ...]
    not_included: tuple[NotIncluded, ...]
    """What AWS may bill for this stack beside the lines."""


@dataclass(frozen=True, slots=True)
class RateRow:
    """One price on both cards, for `cost rates show`."""

    rate: str
    unit: str
    per: Decimal
    guide: tuple[Tier, ...] | None
    aws: tuple[Tier, ...]
    free: Decimal | None
    """AWS's free units a month."""
    free_kind: str | None
    source: str
    as_of: date
    sku: str = ""
    offer_version: str = ""


def rate_rows(guide: RateCard, aws: RateCard) -> list[RateRow]:
    """Both cards, rate by rate."""
    return [
        RateRow(
            rate=key,
            unit=rate.unit,
            per=plain(rate.per),
            guide=_tiers(guide.rates[key]) if key in guide.rates else None,
            aws=_tiers(rate),
            free=plain(rate.free.quantity) if rate.free else None,
            free_kind=rate.free.kind if rate.free else None,
            source=rate.source,
            as_of=rate.as_of or aws.as_of,
            sku=rate.sku,
            offer_version=_offer(rate, aws),
        )
        for key, rate in aws.rates.items()
    ]


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card that is known, for `cost rates list`."""

    region: str
    title: str
    as_of: date
    prices: int
    file: str


@dataclass(frozen=True, slots=True)
class RateChange:
    """A rate that two cards have differently; None where one has none."""

    rate: str
    a: tuple[Tier, ...] | None
    b: tuple[Tier, ...] | None


def rate_changes(a: RateCard, b: RateCard) -> list[RateChange]:
    """The rates whose prices differ between two cards."""
    keys = dict.fromkeys([*a.rates, *b.rates])
    rows = [
        RateChange(key, *(_tiers(card.rates[key]) if key in card.rates else None for card in (a, b)))
        for key in keys
    ]
    return [row for row in rows if _prices(row.a) != _prices(row.b)]


def _prices(tiers: tuple[Tier, ...] | None) -> list[tuple[Decimal, Decimal | None]] | None:
    return None if tiers is None else [(tier.price, tier.up_to) for tier in tiers]


def _offer(rate: Rate, card: RateCard) -> str:
    service = next((service for service in card.offers if f"/{service}/" in rate.source), "")
    return card.offers.get(service, "")


def _tiers(rate: Rate) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            Amount(plain(tier.price)),
            None if tier.up_to is None else Amount(plain(tier.up_to)),
            tier.rate_code,
        )
        for tier in rate.tiers
    )

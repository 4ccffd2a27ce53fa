"""The prices of cards as `cost rates` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import get_args

from whatschat_ops.pricing.amounts import Amount, plain
from whatschat_ops.pricing.rates import Rate, RateCard, RateKey, Tier


@dataclass(frozen=True, slots=True)
class RateRow:
    """One price on both cards. `sku`, `usage_type` and `offer_version`: None where the source of the price names none."""

    rate: str
    unit: str
    per: Decimal
    guide: tuple[Tier, ...] | None
    aws: tuple[Tier, ...] | None
    """None: not found."""
    free: Decimal | None
    """AWS's free units a month."""
    free_kind: str
    """"always", "first_year" (of an account, twelve months) or "none"."""
    source: str
    as_of: date | None
    sku: str | None = None
    usage_type: str | None = None
    offer_version: str | None = None


def rate_rows(guide: RateCard, aws: RateCard) -> list[RateRow]:
    """Both cards, rate by rate: every one that a card can have, so that what AWS's does not have is seen to be not found."""
    return [_row(key, guide.rates.get(key), aws.rates.get(key), aws) for key in get_args(RateKey)]


def _row(key: RateKey, guide: Rate | None, aws: Rate | None, card: RateCard) -> RateRow:
    some = aws or guide
    return RateRow(
        rate=key,
        unit=some.unit if some else "",
        per=plain(some.per) if some else Decimal(1),
        guide=_tiers(guide) if guide else None,
        aws=_tiers(aws) if aws else None,
        free=plain(aws.free.quantity) if aws and aws.free else None,
        free_kind=aws.free.kind if aws and aws.free else "none",
        source=aws.source if aws else "",
        as_of=(aws.as_of or card.as_of) if aws else None,
        sku=(aws.sku or None) if aws else None,
        usage_type=(aws.usage_type or None) if aws else None,
        offer_version=(_offer(aws, card) or None) if aws else None,
    )


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

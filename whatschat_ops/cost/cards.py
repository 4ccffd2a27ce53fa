"""The prices of cards as `cost rates` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from whatschat_ops.pricing.amounts import Amount, plain
from whatschat_ops.pricing.rates import Rate, RateCard, Tier


@dataclass(frozen=True, slots=True)
class RateRow:
    """One price on both cards. `sku`, `usage_type` and `offer_version`: None where the source of the price names none."""

    rate: str
    unit: str
    per: Decimal
    guide: tuple[Tier, ...] | None
    aws: tuple[Tier, ...]
    free: Decimal | None
    """AWS's free units a month."""
    free_kind: str
    """"always", "first_year" (of an account, twelve months) or "none"."""
    source: str
    as_of: date
    sku: str | None = None
    usage_type: str | None = None
    offer_version: str | None = None


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
            free_kind=rate.free.kind if rate.free else "none",
            source=rate.source,
            as_of=rate.as_of or aws.as_of,
            sku=rate.sku or None,
            usage_type=rate.usage_type or None,
            offer_version=_offer(rate, aws) or None,
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

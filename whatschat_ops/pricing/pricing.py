"""From a quantity and a rate to money: metering, free tiers, tiers. Pure functions on Decimal.

metered_units(33, 32)                 == 2                33 KB are two units of 32 KB
split(1_500, up_to=[1_000, None])     == [1_000, 500]     the first thousand, and the rest
split(800, up_to=[1_000, None])       == [800, 0]
split(0, up_to=[None])                == [0]
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import Enum

from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.rates import FreeTier, Rate

ZERO = Decimal(0)


class FreeTiers(Enum):
    """Which free tiers are deducted."""

    NONE = "none"
    ALWAYS = "always"
    FIRST_YEAR = "first_year"
    """The permanent ones, and those of an account's first twelve months."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The part of a quantity that falls into one tier, and its price for `per` units."""

    quantity: Decimal
    price: Decimal
    per: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Charge:
    """What a quantity costs on one card. `billed` = `free` + the buckets."""

    cost: Decimal
    billed: Decimal
    """Units after metering."""
    free: Decimal
    free_kind: str | None
    saved: Decimal
    """What the free units would have cost."""
    buckets: tuple[Bucket, ...]


def metered_units(size_kb: Decimal, unit_kb: Decimal) -> Decimal:
    """How many units of `unit_kb` a message of `size_kb` is billed as: rounded up, and at least one."""
    return max(Decimal(1), (size_kb / unit_kb).to_integral_value(ROUND_CEILING))


def split(quantity: Decimal, up_to: Sequence[Decimal | None]) -> list[Decimal]:
    """How much of `quantity` falls into each tier. The parts add up to the whole."""
    parts: list[Decimal] = []
    floor = ZERO
    for limit in up_to:
        ceiling = quantity if limit is None else min(quantity, limit)
        parts.append(max(ZERO, ceiling - floor))
        floor = quantity if limit is None else limit
    return parts


def cost_of(quantity: Decimal, rate: Rate) -> tuple[Bucket, ...]:
    """`quantity` units, tier by tier."""
    parts = split(quantity, [tier.up_to for tier in rate.tiers])
    return tuple(
        Bucket(plain(part), tier.price, rate.per, plain(part * tier.price / rate.per))
        for part, tier in zip(parts, rate.tiers, strict=True)
    )


def charge(
    quantity: Decimal,
    rate: Rate,
    *,
    size_kb: Decimal = ZERO,
    free_tiers: FreeTiers = FreeTiers.ALWAYS,
    used: MutableMapping[str, Decimal] | None = None,
) -> Charge:
    """What `quantity` costs. `size_kb` is the size of each, for a rate that meters.

    `used`: how much of each shared pool has been used; this call adds to it.
    """
    units = quantity * metered_units(size_kb, rate.metered_kb) if rate.metered_kb else quantity
    free = _take_free(units, rate.free, free_tiers, {} if used is None else used)
    buckets = cost_of(units - free, rate)
    cost = _total(buckets)
    return Charge(
        cost=plain(cost),
        billed=plain(units),
        free=plain(free),
        free_kind=rate.free.kind if rate.free and free else None,
        saved=plain(_total(cost_of(units, rate)) - cost),
        buckets=buckets,
    )


def _take_free(
    units: Decimal, free: FreeTier | None, free_tiers: FreeTiers, used: MutableMapping[str, Decimal]
) -> Decimal:
    if free is None or free_tiers is FreeTiers.NONE:
        return ZERO
    if free.kind == "first_year" and free_tiers is not FreeTiers.FIRST_YEAR:
        return ZERO
    gone = used.get(free.pool, ZERO) if free.pool else ZERO
    taken = min(units, max(ZERO, free.quantity - gone))
    if free.pool:
        used[free.pool] = gone + taken
    return taken


def _total(buckets: Sequence[Bucket]) -> Decimal:
    return sum((bucket.cost for bucket in buckets), ZERO)

"""From a quantity and a rate to money: metering, free tiers, tiers. Pure functions on Decimal.

metered_units(33, 32)                 == 2                33 KB are two units of 32 KB
split(1_500, up_to=[1_000, None])     == [1_000, 500]     the first thousand, and the rest
split(800, up_to=[1_000, None])       == [800, 0]
split(0, up_to=[None])                == [0]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import Enum

from whatschat_ops.pricing.amounts import Usd, plain
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
    price: Usd
    per: Decimal
    cost: Usd


@dataclass(frozen=True, slots=True)
class Charge:
    """What a quantity costs on one card. `billed` = `free` + the buckets."""

    cost: Usd
    billed: Decimal
    """Units after metering."""
    free: Decimal
    free_kind: str | None
    saved: Usd
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


def cost_of(quantity: Decimal, rate: Rate, *, before: Decimal = ZERO) -> tuple[Bucket, ...]:
    """`quantity` units, tier by tier, after `before` units of the same month."""
    limits = [tier.up_to for tier in rate.tiers]
    parts = zip(split(before + quantity, limits), split(before, limits), rate.tiers, strict=True)
    return tuple(
        Bucket(plain(whole - first), tier.price, rate.per, plain((whole - first) * tier.price / rate.per))
        for whole, first, tier in parts
    )


@dataclass(slots=True)
class Month:
    """What one card has charged so far in a month: free units and tiers are of the account, not of one line of its bill."""

    free_tiers: FreeTiers = FreeTiers.ALWAYS
    _free: dict[str, Decimal] = field(default_factory=dict)
    _billed: dict[str, Decimal] = field(default_factory=dict)
    _charged: dict[str, Decimal] = field(default_factory=dict)

    def charge(self, key: str, rate: Rate, sizes: Mapping[Decimal, Decimal]) -> Charge:
        """What these units cost after those before. `sizes`: KB of one -> how many, for a rate that meters."""
        units = sum((count * _units_of(size_kb, rate) for size_kb, count in sizes.items()), ZERO)
        billed, charged = self._billed.get(key, ZERO), self._charged.get(key, ZERO)
        free = self._take_free(key, units, rate.free)
        self._billed[key], self._charged[key] = billed + units, charged + units - free
        buckets = cost_of(units - free, rate, before=charged)
        cost = _total(buckets)
        return Charge(
            cost=plain(cost),
            billed=plain(units),
            free=plain(free),
            free_kind=rate.free.kind if rate.free and free else None,
            saved=plain(_total(cost_of(units, rate, before=billed)) - cost),
            buckets=buckets,
        )

    def _take_free(self, key: str, units: Decimal, free: FreeTier | None) -> Decimal:
        if free is None or self.free_tiers is FreeTiers.NONE:
            return ZERO
        if free.kind == "first_year" and self.free_tiers is not FreeTiers.FIRST_YEAR:
            return ZERO
        pool = free.pool or key
        gone = self._free.get(pool, ZERO)
        taken = min(units, max(ZERO, free.quantity - gone))
        self._free[pool] = gone + taken
        return taken


def charge(
    quantity: Decimal, rate: Rate, *, size_kb: Decimal = ZERO, free_tiers: FreeTiers = FreeTiers.ALWAYS
) -> Charge:
    """What `quantity` costs in a month without other usage. `size_kb` is the size of each, for a rate that meters."""
    return Month(free_tiers).charge("", rate, {size_kb: quantity})


def _units_of(size_kb: Decimal, rate: Rate) -> Decimal:
    return metered_units(size_kb, rate.metered_kb) if rate.metered_kb else Decimal(1)


def _total(buckets: Sequence[Bucket]) -> Decimal:
    return sum((bucket.cost for bucket in buckets), ZERO)

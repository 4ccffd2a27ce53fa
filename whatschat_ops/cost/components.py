"""The components of a month's bill: what AWS meters for each resource of the stack, how much of it, and which price it has.

Input: `Usage` and the facts of the stack. Output: components; several can have one price, whose tiers and free units they
share. No prices here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from whatschat_ops.cost.quantities import Quantity
from whatschat_ops.pricing.rates import RateKey


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that AWS meters. `quantity.amount` None: how much is unknown."""

    service: str
    item: str
    rate: RateKey
    unit: str
    quantity: Quantity
    shares: Mapping[Decimal, Decimal] = field(default_factory=dict)
    """KB of one -> its share of the quantity, where the size counts."""

    @property
    def sizes(self) -> Mapping[Decimal, Decimal]:
        """KB of one -> how many. Raises ValueError if the quantity is unknown."""
        if self.quantity.amount is None:
            raise ValueError(f"the quantity of {self.service}, {self.item} is unknown")
        amount = self.quantity.amount
        return {
            size_kb: amount * share for size_kb, share in (self.shares or {Decimal(0): Decimal(1)}).items()
        }

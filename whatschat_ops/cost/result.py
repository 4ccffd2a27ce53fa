"""The results of `cost`, as `--json` shows them. Money and quantities are exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from whatschat_ops.pricing.amounts import Usd
from whatschat_ops.pricing.pricing import Charge
from whatschat_ops.pricing.rates import RateKey


@dataclass(frozen=True, slots=True)
class Card:
    """The prices that were used. `name`: under which `charges` and `totals` have them."""

    name: str
    title: str
    region: str
    as_of: date


@dataclass(frozen=True, slots=True)
class Price:
    """The first tier's price, for `per` units."""

    amount: Usd
    per: Decimal
    unit: str


class State(Enum):
    """Of a line on a card. Only one that is priced is in the card's total."""

    PRICED = "priced"
    DEPENDS_ON_USAGE = "depends on usage"
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class OnCard:
    """A line on one card. `charge` has its free units and tiers, and is None unless the line is priced."""

    state: State
    price: Price | None
    charge: Charge | None

    @property
    def cost(self) -> Decimal | None:
        """None unless the line is priced."""
        return self.charge.cost if self.charge else None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that AWS meters. `quantity` None: unknown. `basis`: how it was derived; empty when it was given."""

    rate: RateKey
    service: str
    item: str
    unit: str
    quantity: Decimal | None
    basis: str
    charges: Mapping[str, OnCard]
    """Card -> what the line costs there."""

    @property
    def name(self) -> str:
        """Service and item in a sentence."""
        item = (
            self.item
            if not self.item[1:2].islower() or self.item == "Live Tail"
            else self.item[:1].lower() + self.item[1:]
        )
        return f"{self.service}, {item}"


def lines_without_price(card: str, lines: Iterable[Line]) -> list[Line]:
    """The lines of which there is some, and which the total of this card does not have."""
    return [line for line in lines if line.quantity and line.charges[card].state is State.NOT_FOUND]


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of the lines that a card prices. `cost` None: no usage is known."""

    cost: Usd | None
    common: Usd
    """Of the lines that every card prices."""
    free_tier: Usd
    """What the free units saved."""
    per_user: Usd | None
    per_1000_messages: Decimal | None
    """Without Chime's lines."""
    per_call_minute: Usd | None
    """Chime's lines, for each minute of a meeting with all who attend it."""
    depends_on_usage: int
    """Lines without a quantity."""
    not_found: int
    """Lines with a quantity, whose price the card does not have."""
    complete: bool
    """Whether the card prices every line of which there is some. If not, the month costs at least these sums."""


@dataclass(frozen=True, slots=True)
class NotIncluded:
    """An item of the bill that no total has, and why."""

    service: str
    item: str
    why: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """One month, in US dollars."""

    period: str
    currency: str
    free_tiers: str
    cards: tuple[Card, ...]
    lines: tuple[Line, ...]
    totals: Mapping[str, Total]
    """Card -> its sums."""
    notes: tuple[str, ...]
    not_included: tuple[NotIncluded, ...]
    """What AWS may bill for this stack beside the lines."""

    @property
    def limited(self) -> dict[str, Total]:
        """Card -> what a limit counts for: every card but the guide's, which counts where it stands alone."""
        names = [card.name for card in self.cards if card.title != "Guide"] or list(self.totals)
        return {name: self.totals[name] for name in names}

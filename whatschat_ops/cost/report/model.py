"""What a bill is when users, messages or fan-out change: for the sliders of the page, as numbers that a few lines can add up.

Every billed quantity is affine in three numbers: users, messages, and the messages that clients send (messages / (1 + fan-out),
rounded up). Its four coefficients are found by pricing four months, so that nothing of the derivation is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import Any, Final

from msgspec.structs import replace

from whatschat_ops.cost.estimate import estimate, names_of
from whatschat_ops.cost.quantities import StackFacts, traffic
from whatschat_ops.cost.result import Estimate
from whatschat_ops.cost.usage import Usage
from whatschat_ops.pricing.amounts import Amount, plain
from whatschat_ops.pricing.pricing import FreeTiers
from whatschat_ops.pricing.rates import Rate, RateCard

STEP: Final = Decimal(1_000_000)
"""Quantities are compared at points so far apart; the rounding of a quantity to whole units vanishes in it."""
MESSAGES: Final = "websocket_messages"


@dataclass(frozen=True, slots=True)
class Position:
    """Of the sliders."""

    users: Decimal
    messages: Decimal
    fan_out: Decimal

    @property
    def inbound(self) -> Decimal:
        """Messages that clients send."""
        sent = (self.messages / (1 + self.fan_out)).to_integral_value(ROUND_CEILING)
        return min(self.messages, sent)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A usage, on cards, whose users, messages and fan-out can be moved."""

    usage: Usage
    stack: StackFacts
    cards: Sequence[RateCard]
    free_tiers: FreeTiers

    @property
    def position(self) -> Position | None:
        """Where the sliders stand at first; None when the usage has no messages to move."""
        whole = traffic(self.usage, self.stack)
        messages, sent = whole.messages.amount, whole.inbound.amount
        if not messages or not sent:
            return None
        given = self.usage.websocket.fan_out
        # A ratio of its own, shown with three places: what it gives may be one message more.
        fan_out = given if given is not None else (messages / sent - 1).quantize(Decimal("0.001"))
        return Position(self.usage.websocket.users or Decimal(0), messages, plain(fan_out))

    @property
    def has_users(self) -> bool:
        """Whether anything follows from the number of users."""
        return self.usage.websocket.users is not None

    def at(self, position: Position) -> Estimate:
        """The month at a position."""
        return self._priced(position.users, position.messages, position.inbound)

    def _priced(self, users: Decimal, messages: Decimal, inbound: Decimal) -> Estimate:
        socket = replace(
            self.usage.websocket,
            messages=Amount(messages),
            inbound_messages=Amount(inbound),
            messages_per_day=None,
            fan_out=None,
            users=Amount(users) if self.has_users else None,
        )
        usage = replace(self.usage, websocket=socket)
        return estimate(usage, self.stack, self.cards, free_tiers=self.free_tiers)

    def document(self) -> dict[str, Any]:
        """The prices and quantities that the page's script adds up, as JSON has them."""
        names = names_of(self.cards)
        corners = [
            self._priced(*corner)
            for corner in (
                (STEP, 2 * STEP, STEP),
                (2 * STEP, 2 * STEP, STEP),
                (STEP, 3 * STEP, STEP),
                (STEP, 2 * STEP, 2 * STEP),
            )
        ]
        return {
            "lines": [
                [lines[0].service, _affine([line.quantity for line in lines])]
                for lines in zip(*(corner.lines for corner in corners), strict=True)
            ],
            "cards": [
                {"name": name, "lines": self._lines(name, card, corners)}
                for name, card in zip(names, self.cards, strict=True)
            ],
        }

    def _lines(self, name: str, card: RateCard, corners: Sequence[Estimate]) -> list[dict[str, Any] | None]:
        found: list[dict[str, Any] | None] = []
        for lines in zip(*(corner.lines for corner in corners), strict=True):
            billed = [charge.billed if (charge := line.charges[name].charge) else None for line in lines]
            rate = card.rates.get(lines[0].rate)
            known = [each for each in billed if each is not None]
            priced = rate is not None and len(known) == len(billed)
            found.append(self._line(lines[0].rate, rate, known) if rate is not None and priced else None)
        return found

    def _line(self, key: str, rate: Rate, billed: Sequence[Decimal]) -> dict[str, Any]:
        return {
            "key": key,
            "units": _affine(billed),
            "per": float(rate.per),
            "tiers": [
                [float(tier.price), None if tier.up_to is None else float(tier.up_to)] for tier in rate.tiers
            ],
            "free": self._free(key, rate),
        }

    def _free(self, key: str, rate: Rate) -> list[Any] | None:
        free = rate.free
        if free is None or self.free_tiers is FreeTiers.NONE:
            return None
        if free.kind == "first_year" and self.free_tiers is not FreeTiers.FIRST_YEAR:
            return None
        return [free.pool or key, float(free.quantity)]

    def edges(self) -> list[tuple[Decimal, str]]:
        """Messages of a month at which the next one has another price, lowest first, with the card and the new price."""
        found = []
        for card in self.document()["cards"]:
            for line in card["lines"]:
                if line is None or line["key"] != MESSAGES or not line["units"][2]:
                    continue
                free = line["free"][1] if line["free"] else 0
                limits = [(0, line["tiers"][0][0])] if free else []
                limits += [(top, price) for (_, top), (price, _) in pairwise(line["tiers"])]
                for top, price in limits:
                    at = Decimal((free + top - line["units"][0]) / line["units"][2]).quantize(Decimal(1))
                    found.append((at, f"{card['name']}: then {_price(price, line['per'])}"))
        return sorted(found)


def _affine(values: Sequence[Decimal | None]) -> list[float] | None:
    """Constant, and slopes by users, messages and messages from clients, of the values at the four corners."""
    known = [each for each in values if each is not None]
    if len(known) < len(values):
        return None
    base, *others = known
    slopes = [(each - base) / STEP for each in others]
    constant = base - STEP * slopes[0] - 2 * STEP * slopes[1] - STEP * slopes[2]
    return [float(each) for each in (constant, *slopes)]


def _price(price: float, per: float) -> str:
    return f"${price:g} per {per:,.0f}"

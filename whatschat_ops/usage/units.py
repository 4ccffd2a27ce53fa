"""An estimate as billed units of each price, and the usage types that bills have for prices. Pure."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from whatschat_ops.cost.result import Estimate
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.pricing.offers import PRICES
from whatschat_ops.pricing.pricing import ZERO
from whatschat_ops.pricing.rates import HOME_REGION, Rate, RateCard, RateKey
from whatschat_ops.usage.bills.prices import ATTENDEES, PREFIXES, one_of_meetings

SMALLEST: Final = Decimal("1e-9")
"""No meter is finer."""
_MARKED: Final[frozenset[RateKey]] = frozenset(
    ["websocket_messages", "websocket_connection_minutes", "dynamodb_streams"]
)
"""Services that are younger than the billing codes of Regions have one in us-east-1 as well."""
COMPARABLE: Final[tuple[RateKey, ...]] = (*PRICES, ATTENDEES, "chime_video")
"""Prices whose usage type is known, or can be found in a bill."""


def billed_units(estimate: Estimate, card: RateCard, share: Decimal = Decimal(1)) -> dict[RateKey, Decimal]:
    """Price -> units after metering, of all lines that have it, times `share`. Prices of the card only."""
    units: defaultdict[RateKey, Decimal] = defaultdict(lambda: ZERO)
    for line in estimate.lines:
        charge = next((on.charge for name, on in line.charges.items() if on.charge and name != "Guide"), None)
        if line.quantity is not None and line.rate in card.rates and line.rate in COMPARABLE:
            units[one_of_meetings(line.rate)] += charge.billed if charge else line.quantity
    return {key: plain((amount * share).quantize(SMALLEST)) for key, amount in units.items()}


def unmetered(rate: Rate) -> Rate:
    """The rate for units that are metered already."""
    return replace(rate, metered_kb=None)


def usage_type_of(key: RateKey, card: RateCard) -> str | None:
    """How bills of the card's Region name it: as the card says, else with the Region's billing code. None: not known."""
    if known := card.rates[key].usage_type:
        return known
    price = PRICES.get(key)
    if price is None:
        return None
    if price.service == "awskms":
        return f"{card.region}-{price.usage_type}"
    if card.region == HOME_REGION and key not in _MARKED:
        return price.usage_type
    code = PREFIXES.get(card.region)
    return f"{code.partition('|')[0]}-{price.usage_type}" if code else None

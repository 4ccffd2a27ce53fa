"""Usage types of a bill -> the prices of this stack's rate card. What has none is another service's, and is counted as such."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from whatschat_ops.pricing.offers import ATTENDEE_MINUTE, CHIME_SERVICES, OTHER_MEETINGS, PRICES, PriceOf
from whatschat_ops.pricing.rates import RateCard, RateKey
from whatschat_ops.usage.bills.bill import BillLine

PREFIXES: Final[Mapping[str, str]] = {
    "us-east-1": "USE1", "us-east-2": "USE2", "us-west-1": "USW1", "us-west-2": "USW2", "ca-central-1": "CAN1",
    "eu-west-1": "EU|EUW1", "eu-west-2": "EUW2", "eu-west-3": "EUW3", "eu-central-1": "EUC1", "eu-north-1": "EUN1",
    "eu-south-1": "EUS1", "ap-northeast-1": "APN1", "ap-northeast-2": "APN2", "ap-northeast-3": "APN3",
    "ap-southeast-1": "APS1", "ap-southeast-2": "APS2", "ap-south-1": "APS3", "sa-east-1": "SAE1",
}  # fmt: skip
"""Region -> how its usage types begin (AWS Billing User Guide, "Region billing codes"); us-east-1's mostly have nothing there."""
_PREFIX: Final = re.compile(r"(?P<code>EU|[A-Z]{2,3}\d)-|(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)-|Global-")
_ARM: Final = "(-ARM)?"
"""Lambda has a usage type of its own for the requests and the storage of arm64, at the same price."""
_EITHER: Final = ("lambda_requests", "lambda_storage")
ATTENDEES: Final[RateKey] = "chime_audio"
"""The bill does not tell attendee-minutes with video from those without: they have one price."""
_SENDERS: Final = "data_transfer_out"
"""Traffic stands in a bill under the service that sends it."""


def rate_of(line: BillLine, card: RateCard, region: str) -> RateKey | None:
    """The price of a line of usage; None for another service, another usage type, another Region."""
    if not is_in(line, region):
        return None
    rest = _PREFIX.sub("", line.usage_type, count=1) if _PREFIX.match(line.usage_type) else line.usage_type
    for key, price in PRICES.items():
        arm = _ARM if key in _EITHER else ""
        if re.fullmatch(re.escape(price.usage_type) + arm, rest) and _is_of(line, key, price):
            return key
    return _meetings(line, card)


def is_in(line: BillLine, region: str) -> bool:
    """Whether usage is in the Region: by its Region where the bill has one, else by the prefix of its usage type."""
    if line.usage_type.startswith("Global-"):
        return True
    if line.region:
        return line.region == region
    found = _PREFIX.match(line.usage_type)
    if found is None:
        return region == "us-east-1"
    if found["region"]:
        return found["region"] == region
    known = PREFIXES.get(region)
    return known is None or found["code"] in known.split("|")


def _is_of(line: BillLine, key: RateKey, price: PriceOf) -> bool:
    """An empty service or operation says nothing: Cost Explorer may not have been asked for it."""
    service = key == _SENDERS or line.service in ("", price.service)
    return service and (not price.operation or line.operation in ("", price.operation))


def _meetings(line: BillLine, card: RateCard) -> RateKey | None:
    """Attendee-minutes: no public source names their usage type. A refreshed card has it; else the description tells them."""
    if line.service not in ("", *CHIME_SERVICES):
        return None
    known = card.rates.get(ATTENDEES)
    if known is not None and known.usage_type:
        return ATTENDEES if line.usage_type == known.usage_type else None
    text = f"{line.description} {line.usage_type}"
    return ATTENDEES if ATTENDEE_MINUTE.search(text) and not OTHER_MEETINGS.search(text) else None


def one_of_meetings(key: RateKey) -> RateKey:
    """The price under which a bill has this one."""
    return ATTENDEES if key == "chime_video" else key

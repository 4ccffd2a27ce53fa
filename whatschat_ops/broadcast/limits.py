"""How fast an account may post.

Source: "Amazon API Gateway quotas" in its developer guide, "Account-level throttling": a token bucket for an account and
Region that HTTP, REST and WebSocket APIs and @connections share. The rate can be raised on request (quota L-8A5B8E43);
the burst follows from it and cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class RateLimit(NamedTuple):
    """A token bucket: `burst` requests at once after a pause, `rate_per_s` from then on."""

    rate_per_s: float
    burst: int


STANDARD: Final = RateLimit(10_000, 5_000)
SMALL: Final = RateLimit(2_500, 1_250)

_SMALL_REGIONS: Final[Mapping[str, str]] = {
    "af-south-1": "Cape Town",
    "ap-south-2": "Hyderabad",
    "ap-southeast-3": "Jakarta",
    "ap-southeast-4": "Melbourne",
    "ap-southeast-5": "Malaysia",
    "ap-southeast-7": "Thailand",
    "ca-west-1": "Calgary",
    "eu-central-2": "Zurich",
    "eu-south-1": "Milan",
    "eu-south-2": "Spain",
    "il-central-1": "Tel Aviv",
    "me-central-1": "UAE",
    "mx-central-1": "Mexico",
}


def account_limit(region: str) -> RateLimit:
    """What an account has in a Region before anybody raises it."""
    return SMALL if region in _SMALL_REGIONS else STANDARD


def send_limit(region: str, rate_per_s: float | None, burst: int | None) -> RateLimit:
    """The limit to keep to: what the settings say, else the Region's. A lower rate lowers the burst with it."""
    default = account_limit(region)
    rate = default.rate_per_s if rate_per_s is None else rate_per_s
    in_proportion = max(1, round(default.burst * min(1.0, rate / default.rate_per_s)))
    return RateLimit(rate, in_proportion if burst is None else burst)

"""How fast a broadcast may post: what the settings say, within what an account has in its Region (`quotas.API_REQUESTS`)."""

from __future__ import annotations

from whatschat_ops.quotas import RateLimit, account_limit


def send_limit(region: str, rate_per_s: float | None, burst: int | None) -> RateLimit:
    """The limit to keep to: what the settings say, else the Region's. A lower rate lowers the burst with it."""
    default = account_limit(region)
    rate = default.rate_per_s if rate_per_s is None else rate_per_s
    in_proportion = max(1, round(default.burst * min(1.0, rate / default.rate_per_s)))
    return RateLimit(rate, in_proportion if burst is None else burst)

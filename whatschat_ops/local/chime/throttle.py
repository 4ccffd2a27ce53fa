"""Chime's API rate: each operation has its own token bucket, per account and Region."""

from __future__ import annotations

from collections.abc import Callable

from whatschat_ops.local.chime.fault import ChimeFault
from whatschat_ops.quotas import CHIME_API


class ApiRate:
    """Token buckets, one per key. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, region: str, operation: str) -> None:
        """Count one call. Raises ThrottlingException (429) when the bucket is empty."""
        now = self._clock()
        tokens, since = self._buckets.get((region, operation), (float(CHIME_API.burst), now))
        # A clock that is set back must not empty the bucket.
        tokens = min(float(CHIME_API.burst), tokens + max(0.0, now - since) * CHIME_API.rate_per_s)
        allowed = tokens >= 1.0
        self._buckets[region, operation] = (tokens - 1.0 if allowed else tokens, now)
        if not allowed:
            raise ChimeFault("ThrottlingException", f"Rate exceeded for {operation}")

"""Chime's API rate: every operation has a bucket of 20 calls, refilled at 10 a second, per account and Region.

Source: AWS General Reference, "Amazon Chime SDK endpoints and quotas".
"""

from __future__ import annotations

from collections.abc import Callable

from whatschat_ops.local.chime.fault import ChimeFault

RATE_PER_S = 10.0
BURST = 20.0


class ApiRate:
    """Token buckets, one per key. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, region: str, operation: str) -> None:
        """Count one call. Raises ThrottlingException (429) when the bucket is empty."""
        now = self._clock()
        tokens, since = self._buckets.get((region, operation), (BURST, now))
        # A clock set back must not empty the bucket.
        tokens = min(BURST, tokens + max(0.0, now - since) * RATE_PER_S)
        allowed = tokens >= 1.0
        self._buckets[region, operation] = (tokens - 1.0 if allowed else tokens, now)
        if not allowed:
            raise ChimeFault("ThrottlingException", f"Rate exceeded for {operation}")

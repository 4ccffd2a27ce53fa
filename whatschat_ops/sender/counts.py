"""Counts attempts and answers, and keeps their latencies in a histogram: a Snapshot at any time, from any thread.

Only the sending thread writes. A reader in another thread sees each number whole, but not all of one moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Final

_STEPS_PER_DOUBLING: Final = 8
_BUCKETS: Final = 32 * _STEPS_PER_DOUBLING


class Latencies:
    """Percentiles within 4.5 %, from 1 µs to more than an hour, in constant memory."""

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS

    def add(self, latencies_s: Sequence[float]) -> None:
        """Count these."""
        buckets = self._buckets
        for latency_s in latencies_s:
            buckets[min(_BUCKETS - 1, int(log2(latency_s * 1e6 + 1.0) * _STEPS_PER_DOUBLING))] += 1

    def percentiles(self, *shares: float) -> tuple[float, ...]:
        """The latency in seconds that this share of all did not exceed; 0 when there are none."""
        buckets = list(self._buckets)
        total = sum(buckets)
        return tuple(_percentile(buckets, share * total) for share in shares)


def _percentile(buckets: Sequence[int], rank: float) -> float:
    seen = 0
    for bucket, count in enumerate(buckets):
        seen += count
        if count and seen >= rank:
            return float(2 ** ((bucket + 0.5) / _STEPS_PER_DOUBLING) - 1.0) / 1e6
    return 0.0


class Counts:
    """The numbers of a Snapshot that only grow."""

    __slots__ = (
        "account_throttled",
        "attempts",
        "client_buffer_full",
        "delivered",
        "failed",
        "gone",
        "server_errors",
        "transport_errors",
        "unsure",
    )

    def __init__(self) -> None:
        self.delivered = self.gone = self.failed = self.attempts = 0
        self.account_throttled = self.client_buffer_full = self.server_errors = self.transport_errors = 0
        self.unsure = 0

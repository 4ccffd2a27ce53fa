"""What the loop of a run works with, and all that changes in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from whatschat_ops.sender.adaptive_rate import AdaptiveRate
from whatschat_ops.sender.failures import Failures
from whatschat_ops.sender.keys import Keys
from whatschat_ops.sender.model import Counts, OnInDoubt, OnResults, Result, SendPolicy
from whatschat_ops.sender.pool import Pool
from whatschat_ops.sender.signing import Signer
from whatschat_ops.sender.work import Work


@dataclass(frozen=True, slots=True)
class Clocks:
    """`monotonic` for durations, `wall` for signatures (seconds since 1970)."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a loop works with. `counts` and `rate` may be read from other threads."""

    policy: SendPolicy
    clocks: Clocks
    pool: Pool
    signer: Signer
    keys: Keys
    rate: AdaptiveRate
    work: Work
    failures: Failures
    counts: Counts
    on_results: OnResults
    on_in_doubt: OnInDoubt
    should_stop: Callable[[], bool]


class Phase(Enum):
    """Where a run is."""

    PROBING = auto()
    """The first request is sent alone; no target has an outcome yet."""
    SENDING = auto()
    STOPPING = auto()
    """What is in flight ends; nothing is retried."""


@dataclass(slots=True)
class State:
    """All that changes in a loop beside its parts."""

    phase: Phase = Phase.PROBING
    stop_by_s: float = 0.0
    """While STOPPING: after this nothing more is sent."""
    check_at_s: float = 0.0
    in_flight: int = 0
    results: list[Result] = field(default_factory=list)
    """Not handed over yet."""
    answers: int = 0
    """Not reported to the adaptive rate yet; `retried_answers` of them are to second or later attempts."""
    retried_answers: int = 0

    @property
    def waits_for_the_first(self) -> bool:
        """Whether the first request is sent and not answered."""
        return self.phase is Phase.PROBING and self.in_flight > 0

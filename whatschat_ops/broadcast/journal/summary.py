"""What a broadcast came to: the counts, and the exit code that follows. Pure; durations in seconds, sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from whatschat_ops.broadcast.audience.selection import Selection
from whatschat_ops.broadcast.kinds import BROADCAST, DISCONNECT
from whatschat_ops.errors import ExitCode, UsageError
from whatschat_ops.measure.histogram import Histogram
from whatschat_ops.worker.pruning import Pruning as Pruning


class RunState(StrEnum):
    """Where a run is. An `interrupted` one can be resumed."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Counts:
    """Connections by how they stand. `listed == delivered + gone + failed + pending`.

    Among the `gone`: `pruned` rows are deleted, `rewritten` ones stay because they were written again since, and
    `prune_failed` ones stay because DynamoDB refused. `in_doubt` counts how often a connection that may have
    got the message is sent to again: it had been begun by a part of the run that died before it wrote down how that ended,
    or an attempt had no answer. At most so many second copies arrive.
    """

    listed: int
    delivered: int
    gone: int
    failed: int
    pruned: int
    rewritten: int
    prune_failed: int
    in_doubt: int
    attempts: int

    @property
    def ended(self) -> int:
        """Connections whose outcome is known."""
        return self.delivered + self.gone + self.failed

    @property
    def pending(self) -> int:
        """Connections that are listed and not ended."""
        return self.listed - self.ended

    def to_prune(self, kind: str) -> int:
        """Rows that a run of this kind deletes."""
        return self.gone + (self.delivered if kind == DISCONNECT else 0)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """One reason why connections failed: how many, and some of them."""

    reason: str
    connections: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies of the last attempts of what is delivered or gone, from the first byte sent to the answer read."""

    p50_s: float
    p95_s: float
    p99_s: float

    @classmethod
    def of(cls, latencies: Histogram) -> Percentiles | None:
        """Those of a histogram; None when it is empty."""
        if not latencies.count:
            return None
        return cls(*(round(latencies.percentile_ms(percent) / 1_000, 6) for percent in (50, 95, 99)))


@dataclass(frozen=True, slots=True)
class Part:
    """One process that worked on a run. `in_doubt`: what its predecessor had begun and not written down, and
    its own attempts without an answer.

    `throttled` counts answers that the account's limit was exceeded.
    """

    process_id: int
    host: str
    started_at: str
    seen_at: str
    in_doubt: int
    throttled: int
    active_s: float
    not_pruned_because: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as it stands. `connections == delivered + gone + failed + pending`, and all of them when the list is complete.

    The rows of `gone` connections are `pruned`, `rewritten` since, or `not_pruned` (and why).
    `duration_s` is the time in which a process worked on it, `rate_per_s` what ended in that time (None: in no time). `metered_messages`
    is what AWS bills: one for every started 32 KB of every delivered message. In a run of another `kind` (kinds.py), `delivered` are those
    that are live or were closed.
    """

    run_id: str
    state: RunState
    environment: str
    stack: str
    table: str
    engine: str
    message_id: str
    created_at: str
    ended_at: str | None
    list_complete: bool
    connections: int
    pending: int
    delivered: int
    gone: int
    failed: int
    pruned: int
    rewritten: int
    not_pruned: int
    not_pruned_because: str
    in_doubt: int
    resumes: int
    attempts: int
    throttled: int
    size_bytes: int
    metered_messages: int
    duration_s: float
    rate_per_s: float | None
    latency: Percentiles | None
    failures: tuple[FailureGroup, ...]
    kind: str = BROADCAST


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A past run with all that its journal says but the rows. `message` is what was sent: an object, or a text that is none."""

    summary: RunSummary
    selection: Selection
    policy: Mapping[str, Any]
    callback_url: str
    caller_arn: str
    message: Mapping[str, Any] | list[Any] | str = field(repr=False)
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many connections may fail before a run counts as partly done: a number, or percent of all."""

    connections: int = 0
    percent: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read `N` or `P%`. Raises UsageError."""
        number, sign, rest = text.strip().partition("%")
        try:
            tolerance = cls(percent=float(number)) if sign else cls(connections=int(number))
        except ValueError:
            tolerance = cls(connections=-1)
        if rest or tolerance.connections < 0 or not 0 <= tolerance.percent <= 100:
            raise UsageError(
                f"{text!r} is neither a number of connections nor a percentage from 0% to 100%.",
                hint="For example: --tolerate-failures 10, or --tolerate-failures 0.5%",
            )
        return tolerance

    def covers(self, failed: int, connections: int) -> bool:
        """Whether so many failures are within it."""
        return failed <= max(self.connections, connections * self.percent / 100)


NONE_MAY_FAIL = Tolerance()


def exit_code(summary: RunSummary, tolerance: Tolerance = NONE_MAY_FAIL) -> ExitCode:
    """What the command ends with.

    130 when the run was interrupted; 0 when no more failed than is tolerated (gone is no failure); 1 when connections
    failed and not one was delivered to; otherwise 4.
    """
    if summary.state is not RunState.FINISHED:
        return ExitCode.INTERRUPTED
    if tolerance.covers(summary.failed, summary.connections):
        return ExitCode.DONE
    if summary.gone and summary.kind != BROADCAST:
        return ExitCode.PARTLY_DONE
    return ExitCode.PARTLY_DONE if summary.delivered else ExitCode.FAILED

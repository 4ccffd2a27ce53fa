"""One message to many connections.

    connections (an iterator, read as needed) ──▶ deliver() ──▶ one Delivery per connection ──▶ Tally ──▶ BroadcastReport

Every connection ends in exactly one of delivered, gone and failed. What an error of `post` means is decided by the
pure `classify`; `post` and `prune` are handed in, so that nothing here knows AWS. Retries of 429 and 5xx belong to
`post` (the AWS client's standard retry mode). A refusal by IAM ends the broadcast at once: it would be the same for all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum

from whatschat_ops.errors import AwsError, Gone, OpsError, PermissionDenied
from whatschat_ops.websocket.management import check_size, metered_messages
from whatschat_ops.websocket.store import Connection

DEFAULT_CONCURRENCY = 32
"""As many as the AWS client keeps TCP connections."""


class Outcome(StrEnum):
    """How it ended for one connection."""

    DELIVERED = "delivered"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How it ended for one connection, why when it failed, and whether its row was deleted when it was gone."""

    connection_id: str
    user_id: str
    outcome: Outcome
    reason: str = ""
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class BroadcastReport:
    """A finished broadcast: `delivered + gone + failed == connections`.

    `metered_messages` counts what AWS bills: one per 32 KB begun, for every delivered message.
    """

    connections: int
    delivered: int
    gone: int
    failed: int
    pruned: int
    size_bytes: int
    metered_messages: int
    duration_s: float
    failures: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class BroadcastPlan:
    """What a broadcast would do."""

    connections: int
    users: int
    size_bytes: int
    metered_messages: int


@dataclass(slots=True)
class Tally:
    """Counts deliveries as they come in."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    pruned: int = 0
    failures: list[Delivery] = field(default_factory=list)

    def add(self, delivery: Delivery) -> None:
        """Count one."""
        self.counts[delivery.outcome] += 1
        self.pruned += delivery.pruned
        if delivery.outcome is Outcome.FAILED:
            self.failures.append(delivery)

    def report(self, size_bytes: int, duration_s: float) -> BroadcastReport:
        """The counts as a result."""
        delivered = self.counts[Outcome.DELIVERED]
        return BroadcastReport(
            connections=self.counts.total(),
            delivered=delivered,
            gone=self.counts[Outcome.GONE],
            failed=self.counts[Outcome.FAILED],
            pruned=self.pruned,
            size_bytes=size_bytes,
            metered_messages=delivered * metered_messages(size_bytes),
            duration_s=round(duration_s, 3),
            failures=tuple(self.failures),
        )


Post = Callable[[str, bytes], None]
"""Sends to one connection id; raises an AwsError when it cannot."""

Prune = Callable[[Connection], bool]
"""Deletes a row that is still the one read; says whether it did."""


def classify(error: AwsError | None) -> tuple[Outcome, str]:
    """What an answer of `@connections` means for one connection: the outcome, and why when it failed."""
    if error is None:
        return Outcome.DELIVERED, ""
    if isinstance(error, Gone):
        return Outcome.GONE, ""
    return Outcome.FAILED, error.message


def plan(connections: Iterable[Connection], data: bytes) -> BroadcastPlan:
    """What sending `data` to `connections` would come to. Raises UsageError when it is too big."""
    check_size(data)
    count, users = 0, set()
    for connection in connections:
        count += 1
        users.add(connection.user_id)
    return BroadcastPlan(count, len(users), len(data), count * metered_messages(len(data)))


def broadcast(
    connections: Iterable[Connection],
    data: bytes,
    *,
    post: Post,
    prune: Prune,
    clock_s: Callable[[], float],
    concurrency: int = DEFAULT_CONCURRENCY,
    progress: Callable[[Delivery], None] = lambda _: None,
) -> BroadcastReport:
    """Send `data` to every connection. Raises UsageError when it is too big, PermissionDenied when IAM refuses."""
    check_size(data)
    started_s = clock_s()
    tally = Tally()
    try:
        for delivery in deliver(connections, data, post=post, prune=prune, concurrency=concurrency):
            tally.add(delivery)
            progress(delivery)
    except PermissionDenied as error:
        raise _stopped(error, tally) from error
    return tally.report(len(data), clock_s() - started_s)


def deliver(
    connections: Iterable[Connection],
    data: bytes,
    *,
    post: Post,
    prune: Prune,
    concurrency: int = DEFAULT_CONCURRENCY,
) -> Iterator[Delivery]:
    """The engine: one Delivery per connection, in the order in which they end.

    Holds at most `2 * concurrency` connections at a time, however many there are.
    """
    source = iter(connections)
    running: set[Future[Delivery]] = set()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="broadcast")
    try:
        while True:
            for connection in itertools.islice(source, 2 * concurrency - len(running)):
                running.add(pool.submit(_deliver_one, connection, data, post, prune))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            # A refusal ends the broadcast: hand over first what did not end in one.
            for future in sorted(done, key=lambda future: future.exception() is not None):
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _deliver_one(connection: Connection, data: bytes, post: Post, prune: Prune) -> Delivery:
    outcome, reason = classify(_error_of(post, connection.connection_id, data))
    pruned = False
    if outcome is Outcome.GONE:
        try:
            pruned = prune(connection)
        except AwsError as error:  # the row stays until its TTL: no reason to call the delivery failed
            reason = f"not pruned: {error.message}"
    return Delivery(connection.connection_id, connection.user_id, outcome, reason, pruned)


def _error_of(post: Post, connection_id: str, data: bytes) -> AwsError | None:
    try:
        post(connection_id, data)
    except PermissionDenied:
        raise
    except AwsError as error:
        return error
    return None


def _stopped(error: PermissionDenied, tally: Tally) -> OpsError:
    done = tally.counts[Outcome.DELIVERED]
    return PermissionDenied(
        f"The broadcast stopped after {done:,} deliveries: {error.message}",
        hint="The identity needs execute-api:ManageConnections on this API and stage. "
        "See: whatschat-ops iam policies",
        aws_code=error.aws_code,
        operation=error.operation,
    )

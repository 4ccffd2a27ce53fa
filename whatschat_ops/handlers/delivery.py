"""Delivers one message to every live connection of some users.

Takes the users, the bytes and a deadline; returns the outcome for each user. Everything that was started is waited
for: Lambda freezes the process when the handler returns. The row of a closed connection is deleted; that is not an
error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from .aws_api import AwsCallFailed
from .connections_table import StoredConnection
from .log import Log
from .management_api import PostOutcome

CONCURRENCY: Final = 16
"""Concurrent posts: enough to hide their latency, few enough for the smallest Lambda function."""

RESERVE_S: Final = 1.0
"""The least remaining time of the function to start another post: the sender still needs its receipt."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Table(Protocol):
    """The part of ConnectionsTable that this module needs."""

    def connections_of(self, user_id: str, now_s: float) -> list[StoredConnection]:
        """The live connections of a user; raises AwsCallFailed."""
        ...

    def delete_gone(self, connection: StoredConnection) -> bool:
        """Delete the row of a closed connection; raises AwsCallFailed."""
        ...


class Post(Protocol):
    """The part of ManagementApi that this module needs."""

    def post(self, connection_id: str, data: bytes, log: Log) -> PostOutcome:
        """Send; never raises."""
        ...


class UserOutcome(StrEnum):
    """The outcome of a message for one user, who may have several connections."""

    DELIVERED = "delivered"
    """At least one connection received it."""
    OFFLINE = "offline"
    """The user has no live connection."""
    FAILED = "failed"
    """The user's connections could not be read, or none could be reached and one of them may be live."""


_BEST_FIRST: Final = (UserOutcome.DELIVERED, UserOutcome.FAILED, UserOutcome.OFFLINE)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of one message."""

    by_user: Mapping[str, UserOutcome]
    posts: Mapping[PostOutcome, int]
    """The number of connections with each outcome."""

    def outcome(self) -> UserOutcome:
        """The best of any user: one that got the message, else one that failed, else all are offline."""
        outcomes = set(self.by_user.values())
        return next((each for each in _BEST_FIRST if each in outcomes), UserOutcome.OFFLINE)

    def counts(self) -> dict[str, int]:
        """For the sender: users by outcome (they add up to `recipients`), and the number of connections reached."""
        outcomes = list(self.by_user.values())
        return {
            "recipients": len(outcomes),
            **{outcome.value: outcomes.count(outcome) for outcome in UserOutcome},
            "connections": self.posts.get(PostOutcome.DELIVERED, 0),
        }


class Delivering:
    """Delivers through a table and the management API until `deadline_s` (of `clock`). Failures are named in the log line."""

    def __init__(
        self,
        table: Table,
        management: Post,
        deadline_s: float,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._management = management
        self._deadline_s = deadline_s
        self._log = log
        self._clock = clock

    def deliver(self, users: Sequence[str], data: bytes, now_s: float) -> Delivery:
        """Send `data` to every live connection of `users`."""
        found = in_parallel(lambda user: self._find(user, now_s), users)
        targets = [
            (user, connection)
            for user, connections in zip(users, found, strict=True)
            for connection in connections or ()
        ]
        outcomes = in_parallel(lambda target: self._post(target[1], data), targets)
        by_user: dict[str, list[PostOutcome]] = {
            user: [PostOutcome.FAILED] if connections is None else []
            for user, connections in zip(users, found, strict=True)
        }
        for (user, _), outcome in zip(targets, outcomes, strict=True):
            by_user[user].append(outcome)
        return Delivery(
            {user: user_outcome(of_user) for user, of_user in by_user.items()},
            {outcome: outcomes.count(outcome) for outcome in PostOutcome},
        )

    def _find(self, user_id: str, now_s: float) -> list[StoredConnection] | None:
        """None when the table did not respond."""
        try:
            return self._table.connections_of(user_id, now_s)
        except AwsCallFailed as failure:
            self._log.problem(str(failure))
            return None

    def _post(self, connection: StoredConnection, data: bytes) -> PostOutcome:
        if self._clock() > self._deadline_s - RESERVE_S:
            self._log.problem("no time was left to post")
            outcome = PostOutcome.FAILED
        else:
            outcome = self._management.post(connection.connection_id, data, self._log)
        self._log.posted(connection.connection_id, len(data), outcome)
        if outcome is PostOutcome.GONE:
            self._forget(connection)
        return outcome

    def _forget(self, connection: StoredConnection) -> None:
        try:
            self._table.delete_gone(connection)
        except AwsCallFailed as failure:
            # The message is not affected: the row expires, or is deleted with the next message.
            self._log.problem(str(failure))


def user_outcome(posts: Iterable[PostOutcome]) -> UserOutcome:
    """The outcome for a user, from the outcomes for its connections."""
    posts = set(posts)
    if PostOutcome.DELIVERED in posts:
        return UserOutcome.DELIVERED
    return UserOutcome.OFFLINE if posts <= {PostOutcome.GONE} else UserOutcome.FAILED


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`function` of every item, in order, at most CONCURRENCY at once; one item needs no thread."""
    if len(items) <= 1:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # imports logging, too slow for a ping's cold start

    with ThreadPoolExecutor(min(CONCURRENCY, len(items))) as threads:
        return list(threads.map(function, items))

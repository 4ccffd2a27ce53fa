"""The connections in figures: counts, connections per user, ages, and how many rows have no socket any more.

API Gateway ends every connection after 2 hours ("API Gateway quotas", WebSocket connection duration), so an older row is an
orphan for certain. Of the younger ones a random sample can be probed; the share of orphans among them is then estimated
with a confidence interval (Wilson's score interval, 95 %). Memory grows with the number of users, not of rows;
`broadcast.distributed.counting` has the same figures from workers, with constant memory.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from typing import Final

from whatschat_ops.connections.pruning import LONGEST_CONNECTION
from whatschat_ops.connections.store import Connection
from whatschat_ops.worker.tally import BOUNDS, NAMES, UNKNOWN, Tally, age_of

_ORPHANS: Final = frozenset(NAMES[BOUNDS.index(LONGEST_CONNECTION) + 1 :])
"""Older than any connection."""
_Z_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class AgeBucket:
    """How many connections have such an age."""

    age: str
    connections: int


@dataclass(frozen=True, slots=True)
class UserCount:
    """A user and how many connections they have."""

    user_id: str
    connections: int


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimated share (0 to 1) and the interval that holds the true one in 95 of 100 samples."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Probes:
    """What a random sample of the connections of at most 2 h showed. `orphan_share` is of those."""

    sampled: int
    gone: int
    failed: int
    orphan_share: Interval | None


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """The table in figures. `connections` are the rows that have not expired; all below is of them.

    `never_expire` is of all rows: DynamoDB will never delete them, because their `ttl` is no Number of seconds; the first of their
    ids are `never_expire_examples`. `certain_orphans` are older than a connection can be. `orphan_share` is of all connections and None without a sample.
    """

    rows: int
    expired: int
    never_expire: int
    never_expire_examples: tuple[str, ...]
    connections: int
    users: int
    per_user_max: int
    per_user_mean: float | None
    top_users: tuple[UserCount, ...]
    ages: tuple[AgeBucket, ...]
    certain_orphans: int
    probes: Probes | None
    orphan_share: Interval | None


@dataclass(slots=True)
class Census:
    """Takes rows one by one. `sample_size` of those that may be alive are kept, each with the same chance."""

    now: datetime
    sample_size: int = 0
    randrange: Callable[[int], int] = random.randrange
    sample: list[Connection] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    _possible: int = 0
    _now_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._now_s = self.now.timestamp()

    def add_all(self, rows: Iterable[Connection]) -> Census:
        """Count these rows, expired ones too."""
        for row in rows:
            self.add(row)
        return self

    def add(self, row: Connection) -> None:
        """Count a row."""
        age, expired = age_of(row.connected_at, self.now), row.expired_by(self.now)
        never = row.never_expires(self._now_s)
        self.tally.add(row.connection_id, row.user_id, age, expired=expired, never_expires=never)
        if not expired and age not in _ORPHANS:
            self._possible += 1
            self._maybe_keep(row)

    def stats(self, *, top: int, probes: Probes | None = None) -> ConnectionStats:
        """The figures, with the `top` users who have most connections."""
        users = self.tally.users
        most = nsmallest(max(1, top), users.items(), key=lambda item: (-item[1], item[0]))
        return stats_of(self.tally, len(users), most, top=top, probes=probes)

    def probed(self, *, gone: int, failed: int) -> Probes:
        """What the sample showed: `gone` of it had no socket, the probes of `failed` failed."""
        asked = len(self.sample) - failed
        share = None
        if asked:
            share = wilson(gone, asked)
            if asked == self._possible:  # all were asked: nothing is left to estimate
                share = Interval(gone / asked, gone / asked, gone / asked)
        return Probes(len(self.sample), gone, failed, share)

    def _maybe_keep(self, row: Connection) -> None:
        """Reservoir sampling (algorithm R)."""
        if len(self.sample) < self.sample_size:
            self.sample.append(row)
        elif self.sample_size and (place := self.randrange(self._possible)) < self.sample_size:
            self.sample[place] = row


def stats_of(
    tally: Tally, users: int, most: Sequence[tuple[str, int]], *, top: int, probes: Probes | None = None
) -> ConnectionStats:
    """The figures of a tally whose users are counted: `users` in all, `most` of them those with most connections, one at least."""
    connections = tally.rows - tally.expired
    orphans = sum(tally.ages[name] for name in _ORPHANS)
    return ConnectionStats(
        rows=tally.rows,
        expired=tally.expired,
        never_expire=tally.never_expire,
        never_expire_examples=tuple(tally.examples),
        connections=connections,
        users=users,
        per_user_max=most[0][1] if most else 0,
        per_user_mean=connections / users if users else None,
        top_users=tuple(UserCount(user, count) for user, count in most[:top]),
        ages=tuple(AgeBucket(name, tally.ages[name]) for name in (*NAMES, UNKNOWN)),
        certain_orphans=orphans,
        probes=probes,
        orphan_share=_overall(orphans, connections - orphans, probes),
    )


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval for a share. Raises ZeroDivisionError without a trial."""
    share = successes / trials
    z2 = _Z_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(share, low, high)


def _overall(certain: int, possible: int, probes: Probes | None) -> Interval | None:
    """The share of orphans among all connections, from the certain ones and the estimate for the others."""
    total = certain + possible
    if not total or probes is None or (probes.orphan_share is None and possible):
        return None
    others = probes.orphan_share or Interval(0.0, 0.0, 0.0)
    return Interval(
        *((certain + possible * share) / total for share in (others.share, others.low, others.high))
    )

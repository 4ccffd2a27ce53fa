"""The connections table in sums: `ws connections stats` counts with it on one machine, and each worker counts its segment. Pure.

Sums of parts of the table are merged into those of the whole exactly, except that memory grows with the users: whoever
counts very many writes `users` elsewhere from time to time, and clears it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

AGES: Final = (
    ("under 1 min", timedelta(minutes=1)),
    ("1 to 10 min", timedelta(minutes=10)),
    ("10 to 60 min", timedelta(hours=1)),
    ("1 to 2 h", timedelta(hours=2)),
    ("2 to 24 h", timedelta(hours=24)),
)
"""Name and upper bound (not included) of each bucket; older and unknown ages follow."""
OLDER: Final = "24 h and older"
UNKNOWN: Final = "unknown"
BOUNDS: Final = [below for _, below in AGES]
NAMES: Final = [*(name for name, _ in AGES), OLDER]
_EXAMPLES_KEPT: Final = 5
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A number above this is a time in ms (as seconds it would lie after the year 5000)."""
_OLDEST_EXPIRY_S: Final = 5 * 365 * 86_400

Attribute = Mapping[str, Any]
"""As DynamoDB JSON."""


@dataclass(slots=True)
class Tally:
    """Sums of rows. `ages` and `users` are of the rows that have not expired; `examples` are the first ids, in their order, of rows
    that never expire.
    """

    rows: int = 0
    expired: int = 0
    never_expire: int = 0
    examples: list[str] = field(default_factory=list)
    ages: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)

    def add(self, connection_id: str, user_id: str, age: str, *, expired: bool, never_expires: bool) -> None:
        """Count a row. `age`: the name of its bucket."""
        self.rows += 1
        if never_expires:
            self.never_expire += 1
            self._add_example(connection_id)
        if expired:
            self.expired += 1
            return
        self.ages[age] += 1
        self.users[user_id] = self.users.get(user_id, 0) + 1

    def add_item(self, item: Mapping[str, Attribute], now: datetime) -> None:
        """Count a row as it is stored."""
        now_s, ttl = now.timestamp(), stored_time(item.get("ttl"))
        self.add(
            item["connectionId"]["S"],
            item.get("userId", {}).get("S", ""),
            age_of(stored_time(item.get("connectedAt")), now),
            expired=ttl is not None and ttl.timestamp() <= now_s,
            never_expires=never_expires(item.get("ttl"), now_s),
        )

    def merge(self, other: Tally) -> None:
        """Add the sums of other rows."""
        self.rows += other.rows
        self.expired += other.expired
        self.never_expire += other.never_expire
        for name in other.examples:
            self._add_example(name)
        self.ages.update(other.ages)
        self.users.update(other.users)

    def _add_example(self, name: str) -> None:
        if len(self.examples) < _EXAMPLES_KEPT or name < self.examples[-1]:
            insort(self.examples, name)
            del self.examples[_EXAMPLES_KEPT:]

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_document(cls, found: Mapping[str, Any]) -> Self:
        """From JSON."""
        return cls(**{**found, "ages": Counter(found["ages"]), "users": Counter(found["users"])})


def age_of(connected_at: datetime | None, now: datetime) -> str:
    """The name of a row's bucket. A row from the future (clocks differ) is new."""
    if connected_at is None:
        return UNKNOWN
    return NAMES[bisect_right(BOUNDS, now - connected_at)]


def never_expires(ttl: Attribute | None, now_s: float) -> bool:
    """Whether DynamoDB will never delete a row: its `ttl` is missing, is no Number, or is no time in seconds.

    Milliseconds lie thousands of years ahead, and what lies more than five years back is left alone (DynamoDB developer
    guide, "Using time to live (TTL) in DynamoDB").
    """
    try:
        expires_s = float((ttl or {})["N"])
    except (KeyError, ValueError):
        return True
    return not now_s - _OLDEST_EXPIRY_S < expires_s <= _MILLISECONDS_FROM


def stored_time(attribute: Attribute | None) -> datetime | None:
    """A time as applications store it: a number of seconds or milliseconds, or ISO 8601 text."""
    try:
        if attribute and "N" in attribute:
            number = float(attribute["N"])
            return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS_FROM else number, UTC)
        if attribute and "S" in attribute:
            moment = datetime.fromisoformat(attribute["S"])
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None

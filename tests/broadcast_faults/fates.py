"""What is to happen to each connection: decided by its id and a seed alone, so that a resumed run meets the same faults."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

SLOW_ANSWER_S = 0.2
LARGEST_REFUSALS = 3


class Fate(StrEnum):
    """How the endpoint answers. What is refused or dropped is taken at a later attempt; a gone connection never is."""

    TAKEN = "taken"
    GONE = "gone"
    ACCOUNT_THROTTLED = "account-throttled"
    BUFFER_FULL = "buffer-full"
    SERVER_ERROR = "server-error"
    DROPPED_BEFORE = "dropped-before"
    """The TCP connection ends, and the client did not get the message."""
    DROPPED_AFTER = "dropped-after"
    """The TCP connection ends without an answer, but the client got the message."""


PER_MILLE = (
    (Fate.GONE, 50.0),
    (Fate.ACCOUNT_THROTTLED, 25.0),
    (Fate.BUFFER_FULL, 25.0),
    (Fate.SERVER_ERROR, 10.0),
    (Fate.DROPPED_BEFORE, 2.5),
    (Fate.DROPPED_AFTER, 2.5),
)
SLOW_SHARDS = 32
"""One of so many shards (ranges of the hash, as DynamoDB's partitions are) answers late."""

REWRITTEN_OF_GONE = 25
"""One of so many gone connections is written again between the reading of its row and the 410."""


@dataclass(frozen=True)
class Verdict:
    """Everything that is decided for one id."""

    fate: Fate
    refusals: int
    """Attempts that are refused before one is taken."""
    slow: bool
    rewritten: bool


@dataclass(frozen=True)
class Fates:
    """The plan of one run."""

    seed: int

    @cached_property
    def _key(self) -> bytes:
        return self.seed.to_bytes(8, "big")

    def of(self, connection_id: str) -> Verdict:
        """What happens to this connection."""
        digest = hashlib.blake2b(connection_id.encode(), digest_size=8, key=self._key).digest()
        fate = _pick(int.from_bytes(digest[:4], "big") / 2**32 * 1000)
        refusals = {
            Fate.TAKEN: 0,
            Fate.GONE: 0,
            Fate.ACCOUNT_THROTTLED: 1 + digest[4] % LARGEST_REFUSALS,
            Fate.BUFFER_FULL: 1 + digest[4] % LARGEST_REFUSALS,
        }.get(fate, 1)
        return Verdict(
            fate=fate,
            refusals=refusals,
            slow=digest[5] % SLOW_SHARDS == 0,
            rewritten=fate is Fate.GONE and digest[6] % REWRITTEN_OF_GONE == 0,
        )


def _pick(per_mille: float) -> Fate:
    for fate, share in PER_MILLE:
        if per_mille < share:
            return fate
        per_mille -= share
    return Fate.TAKEN

"""What goes into a Sender and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from whatschat_ops.redaction import Secret


class Outcome(StrEnum):
    """How it ended for one connection: always exactly one of these."""

    DELIVERED = "delivered"
    GONE = "gone"
    FAILED = "failed"


class Target(NamedTuple):
    """One connection to send to. `number` is its place in the run (from 1)."""

    number: int
    connection_id: str


class Result(NamedTuple):
    """How it ended for one target. `reason` says why when it failed, and is empty otherwise.

    `latency_s` is that of the last attempt, from the first byte sent to the answer read.
    """

    number: int
    outcome: Outcome
    reason: str
    attempts: int
    latency_s: float


class NextTargets(Protocol):
    """Where targets come from.

    Called with how many there is room for. Returns at most that many without waiting: an empty sequence means that there are
    none at this moment, None that there will be no more. What was returned counts as begun.
    """

    def __call__(self, limit: int, /) -> Sequence[Target] | None: ...


OnResults = Callable[[Sequence[Result]], None]
"""Called with the results, a few hundred at a time and at least every 100 ms while there are any."""

OnInDoubt = Callable[[int], None]
"""Called with a number of attempts without an answer, before their targets are sent to again: the message may arrive twice."""

NO_ANSWER: Final = "No answer"
"""What the reason begins with when a target failed and its last attempt got no answer: the message may have arrived."""


class Operation(NamedTuple):
    """One operation of `@connections` ("Use @connections commands in your backend service", API Gateway developer guide). `words`: what it
    does to connections."""

    method: str
    name: str
    words: str


POST: Final = Operation("POST", "PostToConnection", "post to")
GET: Final = Operation("GET", "GetConnection", "ask about")
DELETE: Final = Operation("DELETE", "DeleteConnection", "close")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys to sign with. `expires_at` is None when they do not expire."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: datetime | None = None


CredentialsSource = Callable[[], Credentials]
"""Returns the current keys; called again before they expire and after a 403 that says that they have."""


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How fast, how often, how long.

    `rate_per_s` and `burst` are the token bucket of the account (API Gateway: 10,000 requests per second and 5,000 in
    most Regions). A target is given up `deadline_s` after its first attempt, or after `max_attempts`.
    """

    rate_per_s: float
    burst: int
    tcp_connections: int = 64
    max_attempts: int = 8
    deadline_s: float = 30.0
    request_timeout_s: float = 10.0


@dataclass(slots=True)
class Counts:
    """The numbers of a Sender that only grow.

    Only the sending thread writes. A reader in another thread sees each number whole, but not all of one moment.
    `in_doubt`: attempts without an answer whose targets are sent to again, here or after a stop: at most so many second
    copies.
    """

    delivered: int = 0
    gone: int = 0
    failed: int = 0
    attempts: int = 0
    account_throttled: int = 0
    client_buffer_full: int = 0
    server_errors: int = 0
    transport_errors: int = 0
    in_doubt: int = 0


@dataclass(slots=True)
class Snapshot(Counts):
    """Where a Sender is, for progress."""

    in_flight: int = 0
    waiting_for_retry: int = 0
    rate_limit_per_s: float = 0.0

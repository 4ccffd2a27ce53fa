"""What an answer means for one connection: it has ended, or it is tried again after a while. Pure.

    2xx                          delivered
    410                          gone
    429, 5xx, transport errors   tried again with full jitter, until the deadline or the last attempt
    everything else              failed (3xx too: a redirect would take the signature elsewhere)

A malformed connection id is a 400, and ends as failed: only 410 says that a connection existed and is gone, so that
its row may be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whatschat_ops.redaction import redact
from whatschat_ops.sender.model import Outcome, SendPolicy

SHORTEST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 5.0
LONGEST_REASON: Final = 200

EXPIRED_CODES: Final = frozenset(
    {"ExpiredTokenException", "ExpiredToken", "RequestExpired", "TokenRefreshRequired"}
)
_SKEW_TEXTS: Final = ("signature expired", "signature not yet current", "requesttimetooskewed")


@dataclass(frozen=True, slots=True)
class Done:
    """It has ended. `reason` is empty unless it failed."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_s`."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """What went wrong in one attempt. `status` is 0 when there was no answer; `what` is for people."""

    status: int
    what: str


DELIVERED: Final = Done(Outcome.DELIVERED)
GONE: Final = Done(Outcome.GONE)


def judge(
    failure: FailedAttempt, attempts: int, elapsed_s: float, policy: SendPolicy, jitter: float
) -> Done | Retry:
    """What becomes of a target after its attempt number `attempts`.

    `elapsed_s` is the time since its first attempt began, `jitter` a random number in [0, 1).
    """
    if 200 <= failure.status < 300:
        return DELIVERED
    if failure.status == 410:
        return GONE
    if not is_temporary(failure.status):
        return Done(Outcome.FAILED, failure.what)
    delay_s = backoff_s(attempts, jitter)
    if attempts >= policy.max_attempts:
        return Done(Outcome.FAILED, f"{failure.what} (the last of {attempts} attempts)")
    if elapsed_s + delay_s > policy.deadline_s:
        return Done(Outcome.FAILED, f"{failure.what} (given up after {policy.deadline_s:g} s)")
    return Retry(delay_s)


def is_temporary(status: int) -> bool:
    """Whether another attempt may end otherwise; 0 stands for no answer."""
    return status in (0, 408, 429) or 500 <= status < 600


def backoff_s(attempts: int, jitter: float) -> float:
    """Full jitter: anything up to a bound that doubles with every attempt."""
    return jitter * min(LONGEST_BACKOFF_S, SHORTEST_BACKOFF_S * 2.0 ** min(attempts, 16))


def reason_of(status: int, code: str, message: str) -> str:
    """An answer in words: `HTTP 400 BadRequestException: Invalid connectionId`."""
    text = " ".join(part for part in (f"HTTP {status}", code) if part)
    return redact(f"{text}: {message}" if message else text)[:LONGEST_REASON]


def says_expired(code: str, message: str) -> bool:
    """Whether a 403 is about keys that have expired: new ones may help."""
    return code in EXPIRED_CODES or "security token included in the request is expired" in message.lower()


def says_skewed(code: str, message: str) -> bool:
    """Whether a 403 is about the time in the signature."""
    text = f"{code} {message}".lower()
    return any(words in text for words in _SKEW_TEXTS)

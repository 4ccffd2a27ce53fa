"""What an answer means for one connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.sender.model import Outcome, SendPolicy
from whatschat_ops.sender.verdict import (
    LONGEST_BACKOFF_S,
    Done,
    FailedAttempt,
    Retry,
    backoff_s,
    judge,
    reason_of,
    says_expired,
    says_skewed,
)

POLICY = SendPolicy(rate_per_s=1, burst=1, max_attempts=5, deadline_s=30.0)
TEMPORARY = [0, 408, 429, 500, 502, 503, 504, 599]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (410, Outcome.GONE),
        (301, Outcome.FAILED),
        (307, Outcome.FAILED),
        (400, Outcome.FAILED),
        (403, Outcome.FAILED),
        (404, Outcome.FAILED),
        (413, Outcome.FAILED),
    ],
)
def test_final_answer_ends_it_at_once(status: int, outcome: Outcome) -> None:
    verdict = judge(FailedAttempt(status, "why"), 1, 0.0, POLICY, 0.5)
    assert verdict == Done(outcome, "why" if outcome is Outcome.FAILED else "")


@pytest.mark.parametrize("status", TEMPORARY)
def test_temporary_failure_is_tried_again_until_the_last_attempt(status: int) -> None:
    assert isinstance(judge(FailedAttempt(status, "why"), 4, 1.0, POLICY, 0.5), Retry)
    last = judge(FailedAttempt(status, "why"), 5, 1.0, POLICY, 0.5)
    assert last == Done(Outcome.FAILED, "why (the last of 5 attempts)")


@given(st.integers(0, 599), st.integers(1, 20), st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_retry_never_ends_after_the_deadline_or_the_last_attempt(
    status: int, attempts: int, elapsed_s: float, jitter: float
) -> None:
    verdict = judge(FailedAttempt(status, "why"), attempts, elapsed_s, POLICY, jitter)
    if isinstance(verdict, Retry):
        assert attempts < POLICY.max_attempts
        assert elapsed_s + verdict.delay_s <= POLICY.deadline_s
        assert status in TEMPORARY or 500 <= status < 600
    else:
        assert bool(verdict.reason) == (verdict.outcome is Outcome.FAILED)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_a_bound_with_full_jitter(attempts: int, jitter: float) -> None:
    assert backoff_s(attempts, 0.0) == 0.0
    assert 0 <= backoff_s(attempts, jitter) <= LONGEST_BACKOFF_S
    assert backoff_s(attempts, 0.9) <= backoff_s(attempts + 1, 0.9)


def test_reason_names_the_answer_and_hides_secrets() -> None:
    assert reason_of(400, "BadRequestException", "Invalid id") == "HTTP 400 BadRequestException: Invalid id"
    assert reason_of(500, "", "") == "HTTP 500"
    assert "hunter2" not in reason_of(403, "", "session_token=hunter2")


@pytest.mark.parametrize(
    ("code", "message", "expired", "skewed"),
    [
        ("ExpiredTokenException", "", True, False),
        ("UnrecognizedClientException", "The security token included in the request is expired", True, False),
        ("InvalidSignatureException", "Signature expired: 20261123T1 is now earlier than", False, True),
        ("InvalidSignatureException", "Signature not yet current: 2026", False, True),
        ("RequestTimeTooSkewed", "", False, True),
        ("ForbiddenException", "User is not authorized", False, False),
    ],
)
def test_refusal_for_old_keys_and_for_the_clock_is_told_from_others(
    code: str, message: str, expired: bool, skewed: bool
) -> None:
    assert (says_expired(code, message), says_skewed(code, message)) == (expired, skewed)


def test_deadline_counts_from_the_first_attempt() -> None:
    assert isinstance(judge(FailedAttempt(500, "why"), 2, POLICY.deadline_s - 1, POLICY, 0.5), Retry)
    late = judge(FailedAttempt(500, "why"), 2, POLICY.deadline_s, POLICY, 0.5)
    assert late == Done(Outcome.FAILED, "why (given up after 30 s)")


def test_bound_of_the_backoff_doubles_with_every_attempt() -> None:
    assert [backoff_s(attempts, 1.0) for attempts in range(1, 8)] == pytest.approx(
        [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S]
    )

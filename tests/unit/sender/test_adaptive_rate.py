"""The token bucket keeps its promise, and the rate finds a limit it does not know."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatschat_ops.sender.adaptive_rate import LOWEST_SHARE_OF_CAP, AdaptiveRate, Throttle, throttle_of


@given(
    rate=st.floats(0.5, 20_000),
    burst=st.integers(1, 5_000),
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(0, 300), st.integers(0, 300)), max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_no_window_has_more_than_the_burst_and_the_rate(
    rate: float, burst: int, steps: list[tuple[float, int, int]]
) -> None:
    adaptive, now_s, taken = AdaptiveRate(rate, burst, 0.0), 0.0, [(0.0, 0)]
    for pause_s, wanted, throttled in steps:
        now_s += pause_s
        adaptive.fill(now_s)
        count = sum(adaptive.take() for _ in range(wanted))
        taken.append((now_s, count))
        adaptive.answered(max(count, throttled), count)
        for _ in range(throttled):
            adaptive.throttled(Throttle.ACCOUNT, first=True)
        assert LOWEST_SHARE_OF_CAP * rate * 0.999 <= adaptive.rate_per_s <= rate
    for first in range(len(taken)):
        total = 0
        for when, count in taken[first:]:
            total += count
            assert total <= burst + rate * (when - taken[first][0]) + 1e-6 * total + 1e-6


@given(rate=st.floats(0.5, 20_000), burst=st.integers(1, 100))
def test_after_the_wait_there_is_a_token(rate: float, burst: int) -> None:
    adaptive = AdaptiveRate(rate, burst, 0.0)
    while adaptive.take():
        pass
    adaptive.fill(adaptive.wait_s() + 1e-9)
    assert adaptive.wait_s() < 1e-3 / rate
    adaptive.fill(1.001 * adaptive.wait_s() + 1.001 / rate)
    assert adaptive.take()


def run_against(
    adaptive: AdaptiveRate, limit_per_s: float, seconds: float, *, unclear: bool = False, step_s: float = 0.01
) -> tuple[float, float]:
    """Send as fast as `adaptive` allows to an account with a limit. Gives (accepted per second, share refused)."""
    accepted = refused = 0
    allowance = 0.0
    for _ in range(int(seconds / step_s)):
        now_s = adaptive._filled_s + step_s
        adaptive.fill(now_s)
        allowance = min(limit_per_s * 0.1, allowance + limit_per_s * step_s)
        while adaptive.take():
            adaptive.answered(1, 1)
            if allowance >= 1:
                allowance -= 1
                accepted += 1
            else:
                refused += 1
                adaptive.throttled(Throttle.UNCLEAR if unclear else Throttle.ACCOUNT, first=True)
    return accepted / seconds, refused / max(1, accepted + refused)


@pytest.mark.parametrize("unclear", [False, True])
@pytest.mark.parametrize("limit_per_s", [500.0, 2_500.0, 9_000.0])
def test_unknown_limit_is_used_nearly_in_full_with_few_refusals(limit_per_s: float, unclear: bool) -> None:
    adaptive = AdaptiveRate(10_000, 5_000, 0.0)
    run_against(adaptive, limit_per_s, 3.0, unclear=unclear)  # finds the limit
    accepted_per_s, refused = run_against(adaptive, limit_per_s, 10.0, unclear=unclear)
    assert accepted_per_s > 0.85 * limit_per_s
    assert refused < 0.25


def test_rate_returns_to_the_cap_when_throttling_ends() -> None:
    adaptive = AdaptiveRate(10_000, 100, 0.0)
    run_against(adaptive, 1_000, 3.0)
    assert adaptive.rate_per_s < 2_000
    run_against(adaptive, 1e9, 15.0)
    assert adaptive.rate_per_s == 10_000


def test_rate_changes_at_most_once_in_a_window() -> None:
    adaptive = AdaptiveRate(1_000, 100, 0.0)
    adaptive.answered(100, 100)
    for _ in range(100):
        adaptive.throttled(Throttle.ACCOUNT, first=True)
    adaptive.fill(0.25)
    once = adaptive.rate_per_s
    adaptive.answered(100, 100)
    for _ in range(100):
        adaptive.throttled(Throttle.ACCOUNT, first=True)
    adaptive.fill(0.4)
    assert 0 < once < 1_000
    assert adaptive.rate_per_s == once


def test_few_full_buffers_do_not_slow_down_and_are_not_the_accounts() -> None:
    adaptive, now_s = AdaptiveRate(1_000, 100, 0.0), 0.0
    for _ in range(40):
        adaptive.answered(100, 100)
        taken_for = {adaptive.throttled(Throttle.UNCLEAR, first=True) for _ in range(3)}
        assert taken_for == {Throttle.UNCLEAR}
        now_s += 0.25
        adaptive.fill(now_s)
    assert adaptive.rate_per_s == 1_000


def test_one_slow_client_that_is_tried_again_and_again_does_not_slow_down() -> None:
    adaptive, now_s = AdaptiveRate(1_000, 100, 0.0), 0.0
    for _ in range(20):
        adaptive.answered(20, 2)
        for _ in range(18):
            adaptive.throttled(Throttle.UNCLEAR, first=False)
        now_s += 0.25
        adaptive.fill(now_s)
    assert adaptive.rate_per_s == 1_000


@pytest.mark.parametrize(
    ("code", "message", "throttle"),
    [
        ("TooManyRequestsException", "", Throttle.ACCOUNT),
        ("ThrottlingException", "Rate exceeded", Throttle.ACCOUNT),
        ("LimitExceededException", "Too Many Requests", Throttle.ACCOUNT),
        ("", "Too Many Requests", Throttle.ACCOUNT),
        ("", "", Throttle.ACCOUNT),
        ("LimitExceededException", "", Throttle.UNCLEAR),
    ],
)
def test_throttle_is_told_by_name_and_words(code: str, message: str, throttle: Throttle) -> None:
    assert throttle_of(code, message) is throttle


@pytest.mark.parametrize(("throttled", "slower"), [(5, False), (6, True)])
def test_few_refusals_of_the_account_do_not_slow_down(throttled: int, slower: bool) -> None:
    adaptive = AdaptiveRate(1_000, 100, 0.0)
    adaptive.answered(100, 100)
    for _ in range(throttled):
        adaptive.throttled(Throttle.ACCOUNT, first=True)
    adaptive.fill(0.25)
    assert (adaptive.rate_per_s < 1_000) is slower

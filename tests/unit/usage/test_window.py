"""The time that usage is measured of, in whole periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.errors import UsageError
from whatschat_ops.usage.window import now_of, periods_around, usage_window

NOW = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("since", "until", "first", "last", "period_s"),
    [
        ("2026-11-29T11:30:20", "2026-11-29T12:00:30", "2026-11-29T11:30", "2026-11-29T12:01", 60),
        ("2026-11-28T00:00", "2026-11-29T00:00", "2026-11-28T00:00", "2026-11-29T00:00", 86_400),
        ("2026-11-28T05:00", "2026-11-29T00:00", "2026-11-28T05:00", "2026-11-29T00:00", 3_600),
        ("2026-11-01T10:03", "2026-11-29T12:00:30", "2026-11-01T10:00", "2026-11-29T12:05", 300),
        ("2026-08-01T10:03", "2026-11-29T12:00:30", "2026-08-01T10:00", "2026-11-29T13:00", 3_600),
    ],
)
def test_a_time_is_widened_to_the_periods_that_are_kept(
    since: str, until: str, first: str, last: str, period_s: int
) -> None:
    window = usage_window(NOW, at(since), at(until))
    assert (window.since, window.until, window.period_s) == (at(first), at(last), period_s)
    assert now_of(window) == NOW


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        ("2026-11-29T11:00", "2026-11-29T12:01", "future"),
        ("2026-11-29T11:00", "2026-11-29T11:00", "empty"),
        ("2026-11-29T11:00", "2026-11-29T10:00", "empty"),
        ("2025-01-01T00:00", "2026-11-29T10:00", "keeps metrics for 455 days"),
    ],
)
def test_a_time_that_cannot_be_measured_is_refused(since: str, until: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        usage_window(NOW, at(since), at(until))


def test_without_metrics_any_time_is_rounded_to_minutes() -> None:
    window = usage_window(NOW, at("2020-01-01T00:00:10"), at("2020-01-02T00:00"), of_metrics=False)
    assert (window.since, window.until) == (at("2020-01-01T00:00"), at("2020-01-02T00:00"))


def test_periods_around_a_window_are_whole() -> None:
    window = usage_window(NOW, at("2026-11-29T11:03"), at("2026-11-29T11:58"))
    around = periods_around(window, 300, timedelta(hours=2))
    assert (around.since, around.until, around.period_s) == (
        at("2026-11-29T09:00"),
        at("2026-11-29T12:00"),
        300,
    )

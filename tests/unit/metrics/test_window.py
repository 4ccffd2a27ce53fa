from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.errors import UsageError
from whatschat_ops.metrics.window import window

NOW = datetime(2026, 11, 29, 12, 34, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "compared", "period_s", "points"),
    [
        (timedelta(minutes=1), False, 60, 1),
        (HOUR, False, 60, 60),
        (3 * HOUR, False, 60, 180),
        (3 * HOUR + timedelta(seconds=1), False, 300, 37),
        (15 * HOUR, False, 300, 180),
        (DAY, False, 3_600, 24),
        (7 * DAY, True, 3_600, 168),
        (30 * DAY, False, 86_400, 30),
        (455 * DAY, False, 86_400, 455),
        (227 * DAY, True, 86_400, 227),
    ],
)
def test_period_is_the_shortest_with_few_enough_points(
    last: timedelta, compared: bool, period_s: int, points: int
) -> None:
    found = window(NOW, last, compared=compared)
    assert (found.period_s, found.points) == (period_s, points)
    assert found.until - timedelta(seconds=period_s) < NOW <= found.until
    assert found.until.timestamp() % period_s == 0
    assert found.until - found.since == timedelta(seconds=period_s * points) >= last
    assert found.since - found.first == (found.until - found.since if compared else timedelta(0))
    assert found.incomplete_from == NOW - timedelta(minutes=3)


@pytest.mark.parametrize(
    ("last", "compared", "said"),
    [
        (timedelta(0), False, "at least 1m"),
        (timedelta(seconds=59), False, "at least 1m"),
        (456 * DAY, False, "455 days"),
        (228 * DAY, True, "455 days"),
    ],
)
def test_time_without_data_is_refused(last: timedelta, compared: bool, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        window(NOW, last, compared=compared)

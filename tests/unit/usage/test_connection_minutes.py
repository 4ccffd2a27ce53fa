"""Bounds of connection minutes hold whatever the connections do between two counts."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.usage.connection_minutes import Period, connection_minutes
from whatschat_ops.usage.measured import Bounded

HOURS_BEFORE = 120
MINUTES = 60


def period(since: int, opened: int, counted: int | None = None, length: int = 5) -> Period:
    count = None if counted is None else Decimal(counted)
    return Period(Decimal(since), Decimal(since + length), Decimal(opened), count)


def test_connections_that_stay_have_the_minutes_that_were_counted() -> None:
    periods = [period(since, 0, 10) for since in range(-5, 70, 5)]
    assert connection_minutes(periods, Decimal(60)) == Bounded.exactly(600)


def test_a_connection_that_was_opened_between_counts_widens_the_bounds_by_that_time() -> None:
    periods = [period(since, since == 20, 10 + (since > 20)) for since in range(-5, 70, 5)]
    found = connection_minutes(periods, Decimal(60))
    assert found.low <= 10 * 60 + 35 <= 10 * 60 + 40 <= found.high
    assert found.high - found.low <= 4 * 5


def test_without_counts_a_connection_has_up_to_two_hours() -> None:
    periods = [period(-60, 1), period(0, 2), period(55, 1)]
    # The first may go on for 65 minutes of which 60 are asked for; one opened in the last five minutes has five.
    assert connection_minutes(periods, Decimal(60)) == Bounded(Decimal(0), Decimal(60 + 2 * 60 + 5))


def test_counts_that_are_far_apart_leave_no_more_than_two_hours_for_each_connection() -> None:
    # One connection, opened 10 minutes before the end; the only count is of the first minute.
    periods = [period(-5, 0, 0), *(period(since, since == 50) for since in range(0, 60, 5))]
    assert connection_minutes(periods, Decimal(60)) == Bounded(Decimal(0), Decimal(10))


def test_nothing_opened_and_nothing_counted_is_nothing() -> None:
    assert connection_minutes([period(0, 0)], Decimal(60)) == Bounded.exactly(0)


@given(
    st.lists(st.tuples(st.integers(-HOURS_BEFORE, MINUTES + 30), st.integers(0, 120)), max_size=30),
    st.sampled_from([1, 5, 10, 60]),
    st.integers(0, 59),
    st.sets(st.integers(-4, 12), max_size=17),
    st.booleans(),
)
def test_the_minutes_are_within_the_bounds(
    connections: list[tuple[int, int]], length: int, offset: int, missing: set[int], ends_now: bool
) -> None:
    """Brute force: minute by minute. Counts are at one offset of each period; some are missing, as may be those after the end."""
    ticks = range(-HOURS_BEFORE, MINUTES + 60)
    open_at = {tick: sum(start <= tick < start + lasts for start, lasts in connections) for tick in ticks}
    offset %= length
    periods = []
    for since in range(-HOURS_BEFORE, MINUTES if ends_now else MINUTES + length, length):
        opened = sum(since <= start < since + length for start, _ in connections)
        seen = since // length not in missing
        periods.append(period(since, opened, open_at[since + offset] if seen else None, length))
    found = connection_minutes(periods, Decimal(MINUTES))
    assert found.low <= sum(open_at[tick] for tick in range(MINUTES)) <= found.high

"""Attendee-minutes of records that repeat, overlap and lack their ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.usage.attendances import (
    OVERLAPPING,
    TOO_LONG,
    TWICE,
    WITHOUT_END,
    Attended,
    Minutes,
    attendee_minutes,
)
from whatschat_ops.usage.measured import Bounded, Findings

BEGAN = datetime(2026, 11, 1, 9, tzinfo=UTC)
NOW = BEGAN + timedelta(days=3)


def at(seconds: int) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def attended(joined_s: int, left_s: int | None, who: str = "alice", *, video: bool = False) -> Attended:
    return Attended("m", who, at(joined_s), None if left_s is None else at(left_s), video)


def measured(*rows: Attended, ended_s: int | None = None) -> tuple[Minutes, dict[str, int]]:
    handled = Findings()
    ends = {} if ended_s is None else {"m": at(ended_s)}
    return attendee_minutes(rows, ends, NOW, handled), {each.reason: each.count for each in handled.found}


def exactly(minutes: str) -> Bounded:
    return Bounded.exactly(Decimal(minutes))


def test_each_attendance_is_rounded_up_to_a_tenth_of_a_minute() -> None:
    found, handled = measured(attended(0, 1), attended(1, 2), attended(10, 16), attended(20, 27))
    assert (found.attendances, found.audio, handled) == (4, exactly("0.5"), {})


def test_the_same_attendance_counts_once_and_is_counted_as_repeated() -> None:
    found, handled = measured(attended(0, 60), attended(0, 60), attended(0, None))
    assert (found.attendances, found.audio) == (1, exactly("1"))
    assert handled == {TWICE: 2}


def test_attendances_of_one_attendee_that_overlap_are_one() -> None:
    found, handled = measured(attended(0, 60), attended(30, 90), attended(0, 60, "bob"))
    assert (found.attendances, found.audio, handled) == (2, exactly("2.5"), {OVERLAPPING: 1})


@pytest.mark.parametrize(
    ("rows", "ended_s", "high"),
    [
        ([attended(0, None)], 600, "10"),  # the meeting ended
        ([attended(0, None), attended(300, 360)], 600, "6"),  # joined again after five minutes
        ([attended(0, None)], None, "1440"),  # 24 hours
    ],
)
def test_an_attendance_without_an_end_lasts_from_nothing_to_its_latest_end(
    rows: list[Attended], ended_s: int | None, high: str
) -> None:
    found, handled = measured(*rows, ended_s=ended_s)
    low = Decimal(0) if len(rows) == 1 else Decimal(1)
    assert (found.audio, handled[WITHOUT_END]) == (Bounded(low, Decimal(high)), 1)


def test_an_attendance_that_goes_on_lasts_until_now_at_the_latest() -> None:
    handled = Findings()
    found = attendee_minutes([attended(0, None)], {}, at(120), handled)
    assert found.audio == Bounded(Decimal(0), Decimal(2))


def test_more_than_24_hours_are_cut() -> None:
    found, handled = measured(attended(0, 2 * 86_400))
    assert (found.audio, handled) == (exactly("1440"), {TOO_LONG: 1})


def test_minutes_with_video_are_apart_also_of_rows_that_are_one_attendance() -> None:
    found, _ = measured(attended(0, 60, video=True), attended(30, 90), attended(120, 180))
    assert (found.audio, found.video) == (exactly("1"), exactly("1.5"))


def test_one_attendee_in_two_meetings_is_billed_in_both() -> None:
    rows = [attended(0, 60), Attended("other", "alice", at(0), at(60))]
    found = attendee_minutes(rows, {}, NOW, Findings())
    assert (found.meetings, found.audio) == (2, exactly("2"))


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 20) | st.none()), max_size=12
)


@given(ROWS)
def test_the_sum_is_a_count_of_ticks(rows: list[tuple[str, int, int | None]]) -> None:
    """Brute force: in how many ticks of 6 seconds each attendee is connected, with all ends at the latest and at the earliest."""
    last = 50
    spans = {"low": set[tuple[str, int]](), "high": set[tuple[str, int]]()}
    for who, joined, lasts in rows:
        again = [other for name, other, _ in rows if name == who and other > joined]
        closed = any(name == who and other == joined and length is not None for name, other, length in rows)
        latest = joined + lasts if lasts is not None else joined if closed else min([*again, last])
        earliest = joined + lasts if lasts is not None else joined
        spans["high"] |= {(who, tick) for tick in range(joined, latest)}
        spans["low"] |= {(who, tick) for tick in range(joined, earliest)}
    those = [
        attended(joined * 6, None if lasts is None else (joined + lasts) * 6, who)
        for who, joined, lasts in rows
    ]
    found = attendee_minutes(those, {"m": at(last * 6)}, NOW, Findings())
    assert found.audio == Bounded(Decimal(len(spans["low"])) / 10, Decimal(len(spans["high"])) / 10)


@given(ROWS, st.randoms())
def test_the_order_of_rows_means_nothing(rows: list[tuple[str, int, int | None]], random: object) -> None:
    those = [attended(joined, None if lasts is None else joined + lasts, who) for who, joined, lasts in rows]
    mixed = sorted(those, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert measured(*those) == measured(*mixed)

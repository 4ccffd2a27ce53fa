"""Times as people read them: local with their zone, and ages in lists."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from whatschat_ops.cli.logs.trace import _unknown
from whatschat_ops.cli.logs.trace_view import Searched
from whatschat_ops.cli.terminal.times import local_time, relative
from whatschat_ops.plurals import counted, rounded

NOON = datetime(2026, 11, 29, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset")
    old = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    if old is not None:
        monkeypatch.setenv("TZ", old)
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_time_is_local_with_its_zone() -> None:
    assert local_time(NOON) == "2026-11-29 13:00:00 CET"
    assert local_time(NOON, milliseconds=True) == "2026-11-29 13:00:00.123 CET"
    assert local_time(datetime(2026, 7, 1, tzinfo=UTC)) == "2026-07-01 02:00:00 CEST"


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (timedelta(), "now"),
        (timedelta(seconds=-59), "59 s ago"),
        (timedelta(minutes=-60), "1 h ago"),
        (timedelta(days=-2, seconds=-1), "2 d ago"),
        (timedelta(hours=23, minutes=59), "in 23 h"),
    ],
)
def test_age_has_its_largest_unit(after: timedelta, words: str) -> None:
    assert relative(NOON + after, NOON) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1_000, "1,000 entries")]
)
def test_one_thing_is_singular(number: int, words: str) -> None:
    assert counted(number, "entry", "entries") == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (12.34, "12.3"),
        (99.94, "99.9"),
        (99.96, "100"),
        (699.0, "699"),
        (1_656.04, "1,656"),
        (-0.5, "-0.5"),
    ],
)
def test_figure_has_a_decimal_below_a_hundred_only(value: float, words: str) -> None:
    assert rounded(value) == words


@pytest.mark.usefixtures("berlin")
def test_times_in_errors_are_local() -> None:
    searched = Searched(("group",), NOON, NOON + timedelta(hours=1), 1, 0, 0)
    assert "from 2026-11-29 13:00:00 CET to 2026-11-29 14:00:00 CET." in _unknown("bob", "bob", searched)

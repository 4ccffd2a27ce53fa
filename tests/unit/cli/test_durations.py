"""Lengths of time on the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.errors import UsageError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("0h", timedelta(0)),
    ],
)
def test_length_of_time_is_read(text: str, length: timedelta) -> None:
    assert parse_duration(text, "--grace") == length


@pytest.mark.parametrize("text", ["", "24", "-1h", "1.5h", "1h30m", "h", "1w", "1 h", "²h", "1234567d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--grace is a length of time"):
        parse_duration(text, "--grace")

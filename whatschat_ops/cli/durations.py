"""Lengths of time on the command line: `30s`, `15m`, `24h`, `7d`, or 0; and moments, which may be so long ago."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from whatschat_ops.errors import UsageError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


def parse_duration(text: str, option: str) -> timedelta:
    """The value of an option. Raises UsageError, naming the option.

    >>> parse_duration("24h", "--grace")
    datetime.timedelta(days=1)
    """
    if text == "0":
        return timedelta(0)
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{option} is a length of time: 30s, 15m, 24h, 7d or 0, not {text!r}.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_moment(text: str, option: str, now: datetime) -> datetime:
    """The value of an option that is a length of time before `now`, or a time in ISO 8601, in UTC unless it says where.

    >>> parse_moment("2026-11-29T08:30", "--since", datetime.now(UTC)).isoformat()
    '2026-11-29T08:30:00+00:00'

    Raises UsageError, naming the option.
    """
    with suppress(UsageError, OverflowError):
        return now - parse_duration(text, option)
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} is a time or how long ago it was: 2026-11-29T08:30, 30s, 15m, 24h, 7d or 0, not {text!r}."
        ) from None

"""Lengths of time on the command line: `30s`, `15m`, `24h`, `7d`, or 0."""

from __future__ import annotations

import re
from datetime import timedelta
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

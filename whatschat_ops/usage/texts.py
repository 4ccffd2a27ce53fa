"""Values of other people's files: times, lengths, yes and no. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

NO_ZONE: Final = "a time without a zone: read as UTC"
_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)
_MILLISECONDS: Final = 1e11
"""More seconds since 1970 than this are later than the year 5000, so they are milliseconds."""
_YES: Final = frozenset(("true", "t", "yes", "y", "1", "1.0", "on"))
_NO: Final = frozenset(("", "false", "f", "no", "n", "0", "0.0", "off", "null", "none"))


class UnreadableText(ValueError):
    """A value that is not what its column says; the text is the reason for which its row is rejected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC, and whether the text said so."""

    at: datetime
    has_zone: bool


def moment(text: str | None) -> Moment | None:
    """ISO 8601, or seconds or milliseconds since 1970; None for nothing. Raises UnreadableText."""
    if not text:
        return None
    try:
        if _NUMBER.fullmatch(text):
            number = float(text)
            seconds = number / 1000 if abs(number) > _MILLISECONDS else number
            return Moment(datetime.fromtimestamp(seconds, UTC), has_zone=True)
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
        zoned = found.tzinfo is not None or text.endswith(" UTC")
        return Moment(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC), zoned)
    except (ValueError, OverflowError, OSError) as error:
        raise UnreadableText("a time that cannot be read") from error


def length_s(seconds: str | None, minutes: str | None) -> float | None:
    """A length of time in seconds; None for nothing. Raises UnreadableText, also for a negative one."""
    text, factor = (seconds, 1) if seconds else (minutes, 60)
    if not text:
        return None
    number = float(text) * factor if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number) or number < 0:
        raise UnreadableText("a length of time that cannot be read")
    return number


def boolean(text: str | None) -> bool | None:
    """Whether it says yes; None for what is neither yes nor no."""
    word = (text or "").lower()
    return word in _YES if word in _YES | _NO else None

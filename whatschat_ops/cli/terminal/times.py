"""Times for people: local with their zone, and ages in lists. JSON has RFC 3339 in UTC (`Output.encode`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from whatschat_ops.moments import local_time, zone_of

__all__ = ["duration", "local_time", "relative", "zone_of"]

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def relative(moment: datetime, now: datetime | None = None) -> str:
    """`3 min ago`, `in 2 h`, `now`: whole units, the largest that is not 0."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    length = duration(abs(seconds))
    if length == "0 s":
        return "now"
    return f"{length} ago" if seconds > 0 else f"in {length}"


def duration(seconds: float) -> str:
    """`3 min`: whole units, rounded down, the largest that is not 0."""
    for unit, length_s in _UNITS:
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {unit}"
    return "0 s"

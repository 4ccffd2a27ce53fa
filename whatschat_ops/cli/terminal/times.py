"""Times for people: local with their zone, and ages in lists. JSON has RFC 3339 in UTC (`Output.encode`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def local_time(moment: datetime, *, milliseconds: bool = False) -> str:
    """`2026-11-29 14:05:09 CET`; with milliseconds, `2026-11-29 14:05:09.123 CET`."""
    local = moment.astimezone()
    fraction = f".{local.microsecond // 1000:03}" if milliseconds else ""
    return f"{local:%Y-%m-%d %H:%M:%S}{fraction} {zone_of(moment)}"


def zone_of(moment: datetime) -> str:
    """The local zone at that time, `CET`; its offset where its name is a sentence: Windows says `W. Europe Standard Time`."""
    local = moment.astimezone()
    name = local.tzname() or ""
    return name if name and " " not in name else f"{local:%z}"


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

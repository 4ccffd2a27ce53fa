"""A point in time as people read it: local, with its zone. JSON has RFC 3339 in UTC (`Output.encode`)."""

from __future__ import annotations

from datetime import datetime


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

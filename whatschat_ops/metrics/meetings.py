"""Meetings, attendees and minutes of a time, from the events of meetings and the ledger.

CloudWatch has no metric of meetings or attendee-minutes: a meeting counts where it was created (the ledger), an attendance where
it began (events, setting `chime.events`). Without events both are missing, not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from whatschat_ops.chime.minutes import Attendance
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.metrics.figures import Line
from whatschat_ops.metrics.reading import Series
from whatschat_ops.metrics.window import Window

MEETINGS: Final = "Meetings created"


def created(records: Iterable[MeetingRecord], window: Window) -> Line:
    """The meetings of the ledger by when they were created."""
    counts = _Places(window)
    for record in records:
        counts.add(record.created_at, 1)
    return Line(MEETINGS, None, "", "Sum", counts.series())


def attended(attendances: Sequence[Attendance], window: Window) -> list[Line]:
    """Attendances and their minutes by when they began. One that goes on has its minutes so far."""
    number, minutes, longest = _Places(window), _Places(window), _Places(window)
    for each in attendances:
        number.add(each.joined_at, 1)
        minutes.add(each.joined_at, float(each.minutes))
        longest.raise_to(each.joined_at, (each.left_at - each.joined_at).total_seconds() / 60)
    return [
        Line("Attendances", None, "", "Sum", number.series()),
        Line("Attendee-minutes", None, "min", "Sum", minutes.series()),
        Line("Longest attendance", None, "min", "Maximum", longest.series()),
    ]


class _Places:
    """One value for each period of a window; 0 where nothing was: this is a whole record, not samples of it."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._values = [0.0] * (int((window.until - window.first).total_seconds()) // window.period_s)

    def add(self, at: datetime, value: float) -> None:
        if (place := self._place(at)) is not None:
            self._values[place] += value

    def raise_to(self, at: datetime, value: float) -> None:
        if (place := self._place(at)) is not None:
            self._values[place] = max(self._values[place], value)

    def series(self) -> Series:
        return tuple(self._values)

    def _place(self, at: datetime) -> int | None:
        place = int((at - self._window.first).total_seconds() // self._window.period_s)
        return place if 0 <= place < len(self._values) else None

"""What the meetings of an environment have used: `minutes` over the log of events, kept in the ledger.

The rows of meetings that are over keep their minutes, so that they are still known when the events have expired. Without
`chime.events` nothing is measured, and what a row does not have stays None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from whatschat_ops.chime.events import EventLog
from whatschat_ops.chime.ledger import MeetingLedger, utc_now
from whatschat_ops.chime.minutes import (
    LONGEST,
    Attendance,
    Usage,
    day_of,
    measure,
    sum_of,
    usage,
)
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.choices import UsageBy

UNKNOWN = "(unknown)"
"""The purpose of meetings that are not in the ledger, or that an earlier version made."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage since a time, by user, purpose or day. `unmatched` ends have no beginning; `malformed` events could not be read."""

    by: UsageBy
    since: datetime
    until: datetime
    rows: tuple[Usage, ...]
    total: Usage
    unmatched: int
    malformed: int


class Metering:
    """Reads events and the ledger, and writes to the ledger what meetings that are over have used."""

    def __init__(
        self, events: EventLog, ledger: MeetingLedger, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._events = events
        self._ledger = ledger
        self._clock = clock

    @property
    def enabled(self) -> bool:
        """Whether there are events to measure with."""
        return self._events.enabled

    def report(self, by: UsageBy, since: datetime) -> UsageReport:
        """The usage of all attendances that began since then. Raises ConfigError when events are off."""
        now = self._clock()
        records = {record.meeting_id: record for record in self._ledger.records()}
        measured = measure(self._events.events(since - LONGEST), records, now)
        found = [each for each in measured.attendances if each.joined_at >= since]

        def key(attendance: Attendance) -> str:
            if by is UsageBy.USER:
                return attendance.external_user_id
            if by is UsageBy.DAY:
                return day_of(attendance)
            record = records.get(attendance.meeting_id)
            return UNKNOWN if record is None or record.purpose is None else record.purpose

        rows = tuple(usage(found, key))
        total = sum_of(found, "total")
        return UsageReport(by, since, now, rows, total, measured.unmatched, self._events.malformed)

    def metered(self, records: Sequence[MeetingRecord]) -> list[MeetingRecord]:
        """The records with what their meetings have used. What is final is stored; nothing is changed when events are off."""
        open_ = [each for each in records if _is_measured_now(each)]
        if not self.enabled or not open_:
            return list(records)
        measured = self._measured(open_)
        return [measured.get(record.meeting_id, record) for record in records]

    def _measured(self, records: Iterable[MeetingRecord]) -> dict[str, MeetingRecord]:
        by_id = {record.meeting_id: record for record in records}
        events = list(self._events.events(min(each.created_at for each in by_id.values())))
        told = {event.meeting_id for event in events}
        found = measure((each for each in events if each.meeting_id in by_id), by_id, self._clock())
        of_meeting = {each.key: each for each in usage(found.attendances, lambda each: each.meeting_id)}
        measured = {
            meeting_id: _with_usage(record, of_meeting.get(meeting_id) or sum_of((), meeting_id))
            for meeting_id, record in by_id.items()
            if meeting_id in told  # of a meeting before `chime.events` was on nothing is known
        }
        for meeting_id, record in measured.items():
            if record.status.over and record != by_id[meeting_id]:
                self._ledger.set_usage(record)
        return measured


def _is_measured_now(record: MeetingRecord) -> bool:
    """Whether the row has no minutes yet, or such as may still change."""
    if record.status is MeetingStatus.PENDING:
        return False
    return not record.status.over or record.attendee_minutes is None or bool(record.minutes_estimated)


def _with_usage(record: MeetingRecord, used: Usage) -> MeetingRecord:
    values: dict[str, Any] = {
        "attendee_minutes": float(used.attendee_minutes),
        "attendances": used.attendances,
        "minutes_estimated": used.estimated > 0,
        "cost_usd": {name: f"{amount:f}" for name, amount in used.cost_usd.items()},
    }
    return replace(record, **values)

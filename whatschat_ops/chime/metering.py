"""What the meetings of an environment have used: `minutes` over the log of events, kept in the ledger.

The rows of meetings that are over keep their minutes, so that they are still known when the events have expired. Without
`chime.events` nothing is measured, and what a row does not have stays None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from whatschat_ops.chime.events import LATEST_DELIVERY, EventLog, MeetingEvent
from whatschat_ops.chime.ledger import MeetingLedger, utc_now
from whatschat_ops.chime.minutes import (
    LONGEST,
    Attendance,
    Prices,
    Usage,
    day_of,
    end_of,
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
        self,
        events: EventLog,
        ledger: MeetingLedger,
        prices: Prices,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._events = events
        self._ledger = ledger
        self._prices = prices
        self._clock = clock

    @property
    def enabled(self) -> bool:
        """Whether there are events to measure with."""
        return self._events.enabled

    def report(self, by: UsageBy, since: datetime) -> UsageReport:
        """The usage of all attendances that began since then. Raises ConfigError when events are off."""
        self._events.require()
        now = self._clock()
        records = {record.meeting_id: record for record in self._ledger.records()}
        measured = measure(self._events.events(since - LONGEST), records, now, since)
        found = [each for each in measured.attendances if each.joined_at >= since]

        def key(attendance: Attendance) -> str:
            if by is UsageBy.USER:
                return attendance.external_user_id
            if by is UsageBy.DAY:
                return day_of(attendance)
            record = records.get(attendance.meeting_id)
            return UNKNOWN if record is None or record.purpose is None else record.purpose

        rows = tuple(usage(found, key, self._prices))
        total = sum_of(found, "total", self._prices)
        return UsageReport(by, since, now, rows, total, measured.unmatched, self._events.malformed)

    def metered(self, records: Sequence[MeetingRecord]) -> list[MeetingRecord]:
        """The records with what their meetings have used. That of meetings that are over is stored.

        It is an estimate until `LATEST_DELIVERY` after the end, and then measured again. Nothing is changed when events are off.
        """
        open_ = [each for each in records if _is_measured_now(each)]
        if not self.enabled or not open_:
            return list(records)
        measured = self._measured(open_)
        return [measured.get(record.meeting_id, record) for record in records]

    def _measured(self, records: Iterable[MeetingRecord]) -> dict[str, MeetingRecord]:
        by_id = {record.meeting_id: record for record in records}
        told: dict[str, list[MeetingEvent]] = defaultdict(list)
        # A row has this machine's time, an event Chime's, and the log may have whole seconds.
        since = min(each.created_at for each in by_id.values()) - LATEST_DELIVERY
        for event in self._events.events(since):
            if event.meeting_id in by_id:
                told[event.meeting_id].append(event)
        measured = {}
        # Of a meeting before `chime.events` was on, nothing is told and known.
        for meeting_id, events in told.items():
            record, now = by_id[meeting_id], self._clock()
            used = sum_of(measure(events, by_id, now).attendances, meeting_id, self._prices)
            may_change = record.status.over and not _are_all_in(events, record, now)
            measured[meeting_id] = _with_usage(record, used, estimated=used.estimated > 0 or may_change)
        for meeting_id, record in measured.items():
            if record.status.over and record != by_id[meeting_id]:
                self._ledger.set_usage(record)
        return measured


def _is_measured_now(record: MeetingRecord) -> bool:
    """Whether the row has no minutes yet, or such as may still change."""
    if record.status is MeetingStatus.PENDING:
        return False
    return not record.status.over or record.attendee_minutes is None or bool(record.minutes_estimated)


def _are_all_in(events: Sequence[MeetingEvent], record: MeetingRecord, now: datetime) -> bool:
    """Whether no more events are to be expected: they arrive late and in no order, also after the end was recorded."""
    ended_at = end_of(events, record, now)
    return ended_at is not None and now - ended_at >= LATEST_DELIVERY


def _with_usage(record: MeetingRecord, used: Usage, *, estimated: bool) -> MeetingRecord:
    values: dict[str, Any] = {
        "attendee_minutes": float(used.attendee_minutes),
        "attendances": used.attendances,
        "minutes_estimated": estimated,
        "cost_usd": {name: f"{amount:f}" for name, amount in used.cost_usd.items()},
    }
    return replace(record, **values)

"""Attendee-minutes as the events of meetings and the ledger tell them.

An attendance counts where it began, a meeting where it was created. One whose end no event tells is from nothing to its latest
end, as records of calls without an end are. Of meetings whose events have expired, the ledger has kept the minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.chime.events import OFF, EventLog, MeetingEvent
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.minutes import LONGEST, Attendance
from whatschat_ops.chime.minutes import measure as measure_events
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound
from whatschat_ops.metrics.window import Window
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.attendances import WITHOUT_END
from whatschat_ops.usage.measured import Bounded, Findings, Measured, Name

EXPIRED: Final = "a meeting whose events are gone: minutes as the ledger kept them"
NO_BEGINNING: Final = "an end without its beginning"
MALFORMED: Final = "an event that cannot be read"
Quantities = dict[Name, Bounded | None]


@dataclass(frozen=True, slots=True)
class Told:
    """What was read: rows of the ledger, and the events of their meetings from 24 hours before the window; None without events."""

    records: Mapping[str, MeetingRecord]
    events: Sequence[MeetingEvent] | None
    malformed: int = 0


def measure(aws: Aws, settings: Settings, window: Window, now: datetime) -> Measured:
    """What began in the window. Raises PermissionDenied."""
    names, log = Names(settings), EventLog(aws, settings)
    rejects, handled, remarks = Findings(), Findings(), []
    quantities: Quantities = {}
    try:
        ledger = MeetingLedger(aws.client("dynamodb"), names.ledger_table)
        records = {record.meeting_id: record for record in ledger.records()}
        end = min(window.until + LONGEST, now)
        events = list(log.events(window.since - LONGEST, end)) if log.enabled else None
        quantities = quantities_of(
            Told(records, events, log.malformed), window, now, rejects=rejects, handled=handled
        )
    except NotFound as error:
        remarks.append(error.message.rstrip("."))
    if not log.enabled:
        remarks.append(f"attendances {OFF}")
    elif window.since - LONGEST < now - timedelta(days=settings.lambda_.log_retention_days):
        remarks.append(f"events are kept for {settings.lambda_.log_retention_days} days")
    return Measured(
        "ledger",
        names.stack,
        window.since,
        window.until,
        quantities,
        rejects.found,
        handled.found,
        tuple(remarks),
    )


def quantities_of(
    told: Told, window: Window, now: datetime, *, rejects: Findings, handled: Findings
) -> Quantities:
    """The quantities of what began in the window. Attendances are None if nothing tells of them."""
    created = [
        record
        for record in told.records.values()
        if window.since <= record.created_at < window.until and record.status is not MeetingStatus.PENDING
    ]
    quantities: Quantities = {"meetings": Bounded.exactly(len(created))}
    there = {event.meeting_id for event in told.events or ()}
    kept = [
        record for record in created if record.meeting_id not in there and record.attendee_minutes is not None
    ]
    if told.events is None and not kept:
        return quantities
    measured = measure_events(told.events or (), told.records, now, window.since)
    began = [each for each in measured.attendances if window.since <= each.joined_at < window.until]
    rejects.add(NO_BEGINNING, count=measured.unmatched)
    rejects.add(MALFORMED, count=told.malformed)
    for each in began:
        if each.estimated:
            handled.add(WITHOUT_END, f"{each.meeting_id} {each.attendee_id} {each.joined_at.isoformat()}")
    for record in kept:
        handled.add(EXPIRED, record.external_meeting_id)
    audio, video = (
        _minutes(each for each in began if each.video is with_video) for with_video in (False, True)
    )
    quantities["chime_audio"] = audio + _kept_minutes(kept)
    quantities["chime_video"] = video
    quantities["attendances"] = Bounded.exactly(len(began) + sum(each.attendances or 0 for each in kept))
    return quantities


def _minutes(attendances: Iterable[Attendance]) -> Bounded:
    low = high = Decimal(0)
    for each in attendances:
        high += each.minutes
        low += 0 if each.estimated else each.minutes
    return Bounded(plain(low), plain(high))


def _kept_minutes(records: Iterable[MeetingRecord]) -> Bounded:
    """As the rows have them: an estimate is at most what it says."""
    low = high = Decimal(0)
    for record in records:
        minutes = Decimal(str(record.attendee_minutes or 0))
        high += minutes
        low += 0 if record.minutes_estimated else minutes
    return Bounded(plain(low), plain(high))

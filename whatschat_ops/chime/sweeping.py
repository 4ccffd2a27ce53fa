"""Which open meetings a sweep deletes, and why it keeps the others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from whatschat_ops.chime.events import EventType, MeetingEvent
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus, Purpose

QUIET = timedelta(seconds=30)
"""A meeting of which something was heard in this time is not empty yet: the next event may be on its way."""
UNKNOWN = "not known whether it exists: Chime could not be asked"
_LEAVES = (EventType.ATTENDEE_LEFT, EventType.ATTENDEE_DROPPED, EventType.ATTENDEE_DELETED)
_CONTENT_JOINS = (EventType.CONTENT_JOINED, EventType.CONTENT_VIDEO_STARTED)
_CONTENT_LEAVES = (EventType.CONTENT_LEFT, EventType.CONTENT_DROPPED)
_JOINS = (EventType.ATTENDEE_JOINED, EventType.VIDEO_STARTED, *_CONTENT_JOINS)
"""An attendee with one of these events is connected. (The event of the joining itself may not be delivered.)"""


@dataclass(frozen=True, slots=True)
class Presence:
    """What the events say of one meeting: who is connected, and when the last event was."""

    connected: frozenset[str]
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """What a sweep is for. `presence` (by meeting id) is None unless only empty meetings are wanted."""

    purposes: frozenset[str] = frozenset({Purpose.TEST})
    older_than: timedelta = timedelta(0)
    presence: Mapping[str, Presence] | None = None

    def keeps(self, record: MeetingRecord, now: datetime) -> str | None:
        """Why a meeting is kept; None: it is swept."""
        if record.purpose not in self.purposes:
            return f"purpose {record.purpose}" if record.purpose else "no purpose recorded"
        if record.delete_after is not None and now < record.delete_after:
            return f"its time to live ends at {record.delete_after:%H:%M:%S} UTC"
        if now - record.created_at < self.older_than:
            return "younger"
        if self.presence is not None and (why := _occupied(self.presence.get(record.meeting_id), now)):
            return why
        return UNKNOWN if record.not_asked and not self._is_old(record) else None

    def _is_old(self, record: MeetingRecord) -> bool:
        """Whether a meeting that is not kept for its age has one that allows to delete it unseen."""
        if record.status is MeetingStatus.PENDING:
            return False  # its id is not known
        return record.delete_after is not None or self.older_than > timedelta(0)


def presence_of(events: Iterable[MeetingEvent]) -> dict[str, Presence]:
    """Who is connected to each meeting: whose last event is one of being connected. Events may be in any order."""
    last_at: dict[str, datetime] = {}
    last: dict[str, dict[tuple[str, bool], MeetingEvent]] = defaultdict(dict)
    for event in events:
        last_at[event.meeting_id] = max(event.at, last_at.get(event.meeting_id, event.at))
        of_meeting = last[event.meeting_id]
        for who in _tells_of(event):
            before = of_meeting.get(who)
            # At the same millisecond a joining counts: what may be in use is kept.
            if before is None or (event.at, _joins(event)) >= (before.at, _joins(before)):
                of_meeting[who] = event
    return {
        meeting_id: Presence(
            frozenset(who for (who, _), event in last[meeting_id].items() if _joins(event)), at
        )
        for meeting_id, at in last_at.items()
    }


def _tells_of(event: MeetingEvent) -> tuple[tuple[str, bool], ...]:
    """Of which connections an event tells: (attendee, content). Content has its own, which ends with the attendee's."""
    who = (event.attendee_id or "").removesuffix("#content")
    if not who:
        return ()
    if event.event_type in _LEAVES:
        return (who, False), (who, True)
    if event.event_type in (*_CONTENT_JOINS, *_CONTENT_LEAVES):
        return ((who, True),)
    return ((who, False),) if event.event_type in _JOINS else ()


def _joins(event: MeetingEvent) -> bool:
    return event.event_type in _JOINS


def _occupied(presence: Presence | None, now: datetime) -> str | None:
    if presence is None:
        return "not measured: there are no events of it"
    if presence.connected:
        return f"{len(presence.connected)} connected"
    return "its last event is too recent" if now - presence.last_at < QUIET else None

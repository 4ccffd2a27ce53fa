"""Which open meetings a sweep deletes, and why it keeps the others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from whatschat_ops.chime.events import EventType, MeetingEvent
from whatschat_ops.chime.models import MeetingRecord, Purpose

QUIET = timedelta(seconds=30)
"""A meeting of which something was heard in this time is not empty yet: the next event may be on its way."""
_JOINED = EventType.ATTENDEE_JOINED
_PRESENCE = (_JOINED, EventType.ATTENDEE_LEFT, EventType.ATTENDEE_DROPPED, EventType.ATTENDEE_DELETED)


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
        return None if self.presence is None else _occupied(self.presence.get(record.meeting_id), now)


def presence_of(events: Iterable[MeetingEvent]) -> dict[str, Presence]:
    """Who is connected to each meeting: whose last event of joining and leaving is a joining. Events may be in any order."""
    last_at: dict[str, datetime] = {}
    last: dict[str, dict[str, MeetingEvent]] = defaultdict(dict)
    for event in events:
        last_at[event.meeting_id] = max(event.at, last_at.get(event.meeting_id, event.at))
        if event.event_type in _PRESENCE and event.attendee_id:
            before = last[event.meeting_id].get(event.attendee_id)
            # At the same millisecond a joining counts: what may be in use is kept.
            if before is None or (event.at, event.event_type == _JOINED) >= (
                before.at,
                before.event_type == _JOINED,
            ):
                last[event.meeting_id][event.attendee_id] = event
    return {
        meeting_id: Presence(
            frozenset(who for who, event in last[meeting_id].items() if event.event_type == _JOINED), at
        )
        for meeting_id, at in last_at.items()
    }


def _occupied(presence: Presence | None, now: datetime) -> str | None:
    if presence is None:
        return "not measured: there are no events of it"
    if presence.connected:
        return f"{len(presence.connected)} connected"
    return "its last event is too recent" if now - presence.last_at < QUIET else None

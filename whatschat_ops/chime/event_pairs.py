"""Events that do not match: joins without a leave, leaves without a join, meetings that ended more than once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from whatschat_ops.chime.events import EventType, MeetingEvent

_LEAVES: Final = (EventType.ATTENDEE_LEFT, EventType.ATTENDEE_DROPPED)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """How many events have no counterpart among those that were read. Delivery is best effort, so some are expected."""

    joins_without_leave: int
    """Attendees who are still connected, who stayed until their meeting ended, or whose leave was not delivered."""
    leaves_without_join: int
    """Attendees who joined before the first event that was read, or whose join was not delivered."""
    repeated_ends: int
    """MeetingEnded once more of the same meeting, as Chime sends it after DeleteMeeting."""


def unmatched(events: Iterable[MeetingEvent]) -> Unmatched:
    """Pair Joined with Left or Dropped for each attendee, in the order of their times, not of their delivery.

    >>> unmatched([])
    Unmatched(joins_without_leave=0, leaves_without_join=0, repeated_ends=0)
    """
    open_joins: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    leaves_without_join = 0
    for event in sorted(events, key=_order):
        attendee = event.attendee_id or ""
        if event.event_type == EventType.MEETING_ENDED:
            ends[event.meeting_id] += 1
        elif event.event_type == EventType.ATTENDEE_JOINED:
            open_joins[attendee] += 1
        elif event.event_type in _LEAVES and open_joins[attendee]:
            open_joins[attendee] -= 1
        elif event.event_type in _LEAVES:
            leaves_without_join += 1
    return Unmatched(open_joins.total(), leaves_without_join, sum(count - 1 for count in ends.values()))


def _order(event: MeetingEvent) -> tuple[float, bool]:
    """A join and a leave of the same millisecond are a pair."""
    return event.at.timestamp(), event.event_type in _LEAVES

"""The results of the commands of `chime`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, FailedAttendee, Meeting


@dataclass(frozen=True, slots=True)
class CreatedMeeting:
    """A new meeting and its attendees."""

    meeting: Meeting
    attendees: tuple[Attendee, ...]
    failed: tuple[FailedAttendee, ...]


@dataclass(frozen=True, slots=True)
class DeletedMeeting:
    """The result of deleting one meeting; `error` is empty when it was deleted."""

    meeting: str
    deleted: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeletedAttendee:
    """A deleted attendee."""

    meeting_id: str
    attendee_id: str

"""What the commands of `chime` give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, FailedAttendee, Meeting


@dataclass(frozen=True, slots=True)
class CreatedMeeting:
    """A new meeting and who was invited to it."""

    meeting: Meeting
    attendees: tuple[Attendee, ...]
    failed: tuple[FailedAttendee, ...]


@dataclass(frozen=True, slots=True)
class DeletedMeeting:
    """What came of deleting one meeting; `error` is empty when it was deleted."""

    meeting: str
    deleted: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeletedAttendee:
    """An attendee who was dismissed."""

    meeting_id: str
    attendee_id: str

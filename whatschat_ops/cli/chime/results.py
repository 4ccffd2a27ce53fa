"""The results of the commands of `chime`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, FailedAttendee, Meeting
    from whatschat_ops.chime.capabilities import Capabilities


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


@dataclass(frozen=True, slots=True)
class ChangedCapabilities:
    """What all attendees of a meeting can send and receive, except those that are excluded."""

    meeting_id: str
    capabilities: Capabilities
    excluded_attendee_ids: tuple[str, ...]

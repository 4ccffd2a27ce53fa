"""The results of the commands of `chime`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, AttendeeBatch, FailedAttendee, Meeting, MeetingRecord
    from whatschat_ops.chime.capabilities import Capabilities


@dataclass(frozen=True, slots=True)
class CreatedMeeting:
    """A new meeting and its attendees. `sdk` has the answers of AWS, as amazon-chime-sdk-js takes them."""

    meeting: Meeting
    attendees: tuple[Attendee, ...]
    failed: tuple[FailedAttendee, ...]
    sdk: Mapping[str, Any]

    @classmethod
    def of(cls, meeting: Meeting, batch: AttendeeBatch) -> CreatedMeeting:
        """A meeting and what came of inviting users to it."""
        sdk = {"Meeting": meeting.sdk, "Attendees": [attendee.sdk for attendee in batch.attendees]}
        return cls(meeting, batch.attendees, batch.failed, sdk)


@dataclass(frozen=True, slots=True)
class DeletedMeeting:
    """The result of deleting one meeting; `error` is empty when it was deleted. What it used is None when not measured."""

    meeting: str
    deleted: bool
    error: str = ""
    meeting_id: str | None = None
    attendee_minutes: float | None = None
    minutes_estimated: bool | None = None
    cost_usd: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep: what it was for, and what came of it. `kept` is meeting id to reason; without `deleted`, nothing was done."""

    chosen: tuple[MeetingRecord, ...]
    kept: Mapping[str, str]
    deleted: tuple[DeletedMeeting, ...]


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

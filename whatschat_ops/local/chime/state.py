"""The current meetings in memory, and the changes that are not saved yet.

Each change is recorded as the rows that it changes; `save` writes those, so that its cost does not grow with the
number of meetings and attendees. Meetings end by themselves: `MeetingStore` deletes the ended ones on every access.
"""

from __future__ import annotations

from pathlib import Path

from whatschat_ops.local.chime import meeting_file
from whatschat_ops.local.chime.meeting import Attendee, Meeting
from whatschat_ops.local.chime.meeting_file import Change, MeetingFile


class MeetingStore:
    """All meetings of all control Regions."""

    def __init__(self, path: Path) -> None:
        self._file = MeetingFile(path)
        self._meetings = {meeting.id: meeting for meeting in self._file.load()}
        self._unsaved: list[Change] = []

    def active(self, now: float) -> dict[str, Meeting]:
        """Meeting id -> meeting, after deleting those that have ended."""
        if over := {meeting.id for meeting in self._meetings.values() if meeting.has_ended(now)}:
            self._delete(over)
        return self._meetings

    def add(self, meeting: Meeting) -> None:
        """Add a new meeting, without attendees."""
        self._meetings[meeting.id] = meeting
        self._unsaved += meeting_file.put_meeting(meeting)

    def remove(self, meeting_id: str) -> None:
        """End a meeting and its replicas."""
        self._delete({meeting_id})

    def tag(self, meeting: Meeting, tags: dict[str, str]) -> None:
        """Replace the tags of a meeting."""
        meeting.tags = tags
        self._unsaved += meeting_file.put_meeting(meeting)

    def put_attendee(self, meeting: Meeting, attendee: Attendee) -> None:
        """Add an attendee, or save its new capabilities."""
        meeting.attendees[attendee.id] = attendee
        self._unsaved += meeting_file.put_attendee(meeting.id, attendee)

    def remove_attendee(self, meeting: Meeting, attendee: Attendee) -> None:
        """Delete an attendee."""
        del meeting.attendees[attendee.id]
        self._unsaved += meeting_file.delete_attendee(meeting.id, attendee.id)

    def save(self) -> None:
        """Write the recorded changes. Raises OSError; they are then written with the next change."""
        if self._unsaved:
            self._file.write(self._unsaved)
            self._unsaved = []

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _delete(self, ids: set[str]) -> None:
        replicas = {meeting.id for meeting in self._meetings.values() if meeting.primary_id in ids}
        for meeting_id in ids | replicas:
            if self._meetings.pop(meeting_id, None) is not None:
                self._unsaved += meeting_file.delete_meeting(meeting_id)

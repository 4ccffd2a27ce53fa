"""The current meetings in memory, and the changes that are not saved yet.

Each change is recorded as the rows that it changes; `save` writes those, so that its cost does not grow with the
number of meetings and attendees. Meetings end by themselves: `MeetingStore.end` deletes those.
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

    @property
    def meetings(self) -> dict[str, Meeting]:
        """Meeting id -> meeting."""
        return self._meetings

    def end(self, now: float) -> list[tuple[Meeting, float]]:
        """Delete the meetings that have ended by themselves, and return them with the time of their end."""
        over = [meeting for meeting in self._meetings.values() if meeting.ends_at <= now]
        return [ended for meeting in over for ended in self.remove(meeting.id, meeting.ends_at)]

    def add(self, meeting: Meeting) -> None:
        """Add a new meeting, without attendees."""
        self._meetings[meeting.id] = meeting
        self._unsaved += meeting_file.put_meeting(meeting)

    def remove(self, meeting_id: str, at: float) -> list[tuple[Meeting, float]]:
        """End a meeting and its replicas at `at`, and return those that were there."""
        replicas = [meeting.id for meeting in self._meetings.values() if meeting.primary_id == meeting_id]
        ended = []
        for ended_id in (meeting_id, *replicas):
            if (meeting := self._meetings.pop(ended_id, None)) is not None:
                self._unsaved += meeting_file.delete_meeting(ended_id)
                ended.append((meeting, at))
        return ended

    def connect(self, meeting: Meeting, attendee: Attendee, at: float) -> None:
        """Connect an attendee."""
        attendee.connected_at, meeting.empty_since = at, None
        self._put_connection(meeting, attendee)

    def disconnect(self, meeting: Meeting, attendee: Attendee, at: float) -> None:
        """Disconnect an attendee."""
        attendee.connected_at = None
        if all(each.connected_at is None for each in meeting.attendees.values()):
            meeting.empty_since = at
        self._put_connection(meeting, attendee)

    def _put_connection(self, meeting: Meeting, attendee: Attendee) -> None:
        self._unsaved += meeting_file.put_meeting(meeting) + meeting_file.put_attendee(meeting.id, attendee)

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

"""The meetings that live now, in memory and in one JSON file.

The file is replaced in one step after every change, so that a killed process loses nothing that it had answered.
Meetings end by themselves: `MeetingStore` forgets those whose time is over whenever it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from whatschat_ops.errors import LocalError
from whatschat_ops.quotas import CHIME_MEETING_S, CHIME_UNATTENDED_S

_FORMAT = 1


@dataclass(slots=True)
class Attendee:
    """One attendee of one meeting."""

    id: str
    external_user_id: str
    join_token: str = field(repr=False)
    capabilities: dict[str, str]


@dataclass(slots=True)
class Meeting:
    """One meeting. `region` is the control Region, `created_at` seconds since the epoch."""

    id: str
    arn: str
    region: str
    client_request_token: str
    created_at: float
    request: dict[str, Any]
    """What CreateMeeting was given and every answer repeats, with AWS's defaults filled in."""
    attendees: dict[str, Attendee] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def primary_id(self) -> str | None:
        """The meeting that this one replicates, if it is a replica."""
        return self.request.get("PrimaryMeetingId")

    def over(self, now: float) -> bool:
        """Whether its time is over. Nobody can connect here, so that five minutes is all a primary has."""
        return now - self.created_at >= (CHIME_MEETING_S if self.primary_id else CHIME_UNATTENDED_S)


class MeetingStore:
    """All living meetings of all control Regions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._meetings = {meeting.id: meeting for meeting in _load(path)}

    def living(self, now: float) -> dict[str, Meeting]:
        """Meeting id -> meeting, after forgetting those that have ended by themselves."""
        over = {meeting.id for meeting in self._meetings.values() if meeting.over(now)}
        self._forget(over)
        return self._meetings

    def add(self, meeting: Meeting) -> None:
        """Remember a new meeting."""
        self._meetings[meeting.id] = meeting

    def remove(self, meeting_id: str) -> None:
        """End a meeting and its replicas."""
        self._forget({meeting_id})

    def save(self) -> None:
        """Write the file. Raises OSError; the file that was there before is then still whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        document = {"format": _FORMAT, "meetings": [asdict(meeting) for meeting in self._meetings.values()]}
        new = self._path.with_name(f"{self._path.name}.new")
        new.touch(mode=0o600)  # join tokens
        new.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        new.replace(self._path)

    def _forget(self, ids: set[str]) -> None:
        replicas = {meeting.id for meeting in self._meetings.values() if meeting.primary_id in ids}
        for meeting_id in ids | replicas:
            self._meetings.pop(meeting_id, None)


def _load(path: Path) -> Iterable[Meeting]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']} is not {_FORMAT}")
        return [_meeting(fields) for fields in document["meetings"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise LocalError(
            f"The embedded Chime service cannot read its meetings in {path}: {error}",
            hint="whatschat-ops local reset",
        ) from error


def _meeting(fields: dict[str, Any]) -> Meeting:
    attendees = {key: Attendee(**value) for key, value in fields.pop("attendees").items()}
    return Meeting(**fields, attendees=attendees)

"""A meeting and its attendees, as the service stores them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from whatschat_ops.quotas import CHIME_MEETING_S, CHIME_UNATTENDED_S


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
    """What CreateMeeting was given and every response repeats, with AWS's defaults."""
    attendees: dict[str, Attendee] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def primary_id(self) -> str | None:
        """The meeting that this one replicates, if it is a replica."""
        return self.request.get("PrimaryMeetingId")

    def has_ended(self, now: float) -> bool:
        """Whether it has ended by itself. No attendee can connect here, so a primary meeting lasts five minutes."""
        return now - self.created_at >= (CHIME_MEETING_S if self.primary_id else CHIME_UNATTENDED_S)

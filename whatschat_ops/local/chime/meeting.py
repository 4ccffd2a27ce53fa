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
    connected_at: float | None = None
    """Since when it is connected, seconds since the epoch (simulated: there is no media)."""


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
    empty_since: float | None = None
    """Since when no attendee is connected, seconds since the epoch; None while one is."""

    @property
    def primary_id(self) -> str | None:
        """The meeting that this one replicates, if it is a replica."""
        return self.request.get("PrimaryMeetingId")

    @property
    def ends_at(self) -> float:
        """When it ends by itself: after 24 hours, or after five minutes without a connected attendee. A replica ends
        with its primary (Chime SDK Developer Guide, "Creating meetings").
        """
        longest = self.created_at + CHIME_MEETING_S
        if self.primary_id is not None or self.empty_since is None:
            return longest
        return min(longest, self.empty_since + CHIME_UNATTENDED_S)

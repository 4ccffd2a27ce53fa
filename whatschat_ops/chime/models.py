"""Meetings and attendees as commands show them, built from AWS's documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from whatschat_ops.redaction import Secret


class MeetingStatus(StrEnum):
    """What is known of a meeting. `created` is what the ledger has until Chime is asked."""

    PENDING = "pending"
    CREATED = "created"
    ACTIVE = "active"
    ENDED = "ended"
    DELETED = "deleted"

    @property
    def over(self) -> bool:
        """Whether the meeting has ended, for whatever reason."""
        return self in (MeetingStatus.ENDED, MeetingStatus.DELETED)


@dataclass(frozen=True, slots=True)
class MediaPlacement:
    """Where a client connects (the deprecated URLs are left out)."""

    audio_host_url: str
    audio_fallback_url: str
    signaling_url: str
    event_ingestion_url: str

    @classmethod
    def from_api(cls, document: Mapping[str, str]) -> MediaPlacement:
        """From Chime's `MediaPlacement`."""
        return cls(
            document.get("AudioHostUrl", ""),
            document.get("AudioFallbackUrl", ""),
            document.get("SignalingUrl", ""),
            document.get("EventIngestionUrl", ""),
        )


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting as Chime describes it, with its control Region."""

    meeting_id: str
    external_meeting_id: str
    meeting_arn: str
    control_region: str
    media_region: str
    media_placement: MediaPlacement
    sdk: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """`Meeting` as Chime answered it, which amazon-chime-sdk-js takes."""

    @classmethod
    def from_api(cls, document: Mapping[str, Any], control_region: str) -> Meeting:
        """From Chime's `Meeting`."""
        return cls(
            document["MeetingId"],
            document["ExternalMeetingId"],
            document.get("MeetingArn", ""),
            control_region,
            document["MediaRegion"],
            MediaPlacement.from_api(document.get("MediaPlacement", {})),
            document,
        )


@dataclass(frozen=True, slots=True)
class Attendee:
    """An attendee. Anyone who has the join token can join as this attendee. `sdk` is every field of AWS's answer, for
    amazon-chime-sdk-js.
    """

    attendee_id: str
    external_user_id: str
    join_token: Secret
    capabilities: Mapping[str, str]
    sdk: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_api(cls, document: Mapping[str, Any]) -> Attendee:
        """From Chime's `Attendee`."""
        capabilities = {name.lower(): value for name, value in document.get("Capabilities", {}).items()}
        return cls(
            document["AttendeeId"],
            document["ExternalUserId"],
            Secret(document.get("JoinToken", "")),
            capabilities,
            {name: Secret(value) if name == "JoinToken" else value for name, value in document.items()},
        )


@dataclass(frozen=True, slots=True)
class JoinInfo:
    """AWS's documents of a meeting and of one attendee, unchanged."""

    meeting: Mapping[str, Any]
    attendee: Attendee

    def document(self) -> dict[str, Any]:
        """`Meeting` and `Attendee` as `MeetingSessionConfiguration` of amazon-chime-sdk-js takes them, with the join token.

        Give it to the attendee only.
        """
        attendee = {**self.attendee.sdk, "JoinToken": self.attendee.join_token.reveal()}
        return {"Meeting": dict(self.meeting), "Attendee": attendee}


@dataclass(frozen=True, slots=True)
class FailedAttendee:
    """A user whose attendee was not created, and why."""

    external_user_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AttendeeBatch:
    """The result of creating many attendees: each user is in one of the two."""

    attendees: tuple[Attendee, ...]
    failed: tuple[FailedAttendee, ...] = ()


class Purpose:
    """What meetings are made for, as far as this program gives names: any other word is the user's own."""

    TEST: Final = "test"
    """Made by a command, to try something. Only these are swept unless others are named."""
    CALL: Final = "call"
    """A call of users: made through signalling or by the library."""


class EndReason:
    """How a meeting ended, as the ledger has it."""

    DELETED: Final = "deleted"
    SWEPT: Final = "swept"
    ENDED: Final = "ended"
    """By Chime: no attendee was connected, or 24 hours were over."""
    SIGNALLING: Final = "signalling"


@dataclass(frozen=True, slots=True)
class End:
    """How a meeting ended: an `EndReason`, who did it, and when, as far as it is known."""

    reason: str
    by: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """One row of the ledger. `meeting_id` begins with `pending#` until Chime has answered; None is not known or not measured.

    A meeting that is not over and has an `end_reason` was about to be deleted: a run ended before it recorded that it was.
    `features` is `MeetingFeatures` of the API, `attendee_minutes` has steps of 0.1 minute, `cost_usd` is an amount in US dollars
    for each rate card.
    """

    meeting_id: str
    external_meeting_id: str
    created_by: str
    control_region: str
    media_region: str
    created_at: datetime
    status: MeetingStatus
    purpose: str | None = None
    host_user_id: str | None = None
    request_token: str | None = None
    features: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    primary_meeting_id: str | None = None
    delete_after: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    ended_by: str | None = None
    attendee_minutes: float | None = None
    attendances: int | None = None
    minutes_estimated: bool | None = None
    cost_usd: Mapping[str, str] | None = None
    not_asked: str | None = None
    """Why Chime could not be asked whether the meeting exists: `status` is what the ledger has. Not in the ledger."""

    def goes_by(self, reference: str) -> bool:
        """Whether the row is of a meeting with that id or external id (Chime ignores case)."""
        return reference.lower() in (self.meeting_id.lower(), self.external_meeting_id.lower())

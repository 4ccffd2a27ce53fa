"""Rows of the ledger: items of DynamoDB, from and to records. Pure.

What a row of an earlier version does not have is None in its record, and is not written again. Structures have the form
of the API (`MeetingFeatures`), tags are a map of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.aws.items import plain, typed
from whatschat_ops.chime.ids import is_guid
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.handlers.meetings import KEPT_S, OPEN_PREFIX
from whatschat_ops.handlers.meetings import PENDING_PREFIX as PENDING_PREFIX

Item = Mapping[str, Any]
"""An item as DynamoDB's API has it: name of an attribute to typed value."""

KEPT = timedelta(seconds=KEPT_S)
"""How long a row is kept."""

_PLAIN = {
    "purpose": "purpose",
    "hostUserId": "host_user_id",
    "requestToken": "request_token",
    "features": "features",
    "tags": "tags",
    "primaryMeetingId": "primary_meeting_id",
    "endReason": "end_reason",
    "endedBy": "ended_by",
    "attendances": "attendances",
    "minutesEstimated": "minutes_estimated",
    "costUsd": "cost_usd",
    "attendeeMinutes": "attendee_minutes",
}
"""Optional attributes that are in the record as they are in the row."""
_TIMES = {"deleteAfter": "delete_after", "endedAt": "ended_at"}


def key(meeting_id: str) -> dict[str, Any]:
    """The key of a row. Chime writes the ids of meetings in lower case, and accepts any."""
    return {"meetingId": {"S": meeting_id.lower() if is_guid(meeting_id) else meeting_id}}


def pending_id(record: MeetingRecord) -> str:
    """The key of the row that is there before Chime has answered. (Pending rows of earlier versions have the token in it only.)"""
    if record.meeting_id.startswith(PENDING_PREFIX):
        return record.meeting_id
    return f"{PENDING_PREFIX}{record.request_token}"


def item_of(record: MeetingRecord) -> dict[str, Any]:
    """The row of a record."""
    return typed(
        {
            "meetingId": record.meeting_id,
            "externalMeetingId": record.external_meeting_id,
            "createdBy": record.created_by,
            "controlRegion": record.control_region,
            "mediaRegion": record.media_region,
            "createdAt": _iso(record.created_at),
            "status": record.status.value,
            "ttl": int((record.created_at + KEPT).timestamp()),
            **{name: getattr(record, field) for name, field in _PLAIN.items()},
            **{name: _iso(getattr(record, field)) for name, field in _TIMES.items()},
        }
    )


def usage_of(record: MeetingRecord) -> dict[str, Any]:
    """The attributes of a row that say what its meeting has used."""
    used = ("attendeeMinutes", "attendances", "minutesEstimated", "costUsd")
    return typed({name: getattr(record, _PLAIN[name]) for name in used})


def record_of(item: Item) -> MeetingRecord:
    """The record of a row, whichever version wrote it."""
    values = plain(item)
    given: dict[str, Any] = {field: values[name] for name, field in _PLAIN.items() if name in values}
    given |= {field: datetime.fromisoformat(values[name]) for name, field in _TIMES.items() if name in values}
    return MeetingRecord(
        values["meetingId"],
        values["externalMeetingId"],
        values["createdBy"],
        values["controlRegion"],
        values["mediaRegion"],
        datetime.fromisoformat(values["createdAt"]),
        MeetingStatus(values["status"]),
        **given,
    )


def unexpired(item: Item, now: datetime) -> bool:
    """Whether a row is of a meeting, and still to be shown: DynamoDB deletes expired rows days later."""
    return int(item["ttl"]["N"]) > now.timestamp() and not item["meetingId"]["S"].startswith(OPEN_PREFIX)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()

"""Rows of the ledger: what is written is read again, and rows of earlier versions and of the functions are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from whatschat_ops.chime import rows
from whatschat_ops.chime.models import EndReason, MeetingRecord, MeetingStatus, Purpose

CREATED_AT = datetime(2026, 11, 28, 20, 15, tzinfo=UTC)
PLAIN = MeetingRecord("m-1", "standup", "alice", "us-east-1", "eu-west-1", CREATED_AT, MeetingStatus.CREATED)
FULL = replace(
    PLAIN,
    status=MeetingStatus.DELETED,
    purpose=Purpose.TEST,
    host_user_id="alice",
    request_token="token-1",
    features={"Video": {"MaxResolution": "FHD"}, "Attendee": {"MaxCount": 25}},
    tags={"team": "calls"},
    primary_meeting_id="m-0",
    delete_after=CREATED_AT + timedelta(minutes=30),
    ended_at=CREATED_AT + timedelta(minutes=12),
    end_reason=EndReason.SWEPT,
    ended_by="arn:aws:iam::000000000000:user/operator",
    attendee_minutes=12.3,
    attendances=2,
    minutes_estimated=False,
    cost_usd={"aws": "0.02091"},
)


def test_row_of_every_attribute_is_read_as_it_was_written() -> None:
    assert rows.record_of(rows.item_of(FULL)) == FULL


def test_what_is_not_known_is_not_written() -> None:
    assert rows.item_of(PLAIN) == {
        "meetingId": {"S": "m-1"},
        "externalMeetingId": {"S": "standup"},
        "createdBy": {"S": "alice"},
        "controlRegion": {"S": "us-east-1"},
        "mediaRegion": {"S": "eu-west-1"},
        "createdAt": {"S": "2026-11-28T20:15:00+00:00"},
        "status": {"S": "created"},
        "ttl": {"N": str(int((CREATED_AT + timedelta(days=30)).timestamp()))},
    }
    assert rows.record_of(rows.item_of(PLAIN)) == PLAIN


def test_numbers_are_read_as_json_has_them() -> None:
    features = rows.record_of(rows.item_of(FULL)).features
    assert features is not None
    assert type(features["Attendee"]["MaxCount"]) is int


def test_attribute_of_a_later_version_is_skipped() -> None:
    assert rows.record_of({**rows.item_of(PLAIN), "somethingNew": {"S": "x"}}) == PLAIN


def test_row_expires_30_days_after_its_creation() -> None:
    item = rows.item_of(PLAIN)
    assert rows.unexpired(item, CREATED_AT + timedelta(days=29))
    assert not rows.unexpired(item, CREATED_AT + timedelta(days=30))

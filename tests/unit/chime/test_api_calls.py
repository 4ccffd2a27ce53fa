"""Failed calls of Chime in the entries of CloudTrail's event history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from whatschat_ops.chime.api_calls import parse_call

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MEETING = "b6680f99-66e2-40b9-9852-8f69ffe3a962"


def entry(record: Any) -> dict[str, Any]:
    return {
        "EventId": "e1", "EventName": "CreateAttendee", "EventTime": AT, "Username": "alice",
        "CloudTrailEvent": record if isinstance(record, str) else json.dumps(record),
    }  # fmt: skip


def test_failed_call_has_its_cause_its_caller_and_its_meeting() -> None:
    call = parse_call(
        entry(
            {
                "errorCode": "AccessDenied",
                "errorMessage": "not authorized",
                "userIdentity": {"arn": "arn:aws:iam::1:user/alice"},
                "requestParameters": {"meetingId": MEETING.upper()},
                "requestID": "r1",
            }
        )
    )
    assert call is not None
    assert (call.at, call.operation, call.error_code, call.error_message) == (
        AT, "CreateAttendee", "AccessDenied", "not authorized",
    )  # fmt: skip
    assert (call.caller, call.meeting_id, call.request_id) == ("arn:aws:iam::1:user/alice", MEETING, "r1")


def test_what_a_record_does_not_say_is_unknown() -> None:
    call = parse_call(entry({"errorCode": "Throttling", "requestParameters": None, "userIdentity": None}))
    assert call is not None
    assert (call.error_message, call.meeting_id, call.request_id, call.caller) == (None, None, None, "alice")


@pytest.mark.parametrize("record", [{}, {"errorCode": None}, [], "", "not JSON", "[" * 100_000])
def test_call_that_succeeded_or_cannot_be_read_is_left_out(record: Any) -> None:
    assert parse_call(entry(record)) is None

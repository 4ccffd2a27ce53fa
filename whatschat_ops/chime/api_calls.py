"""Calls of Chime that failed, from the event history of CloudTrail: the guide's "check meeting creation logs".

CloudTrail has the calls of the last 90 days, some minutes after they were made ("typically within an average of about 5 minutes", CloudTrail
FAQs); Chime's have the event source `chime.amazonaws.com` (Chime SDK Administrator Guide, "Logging with AWS CloudTrail").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from whatschat_ops.aws import Aws

EVENT_SOURCE: Final = "chime.amazonaws.com"


@dataclass(frozen=True, slots=True)
class FailedCall:
    """One call that failed. `caller` is an ARN; None where CloudTrail does not say it, or where a call has no meeting."""

    at: datetime
    operation: str
    error_code: str
    error_message: str | None
    caller: str | None
    meeting_id: str | None
    request_id: str | None
    event_id: str


def failed_calls(
    aws: Aws, region: str, since: datetime, *, meeting_id: str | None = None
) -> Iterator[FailedCall]:
    """Those in one Region since then, newest first."""
    pages = aws.client("cloudtrail", region=region).get_paginator("lookup_events")
    source = [{"AttributeKey": "EventSource", "AttributeValue": EVENT_SOURCE}]
    for page in pages.paginate(LookupAttributes=source, StartTime=since):
        for entry in page.get("Events", ()):
            call = parse_call(entry)
            if call is not None and meeting_id in (None, call.meeting_id):
                yield call


def parse_call(entry: Mapping[str, Any]) -> FailedCall | None:
    """The call in an entry of LookupEvents; None if it succeeded, or if its record cannot be read."""
    record = _object(entry.get("CloudTrailEvent"))
    code = record.get("errorCode")
    if not code:
        return None
    identity, parameters = _mapping(record.get("userIdentity")), _mapping(record.get("requestParameters"))
    meeting = _text(parameters.get("meetingId"))
    return FailedCall(
        at=entry["EventTime"],
        operation=str(entry["EventName"]),
        error_code=str(code),
        error_message=_text(record.get("errorMessage")),
        caller=_text(identity.get("arn")) or _text(entry.get("Username")),
        meeting_id=meeting.lower() if meeting else None,
        request_id=_text(record.get("requestID")),
        event_id=str(entry["EventId"]),
    )


def _object(text: object) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text)) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return str(value) if value else None

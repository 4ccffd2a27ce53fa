"""Events of Chime SDK meetings, as EventBridge wrote them to the log group of `chime.events`.

`parse_event` is pure: an event of EventBridge in, a `MeetingEvent` out. `EventLog` reads the log group, which is in the
control Region. Delivery is best effort and not ordered: an event may be missing, late, or there twice (MeetingEnded "is also
sent when you call DeleteMeeting"). Shapes: Chime SDK Developer Guide, "Amazon Chime SDK meeting events".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.config.names import Names
from whatschat_ops.errors import ConfigError, NotFound, NotProvisioned

SOURCE: Final = "aws.chime"
DETAIL_TYPE: Final = "Chime Meeting State Change"
PREFIX: Final = "chime:"
LATEST_DELIVERY: Final = timedelta(minutes=15)
"""How much later than it happened an event may be in the log. EventBridge states no limit; this is ours."""
OFF: Final = "not measured: chime.events is off"


class EventType(StrEnum):
    """`detail.eventType`, without its prefix `chime:`."""

    MEETING_STARTED = "MeetingStarted"
    MEETING_ENDED = "MeetingEnded"
    ATTENDEE_ADDED = "AttendeeAdded"
    ATTENDEE_DELETED = "AttendeeDeleted"
    ATTENDEE_AUTHORIZED = "AttendeeAuthorized"
    ATTENDEE_JOINED = "AttendeeJoined"
    ATTENDEE_LEFT = "AttendeeLeft"
    ATTENDEE_DROPPED = "AttendeeDropped"
    VIDEO_STARTED = "AttendeeVideoStarted"
    VIDEO_STOPPED = "AttendeeVideoStopped"
    CONTENT_JOINED = "AttendeeContentJoined"
    CONTENT_LEFT = "AttendeeContentLeft"
    CONTENT_DROPPED = "AttendeeContentDropped"
    CONTENT_VIDEO_STARTED = "AttendeeContentVideoStarted"
    CONTENT_VIDEO_STOPPED = "AttendeeContentVideoStopped"


class MalformedEvent(ValueError):
    """An event of Chime meetings that has not the documented fields."""


@dataclass(frozen=True, slots=True)
class MeetingEvent:
    """One state change. `at` is when it happened, timezone-aware, to the millisecond.

    `external_meeting_id` is in the events of meetings only, the ids of an attendee in those of attendees only.
    `event_type` is one of `EventType`, or a newer one as AWS wrote it, without its prefix.
    """

    event_type: str
    at: datetime
    meeting_id: str
    external_meeting_id: str | None
    attendee_id: str | None
    external_user_id: str | None
    media_region: str
    event_id: str


def parse_event(document: object) -> MeetingEvent | None:
    """The event in a document of EventBridge; None if it is no state change of a meeting. Raises MalformedEvent."""
    if not isinstance(document, Mapping) or document.get("source") != SOURCE:
        return None
    if document.get("detail-type") != DETAIL_TYPE:
        return None
    try:
        return _event(document, document["detail"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MalformedEvent(
            f"The event {document.get('id')} has not the documented form: {error!r}"
        ) from error


def _event(document: Mapping[str, Any], detail: Mapping[str, Any]) -> MeetingEvent:
    return MeetingEvent(
        event_type=_text(detail["eventType"]).removeprefix(PREFIX),
        at=datetime.fromtimestamp(detail["timestamp"] / 1000, UTC),
        meeting_id=_text(detail["meetingId"]).lower(),
        external_meeting_id=_optional(detail, "externalMeetingId"),
        attendee_id=_optional(detail, "attendeeId"),
        external_user_id=_optional(detail, "externalUserId"),
        media_region=_optional(detail, "mediaRegion") or "",
        event_id=_text(document["id"]),
    )


def _optional(detail: Mapping[str, Any], name: str) -> str | None:
    value = detail.get(name)
    return None if value is None else _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


class EventLog:
    """The log group of one environment's Chime events. `malformed` counts the entries that could not be read so far."""

    def __init__(self, aws: Aws, settings: Settings) -> None:
        self._aws = aws
        self._settings = settings
        self.group = Names(settings).chime_event_log_group
        self.malformed = 0

    @property
    def enabled(self) -> bool:
        """Whether the stack has events; without them `events` raises."""
        return self._settings.chime.events

    def require(self) -> None:
        """Raises ConfigError, "not measured: chime.events is off"."""
        if not self.enabled:
            raise ConfigError(
                f"{OFF[0].upper()}{OFF[1:]}.",
                hint="Set chime.events: true, then run provision: events are kept from then on.",
            )

    def events(
        self, since: datetime, until: datetime | None = None, *, meeting_id: str | None = None
    ) -> Iterator[MeetingEvent]:
        """Events that happened from `since` until before `until`, in the order of the log (about that of time), each once.

        Raises ConfigError when events are off, NotProvisioned without the log group.
        """
        self.require()
        seen: set[str] = set()
        for event in self._read(since, until, meeting_id):
            if event.event_id in seen or event.at < since or (until and event.at >= until):
                continue
            seen.add(event.event_id)
            yield event

    def follow(
        self, since: datetime, *, meeting_id: str | None = None, wait: Callable[[], None]
    ) -> Iterator[MeetingEvent]:
        """As `events`, and then every new event. `wait` is called before the log is read again.

        An event that arrives late is found for `LATEST_DELIVERY`.
        """
        self.require()
        seen: dict[str, datetime] = {}
        newest = since
        while True:
            read: set[str] = set()
            for event in self._read(max(since, newest - LATEST_DELIVERY), None, meeting_id):
                read.add(event.event_id)
                if event.event_id not in seen and event.at >= since:
                    yield event
                    newest = max(newest, event.at)
                    seen[event.event_id] = event.at
            kept_from = newest - 2 * LATEST_DELIVERY
            # The log goes by when it got an event: a late one of long ago may be read again.
            seen = {event_id: at for event_id, at in seen.items() if at >= kept_from or event_id in read}
            wait()

    def _read(
        self, since: datetime, until: datetime | None, meeting_id: str | None
    ) -> Iterator[MeetingEvent]:
        request: dict[str, Any] = {"logGroupName": self.group, "startTime": _ms(since)}
        if until is not None:
            request["endTime"] = _ms(until + LATEST_DELIVERY)
        if meeting_id is not None:
            request["filterPattern"] = f'{{ $.detail.meetingId = "{meeting_id.lower()}" }}'
        region = self._settings.chime.region
        try:
            client = self._aws.client("logs", region=region)
            for page in client.get_paginator("filter_log_events").paginate(**request):
                for entry in page.get("events", ()):
                    yield from self._parsed(entry.get("message", ""))
        except NotFound as error:
            raise NotProvisioned.of(
                error, f"The events are not available: the log group {self.group} does not exist in {region}."
            ) from error

    def _parsed(self, message: str) -> Iterator[MeetingEvent]:
        try:
            event = parse_event(json.loads(message))
        except (ValueError, RecursionError):  # MalformedEvent is a ValueError
            self.malformed += 1
            return
        if event is not None:
            yield event


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)

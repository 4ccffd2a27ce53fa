"""The operations of Chime SDK meetings. Input: validated parameters; output: the documents of the API.

Every function is called with the control Region of the request: a meeting exists only in the Region that created it.
Errors are `ChimeFault`s. Nothing is written to disk here, and nothing is sent: events are taken with `take_events`.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from whatschat_ops import quotas
from whatschat_ops.local.chime import events, rules, transcription
from whatschat_ops.local.chime.fault import ChimeFault, bad_request, meeting_not_found
from whatschat_ops.local.chime.meeting import Attendee, Meeting
from whatschat_ops.local.chime.state import MeetingStore
from whatschat_ops.local.interfaces import ServiceEvent

Parameters = Mapping[str, Any]
Output = dict[str, Any]

_KEPT = ("ExternalMeetingId", "MediaRegion", "MeetingHostId", "PrimaryMeetingId", "TenantIds")


class MeetingOperations:
    """The operations on one account's meetings. `clock` gives seconds since the epoch, `max_meetings` those of a Region."""

    def __init__(
        self,
        store: MeetingStore,
        account_id: str,
        clock: Callable[[], float],
        max_meetings: Callable[[str], int],
    ) -> None:
        self._store = store
        self._account_id = account_id
        self._clock = clock
        self._max_meetings = max_meetings
        self._events: list[ServiceEvent] = []
        self._operations: Mapping[str, Callable[[str, Parameters], Output]] = {
            "BatchCreateAttendee": self._batch_create_attendee,
            "BatchUpdateAttendeeCapabilitiesExcept": self._batch_update_capabilities,
            "CreateAttendee": self._create_attendee,
            "CreateMeeting": self._create_meeting,
            "CreateMeetingWithAttendees": self._create_meeting_with_attendees,
            "DeleteAttendee": self._delete_attendee,
            "DeleteMeeting": self._delete_meeting,
            "GetAttendee": self._get_attendee,
            "GetMeeting": self._get_meeting,
            "ListAttendees": self._list_attendees,
            "ListTagsForResource": self._list_tags,
            "StartMeetingTranscription": self._start_transcription,
            "StopMeetingTranscription": self._stop_transcription,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "UpdateAttendeeCapabilities": self._update_capabilities,
        }

    def call(self, name: str, region: str, parameters: Parameters) -> Output:
        """Perform the operation `name`. Raises ChimeFault."""
        return self._operations[name](region, parameters)

    def take_events(self) -> list[ServiceEvent]:
        """The events since the last call, in the order in which they happened."""
        taken, self._events = self._events, []
        return taken

    def end_meetings(self) -> None:
        """End the meetings whose time is over."""
        self._active()

    def arn(self, region: str, meeting_id: str) -> str:
        """The ARN of a meeting, whether or not it exists."""
        return f"arn:{rules.partition(region)}:chime:{region}:{self._account_id}:meeting/{meeting_id}"

    # Meetings

    def _create_meeting(self, region: str, given: Parameters) -> Output:
        token = given["ClientRequestToken"]
        active = [meeting for meeting in self._active().values() if meeting.region == region]
        known = next((meeting for meeting in active if meeting.client_request_token == token), None)
        if known is not None:
            return {"Meeting": _meeting_document(known)}
        if len(active) >= (most := self._max_meetings(region)):
            raise ChimeFault(
                "LimitExceededException",
                f"There are {most} meetings already, the quota of this account in {region}",
            )
        meeting = self._new_meeting(region, given)
        self._store.add(meeting)
        self._events.append(events.meeting_event(events.STARTED, meeting, meeting.created_at))
        return {"Meeting": _meeting_document(meeting)}

    def _new_meeting(self, region: str, given: Parameters) -> Meeting:
        rules.check_media_region(given["MediaRegion"], region)
        rules.check_external_id("ExternalMeetingId", given["ExternalMeetingId"])
        self._check_primary(region, given.get("PrimaryMeetingId"))
        meeting_id = str(uuid.uuid4())
        arn = self.arn(region, meeting_id)
        tags = {tag["Key"]: tag["Value"] for tag in given.get("Tags") or ()}
        rules.check_tags(tags, arn)
        request = {name: given[name] for name in _KEPT if given.get(name) is not None}
        request["MeetingFeatures"] = rules.meeting_features(given.get("MeetingFeatures") or {})
        now = self._clock()
        return Meeting(
            meeting_id, arn, region, given["ClientRequestToken"], now, request, {}, tags, empty_since=now
        )

    def _check_primary(self, region: str, primary_id: str | None) -> None:
        if primary_id is None:
            return
        active = self._active()
        primary = active.get(primary_id)
        if primary is None or primary.region != region or primary.primary_id:
            raise bad_request("PrimaryMeetingId is not the id of a living primary meeting")
        replicas = sum(meeting.primary_id == primary_id for meeting in active.values())
        if replicas >= quotas.CHIME_REPLICAS:
            raise ChimeFault(
                "LimitExceededException",
                f"The primary meeting has {quotas.CHIME_REPLICAS} replicas already",
            )

    def _create_meeting_with_attendees(self, region: str, given: Parameters) -> Output:
        created = self._create_meeting(region, given)
        meeting = self._active()[created["Meeting"]["MeetingId"]]
        return {**created, **self._create_attendees(meeting, given["Attendees"])}

    def _get_meeting(self, region: str, given: Parameters) -> Output:
        return {"Meeting": _meeting_document(self._meeting(region, given))}

    def _delete_meeting(self, region: str, given: Parameters) -> Output:
        # An unknown meeting counts as ended: "The API is idempotent" (aws/amazon-chime-sdk-js#895).
        meeting = self._active().get(given["MeetingId"].lower())
        if meeting is not None and meeting.region == region:
            for ended, at in self._store.remove(meeting.id, self._clock()):
                # "For efficiency, the service also sends this event when you call the DeleteMeeting API": two in all
                # (Chime SDK Developer Guide, "Amazon Chime SDK meeting ends").
                self._events += [events.meeting_event(events.ENDED, ended, at)] * (1 + (ended is meeting))
        return {}

    # Attendees

    def _create_attendee(self, region: str, given: Parameters) -> Output:
        attendee = self._new_attendee(self._meeting(region, given), given)
        return {"Attendee": _attendee_document(attendee)}

    def _batch_create_attendee(self, region: str, given: Parameters) -> Output:
        return self._create_attendees(self._meeting(region, given), given["Attendees"])

    def _get_attendee(self, region: str, given: Parameters) -> Output:
        return {"Attendee": _attendee_document(self._attendee(region, given))}

    def _list_attendees(self, region: str, given: Parameters) -> Output:
        attendees = list(self._meeting(region, given).attendees.values())
        start = _page_start(given.get("NextToken"), attendees)
        end = start + given.get("MaxResults", 100)
        page = attendees[start:end]
        token = _page_token(page[-1]) if end < len(attendees) else None
        return {"Attendees": [_attendee_document(attendee) for attendee in page], "NextToken": token}

    def _delete_attendee(self, region: str, given: Parameters) -> Output:
        meeting, attendee = self._meeting(region, given), self._attendee(region, given)
        if attendee.connected_at is not None:
            self.disconnect(meeting, attendee, events.LEFT)
        self._store.remove_attendee(meeting, attendee)
        self._events.append(events.attendee_event(events.DELETED, meeting, attendee, self._clock()))
        return {}

    def _update_capabilities(self, region: str, given: Parameters) -> Output:
        attendee = self._attendee(region, given)
        meeting = self._meeting(region, given)
        attendee.capabilities = rules.capabilities(given["Capabilities"], meeting.request["MeetingFeatures"])
        self._store.put_attendee(meeting, attendee)
        return {"Attendee": _attendee_document(attendee)}

    def _batch_update_capabilities(self, region: str, given: Parameters) -> Output:
        meeting = self._meeting(region, given)
        wanted = rules.capabilities(given["Capabilities"], meeting.request["MeetingFeatures"])
        excluded = {item["AttendeeId"].lower() for item in given["ExcludedAttendeeIds"]}
        for attendee in meeting.attendees.values():
            if attendee.id not in excluded:
                attendee.capabilities = dict(wanted)
                self._store.put_attendee(meeting, attendee)
        return {}

    def _create_attendees(self, meeting: Meeting, items: list[dict[str, Any]]) -> Output:
        """Each item on its own: one that cannot be created becomes an entry of Errors, and the call succeeds."""
        attendees, errors = [], []
        for item in items:
            try:
                attendees.append(_attendee_document(self._new_attendee(meeting, item)))
            except ChimeFault as fault:
                code = fault.code.removesuffix("Exception")
                errors.append(
                    {
                        "ExternalUserId": item["ExternalUserId"],
                        "ErrorCode": code,
                        "ErrorMessage": fault.message,
                    }
                )
        return {"Attendees": attendees, "Errors": errors}

    def _new_attendee(self, meeting: Meeting, item: Parameters) -> Attendee:
        external_user_id = item["ExternalUserId"]
        rules.check_external_id("ExternalUserId", external_user_id)
        features = meeting.request["MeetingFeatures"]
        wanted = rules.capabilities(item.get("Capabilities"), features)
        # "An idempotency token", "case insensitive" (API reference, Attendee).
        for attendee in meeting.attendees.values():
            if attendee.external_user_id.lower() == external_user_id.lower():
                return attendee
        if len(meeting.attendees) >= features["Attendee"]["MaxCount"]:
            raise ChimeFault(
                "LimitExceededException",
                f"The meeting has {features['Attendee']['MaxCount']} attendees already",
            )
        attendee_id = str(uuid.uuid4())
        join_token = base64.b64encode(f"{attendee_id}:{secrets.token_urlsafe(24)}".encode()).decode()
        attendee = Attendee(attendee_id, external_user_id, join_token, wanted)
        self._store.put_attendee(meeting, attendee)
        self._events.append(events.attendee_event(events.ADDED, meeting, attendee, self._clock()))
        return attendee

    # Attendance, which no operation of Chime's API is about: clients connect to its media servers

    def active_meetings(self) -> list[Meeting]:
        """All meetings of all control Regions, in the order in which they were created."""
        return list(self._active().values())

    def connect(self, meeting: Meeting, attendee: Attendee) -> float:
        """Connect an attendee that is not connected, and return when."""
        now = self._clock()
        self._store.connect(meeting, attendee, now)
        for event_type in (events.AUTHORIZED, events.JOINED):
            self._events.append(events.attendee_event(event_type, meeting, attendee, now))
        return now

    def disconnect(self, meeting: Meeting, attendee: Attendee, event_type: str) -> float:
        """Disconnect an attendee that is connected, and return when. `event_type` is LEFT or DROPPED."""
        now = self._clock()
        self._store.disconnect(meeting, attendee, now)
        self._events.append(events.attendee_event(event_type, meeting, attendee, now))
        return now

    # Transcription

    def _start_transcription(self, region: str, given: Parameters) -> Output:
        transcription.check(given["TranscriptionConfiguration"])
        self._meeting(region, given)
        raise transcription.refusal("StartMeetingTranscription")

    def _stop_transcription(self, region: str, given: Parameters) -> Output:
        self._meeting(region, given)
        raise transcription.refusal("StopMeetingTranscription")

    # Tags

    def _list_tags(self, region: str, given: Parameters) -> Output:
        tags = self._tagged(region, given).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tag(self, region: str, given: Parameters) -> Output:
        meeting = self._tagged(region, given)
        tags = {**meeting.tags, **{tag["Key"]: tag["Value"] for tag in given["Tags"]}}
        rules.check_tags(tags, meeting.arn)
        self._store.tag(meeting, tags)
        return {}

    def _untag(self, region: str, given: Parameters) -> Output:
        meeting = self._tagged(region, given)
        kept = {key: value for key, value in meeting.tags.items() if key not in set(given["TagKeys"])}
        self._store.tag(meeting, kept)
        return {}

    # Look-ups

    def _active(self) -> dict[str, Meeting]:
        for meeting, at in self._store.end(self._clock()):
            self._events.append(events.meeting_event(events.ENDED, meeting, at))
        return self._store.meetings

    def _meeting(self, region: str, given: Parameters) -> Meeting:
        meeting = self._active().get(given["MeetingId"].lower())
        if meeting is None or meeting.region != region:
            raise meeting_not_found(given["MeetingId"])
        return meeting

    def _attendee(self, region: str, given: Parameters) -> Attendee:
        attendee = self._meeting(region, given).attendees.get(given["AttendeeId"].lower())
        if attendee is None:
            raise ChimeFault("NotFoundException", f"Attendee <{given['AttendeeId']}> not found")
        return attendee

    def _tagged(self, region: str, given: Parameters) -> Meeting:
        arn = given["ResourceARN"]
        meeting = self._active().get(arn.rpartition("/")[2].lower())
        if meeting is None or meeting.region != region or meeting.arn.lower() != arn.lower():
            raise ChimeFault("ResourceNotFoundException", f"Resource <{arn}> not found", resource=arn)
        return meeting


def _meeting_document(meeting: Meeting) -> dict[str, Any]:
    placement = rules.media_placement(meeting.id, meeting.request["MediaRegion"])
    return {
        "MeetingId": meeting.id, "MeetingArn": meeting.arn, "MediaPlacement": placement, **meeting.request,
    }  # fmt: skip


def _attendee_document(attendee: Attendee) -> dict[str, Any]:
    return {
        "AttendeeId": attendee.id,
        "ExternalUserId": attendee.external_user_id,
        "JoinToken": attendee.join_token,
        "Capabilities": attendee.capabilities,
    }


def _page_token(last: Attendee) -> str:
    return base64.urlsafe_b64encode(last.id.encode()).decode()


def _page_start(token: str | None, attendees: list[Attendee]) -> int:
    """Index after the attendee that ended the previous page. Raises BadRequestException for an unknown token."""
    if token is None:
        return 0
    for index, attendee in enumerate(attendees, start=1):
        if _page_token(attendee) == token:
            return index
    raise bad_request("NextToken is not valid")

"""The calls: create, get, list and delete meetings and attendees.

Input: a boto3 client and, if wanted, a ledger. Meetings are created in the client's Region; later calls go to the
control Region in the ledger, because no other knows the meeting. Failures are `AwsError`s; invalid ids are
`UsageError`s before anything is sent.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from whatschat_ops import quotas
from whatschat_ops.chime import ids
from whatschat_ops.chime.attendees import AttendeeOperations
from whatschat_ops.chime.ledger import Ledger, NoLedger, utc_now
from whatschat_ops.chime.models import Meeting, MeetingRecord, MeetingStatus
from whatschat_ops.chime.region_routing import RegionRouter
from whatschat_ops.errors import AwsError, Missing, NotFound, Unavailable, UsageError

CHECKS_AT_ONCE = 5
"""GetMeeting calls in flight, well within `quotas.CHIME_API`."""
LONGEST_MEETING = timedelta(seconds=quotas.CHIME_MEETING_S)


class ChimeService(AttendeeOperations):
    """Chime SDK meetings of one account, through `client`, a boto3 client of `chime-sdk-meetings` in the control Region.

    Without a ledger, meetings are created and found by their ids, but cannot be listed. `media_region` hosts the media of meetings (the
    control Region unless given). `client_in(region)` gives a client of another control Region, for meetings that the ledger knows from there.
    With `enabled=False` meetings and attendees can be read and deleted, not created. Thread-safe, as boto3's clients are;
    `clock` gives timezone-aware times, `sleep` takes seconds.
    """

    def __init__(
        self,
        client: Any,
        ledger: Ledger | None = None,
        *,
        media_region: str | None = None,
        client_in: Callable[[str], Any] | None = None,
        enabled: bool = True,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._region: str = client.meta.region_name
        self._media_region = media_region or self._region
        self._ledger = ledger or NoLedger()
        self._clock = clock
        router = RegionRouter(client, self._ledger, client_in, clock=clock, sleep=sleep)
        super().__init__(router, enabled=enabled, sleep=sleep)

    # Meetings

    def create_meeting(
        self, user_id: str, external_meeting_id: str | None = None, *, media_region: str | None = None
    ) -> Meeting:
        """Create a meeting for a user; the ledger records it before and after.

        `external_meeting_id` is `call-<user>-<ms>` unless given. Raises ConfigError when Chime is disabled.
        """
        self._require_enabled()
        ids.external_user_id(user_id)
        now = self._clock()
        external = (
            ids.default_external_meeting_id(user_id, int(now.timestamp() * 1000))
            if external_meeting_id is None
            else ids.external_meeting_id(external_meeting_id)
        )
        region = self._region
        media = _media_region(media_region or self._media_region, region)
        token = str(uuid.uuid4())
        record = MeetingRecord("", external, user_id, region, media, now, MeetingStatus.CREATED)
        self._ledger.begin(token, record)
        meeting = self._create(token, record)
        self._ledger.commit(token, replace(record, meeting_id=meeting.meeting_id))
        return meeting

    def _create(self, token: str, record: MeetingRecord) -> Meeting:
        try:
            answer = self._router.client(record.control_region).create_meeting(
                ClientRequestToken=token,
                MediaRegion=record.media_region,
                ExternalMeetingId=record.external_meeting_id,
            )
        except Unavailable:
            raise  # it may have been created: the pending row stays until the meeting must have ended
        except AwsError:
            self._ledger.abandon(token)
            raise
        return Meeting.from_api(answer["Meeting"], record.control_region)

    def get_meeting(self, meeting_id: str) -> Meeting:
        """The meeting as Chime knows it. Raises NotFound when it has ended."""
        region, answer = self._router.call(meeting_id, "get_meeting")
        return Meeting.from_api(answer["Meeting"], region)

    def delete_meeting(self, meeting_id: str) -> None:
        """End a meeting and disconnect its attendees. A meeting of the ledger that has ended already is no error.

        DeleteMeeting succeeds for any id (aws/amazon-chime-sdk-js#895), so a meeting that is not in the ledger
        is looked up first: raises NotFound.
        """
        record = self._ledger.get(meeting_id)
        if record is None:
            self._router.call(meeting_id, "get_meeting")
        region = record.control_region if record else self._region
        self._router.client(region).delete_meeting(MeetingId=meeting_id)
        if record is not None and not record.status.over:
            self._ledger.set_status(meeting_id, MeetingStatus.DELETED)

    def list_meetings(self, *, check: bool = True) -> list[MeetingRecord]:
        """The ledger's meetings, newest first; with `check`, those that may still be open are looked up at Chime.

        The ledger records those that have ended, so that they are not looked up again.
        """
        records = [self._aged(record) for record in self._ledger.settle()]
        if not check:
            return records
        with ThreadPoolExecutor(max_workers=CHECKS_AT_ONCE) as pool:
            return list(pool.map(self._checked, records))

    def find_meeting_id(self, reference: str) -> str:
        """The id of a meeting, given its id or its external meeting id.

        Raises Missing when it is not in the ledger, UsageError when several meetings have the external id.
        """
        if ids.is_guid(reference) and self._ledger.get(reference.lower()):
            return reference.lower()
        known = [self._aged(record) for record in self._ledger.records()]
        same = [record for record in known if record.goes_by(reference)]
        candidates = [record for record in same if not record.status.over] or same
        if len(candidates) > 1:
            several = ", ".join(record.meeting_id for record in candidates)
            raise UsageError(
                f"{len(candidates)} meetings have the external id {reference!r}: {several}.",
                hint="Use the meeting id instead.",
            )
        if not candidates and ids.is_guid(reference):
            return reference.lower()  # the application may have created it
        if not candidates:
            raise Missing(
                f"Meeting {reference!r} not found: it is neither a meeting id nor an external id in the ledger.",
            )
        return candidates[0].meeting_id

    def _aged(self, record: MeetingRecord) -> MeetingRecord:
        """The record as its age decides: no meeting lasts longer than 24 hours."""
        if record.status is MeetingStatus.CREATED and self._clock() - record.created_at >= LONGEST_MEETING:
            return replace(record, status=MeetingStatus.ENDED)
        return record

    def _checked(self, record: MeetingRecord) -> MeetingRecord:
        if record.status is not MeetingStatus.CREATED:
            return record
        try:
            self._router.client(record.control_region).get_meeting(MeetingId=record.meeting_id)
        except NotFound:
            if self._router.is_settling(record):
                return record
            self._ledger.set_status(record.meeting_id, MeetingStatus.ENDED)
            return replace(record, status=MeetingStatus.ENDED)
        return replace(record, status=MeetingStatus.ACTIVE)


def _media_region(media_region: str, control_region: str) -> str:
    government = control_region.startswith("us-gov-")
    allowed = [name for name in quotas.CHIME_MEDIA_REGIONS if name.startswith("us-gov-") == government]
    if media_region not in allowed:
        raise UsageError(
            f"{media_region} cannot host the media of a meeting created in {control_region}.",
            hint=f"Allowed: {', '.join(allowed)}.",
        )
    return media_region

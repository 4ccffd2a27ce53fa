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
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from whatschat_ops import quotas
from whatschat_ops.chime import ids
from whatschat_ops.chime.attendees import DISABLED, AttendeeOperations, disabled
from whatschat_ops.chime.creation import Creation
from whatschat_ops.chime.ledger import Ledger, NoLedger, utc_now
from whatschat_ops.chime.models import End, EndReason, Meeting, MeetingRecord, MeetingStatus
from whatschat_ops.chime.region_routing import RegionRouter
from whatschat_ops.chime.requests import LONGEST_MEETING, MeetingOptions, is_same_request
from whatschat_ops.errors import AwsError, Missing, NotFound, Unavailable, UsageError

CHECKS_AT_ONCE = 5
"""GetMeeting calls in flight, well within `quotas.CHIME_API`."""


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
        self._creation = Creation(self._ledger, router.client, clock, sleep)

    # Meetings

    def create_meeting(
        self,
        user_id: str,
        external_meeting_id: str | None = None,
        *,
        media_region: str | None = None,
        options: MeetingOptions | None = None,
    ) -> Meeting:
        """Create a meeting for a user; the ledger records it before and after.

        `external_meeting_id` is `call-<user>-<ms>` unless given. Raises ConfigError when Chime is disabled.
        """
        self._require_enabled()
        return self._creation.create(
            self._new_record(user_id, external_meeting_id, media_region, options or MeetingOptions())
        )

    def recreate_meeting(
        self,
        user_id: str,
        external_meeting_id: str,
        *,
        media_region: str | None = None,
        options: MeetingOptions | None = None,
    ) -> Meeting:
        """As `create_meeting`, but the same request of a run that ended before Chime's answer is completed.

        Reads the whole ledger.
        """
        self._require_enabled()
        wanted = self._new_record(user_id, external_meeting_id, media_region, options or MeetingOptions())
        for record in self._ledger.records():
            if record.status is not MeetingStatus.PENDING or not is_same_request(record, wanted):
                continue
            recovered = self._creation.recover(record)
            if recovered is not None and recovered.status is MeetingStatus.CREATED:
                return self.get_meeting(recovered.meeting_id)
        return self._creation.create(wanted)

    def _new_record(
        self, user_id: str, external: str | None, media_region: str | None, options: MeetingOptions
    ) -> MeetingRecord:
        ids.external_user_id(user_id)
        now = self._clock()
        region = self._control_region(options.primary_meeting_id)
        return MeetingRecord(
            "",
            ids.default_external_meeting_id(user_id, int(now.timestamp() * 1000))
            if external is None
            else ids.external_meeting_id(external),
            user_id,
            region,
            _media_region(media_region or self._media_region, region),
            now,
            MeetingStatus.CREATED,
            purpose=options.purpose,
            host_user_id=options.host_user_id,
            request_token=str(uuid.uuid4()),
            features=options.features or None,
            tags=options.tags or None,
            primary_meeting_id=options.primary_meeting_id,
            delete_after=now + options.ttl if options.ttl else None,
        )

    def _control_region(self, primary_id: str | None) -> str:
        """Where to create a meeting: a replica where its primary meeting is."""
        primary = self._ledger.get(primary_id) if primary_id else None
        if primary and primary.primary_meeting_id:
            raise UsageError(
                f"The meeting {primary_id} is a replica itself, and only a primary meeting can be replicated.",
                hint=f"Replicate its primary meeting instead: {primary.primary_meeting_id}",
            )
        return primary.control_region if primary else self._region

    def get_meeting(self, meeting_id: str) -> Meeting:
        """The meeting as Chime knows it. Raises NotFound when it has ended."""
        region, answer = self._router.call(meeting_id, "get_meeting")
        return Meeting.from_api(answer["Meeting"], region)

    def delete_meeting(
        self, meeting_id: str, *, by: str | None = None, reason: str = EndReason.DELETED
    ) -> None:
        """End a meeting and disconnect its attendees. A meeting of the ledger that has ended already is no error.

        DeleteMeeting succeeds for any id (aws/amazon-chime-sdk-js#895), so a meeting that is not in the ledger
        is looked up first: raises NotFound. The ledger records who ended it (`by`), and the reason, before and after.
        """
        record = self._ledger.get(meeting_id)
        if record is None:
            self._router.call(meeting_id, "get_meeting")
        client = self._router.client(record.control_region if record else self._region)
        if record is None or record.status.over:
            client.delete_meeting(MeetingId=meeting_id)
            return
        self._ledger.intend(meeting_id, End(reason, by))
        try:
            client.delete_meeting(MeetingId=meeting_id)
        except AwsError as error:
            if not isinstance(error, Unavailable):  # after that, it may be deleted
                self._ledger.intend(meeting_id, None)
            raise
        self._ledger.end(meeting_id, MeetingStatus.DELETED, End(reason, by, self._clock()))

    def list_meetings(self, *, check: bool = True, recover: bool = True) -> list[MeetingRecord]:
        """The ledger's meetings, newest first; with `check`, those that may still be open are looked up at Chime.

        The ledger records those that have ended, so that they are not looked up again. A record has `not_asked` when Chime
        could not be asked about it; raises the AwsError when that is so of all. Of meetings that a crash left pending, Chime
        is asked again, which may create them: not without `recover`, and not while Chime is disabled.
        """
        records = self._ledger.records()
        if not check:
            return [self._aged(record) for record in records]
        with ThreadPoolExecutor(max_workers=CHECKS_AT_ONCE) as pool:
            looks = list(pool.map(lambda record: self._checked(record, recover), records))
        # That a pending row could not be completed is no reason to hide it.
        errors = [look.error for look in looks if look.error is not None and not look.pending]
        if errors and not any(look.answered for look in looks):
            raise errors[0]
        return [look.record for look in looks if look.record is not None]

    def find_meeting_id(self, reference: str) -> str:
        """The id of a meeting, given its id or its external meeting id.

        Raises Missing when it is not in the ledger, UsageError when several meetings have the external id, ConfigError when
        it is pending and Chime is disabled.
        """
        if ids.is_guid(reference) and self._ledger.get(reference.lower()):
            return reference.lower()
        found = [record for record in self._ledger.records() if record.goes_by(reference)]
        same = [self._aged(record) for record in map(self._known, found) if record is not None]
        same = [record for record in same if record.status is not MeetingStatus.PENDING] or same
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
        if candidates[0].status is MeetingStatus.PENDING:
            raise disabled(
                f"Whether the meeting {reference!r} exists is not known: its request has no answer, and repeating it may create the meeting."
            )
        return candidates[0].meeting_id

    def _aged(self, record: MeetingRecord) -> MeetingRecord:
        """The record as its age decides: no meeting lasts longer than 24 hours."""
        if record.status is MeetingStatus.CREATED and self._clock() - record.created_at >= LONGEST_MEETING:
            return _over(record)
        return record

    def _known(self, record: MeetingRecord, recover: bool = True) -> MeetingRecord | None:
        """The record; of a meeting that a crash left pending, what Chime says when it is asked again, if it may be."""
        if record.status is not MeetingStatus.PENDING:
            return record
        return self._creation.recover(record, ask=recover and self._enabled)

    def _checked(self, found: MeetingRecord, recover: bool) -> _Look:
        record: MeetingRecord | None = found
        try:
            record = self._known(found, recover)
            if record is None or record.status.over:
                return _Look(record)
            if record.status is MeetingStatus.PENDING:
                return _Look(record if self._enabled else replace(record, not_asked=DISABLED))
            return self._looked_up(record)
        except AwsError as error:
            return _Look(replace(record or found, not_asked=error.message), error=error)

    def _looked_up(self, record: MeetingRecord) -> _Look:
        over = self._aged(record)
        if over is record:
            try:
                self._router.client(record.control_region).get_meeting(MeetingId=record.meeting_id)
            except NotFound:
                if self._router.is_settling(record):
                    return _Look(record, answered=True)
                over = _over(record)
            else:
                return _Look(replace(record, status=MeetingStatus.ACTIVE), answered=True)
        self._ledger.end(over.meeting_id, over.status, End(over.end_reason or EndReason.ENDED, over.ended_by))
        return _Look(over, answered=True)


@dataclass(frozen=True, slots=True)
class _Look:
    """What came of asking Chime about a row: `record` is None when there is no meeting of it."""

    record: MeetingRecord | None
    answered: bool = False
    error: AwsError | None = None

    @property
    def pending(self) -> bool:
        return self.record is not None and self.record.status is MeetingStatus.PENDING


def _over(record: MeetingRecord) -> MeetingRecord:
    """The record of a meeting that does not exist any more: ended as it was about to be, else by Chime."""
    if record.end_reason is not None:
        return replace(record, status=MeetingStatus.DELETED)
    return replace(record, status=MeetingStatus.ENDED, end_reason=EndReason.ENDED)


def _media_region(media_region: str, control_region: str) -> str:
    government = control_region.startswith("us-gov-")
    allowed = [name for name in quotas.CHIME_MEDIA_REGIONS if name.startswith("us-gov-") == government]
    if media_region not in allowed:
        raise UsageError(
            f"{media_region} cannot host the media of a meeting created in {control_region}.",
            hint=f"For example: --media-region {control_region if control_region in allowed else allowed[0]}. Allowed: {', '.join(allowed)}.",
        )
    return media_region

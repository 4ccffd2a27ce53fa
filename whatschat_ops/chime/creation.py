"""Creates meetings so that none is forgotten: a row of the ledger first, then CreateMeeting, then the meeting's own row.

When the program ends in between, the pending row is left. It has everything that CreateMeeting needs, so whoever reads the
ledger next sends the same request with the same client request token: Chime returns the meeting of that token while it
exists (API reference, CreateMeeting), so that its id is known. If there is none, there is one then, without attendees,
which is known as well and ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from whatschat_ops.chime import rows
from whatschat_ops.chime.ledger import Ledger
from whatschat_ops.chime.models import Meeting, MeetingRecord, MeetingStatus
from whatschat_ops.chime.region_routing import RETRY_DELAYS_S
from whatschat_ops.chime.requests import LONGEST_MEETING, create_parameters
from whatschat_ops.errors import AwsError, Conflict, NotFound, PermissionDenied, Rejected
from whatschat_ops.quotas import CHIME_UNATTENDED_S

_REFUSED = (Rejected, PermissionDenied, NotFound)
"""Chime has decided: there is no meeting of this request. After any other failure there may be one, if only an answer was lost."""
_NEVER_ACCEPTED = (Rejected, NotFound)
"""Chime does not accept the request from any caller. (That one caller may not send it says nothing of the first one's meeting.)"""
UNATTENDED = timedelta(seconds=CHIME_UNATTENDED_S)


class Creation:
    """`client(region)` gives a client of a control Region, whose failures are `AwsError`s."""

    def __init__(
        self,
        ledger: Ledger,
        client: Callable[[str], Any],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._clock = clock
        self._sleep = sleep

    def create(self, record: MeetingRecord) -> Meeting:
        """Create the meeting of a record that has a request token."""
        self._ledger.begin(record)
        try:
            return self._send(record)
        except _REFUSED:
            self._ledger.abandon(record)
            raise
        except AwsError as error:
            doubt = "The meeting may exist; the ledger has its request."
            raise type(error).of(error, f"{error.message} {doubt}") from error

    def recover(self, record: MeetingRecord, *, ask: bool = True) -> MeetingRecord | None:
        """The row of the meeting that a pending row was written for; None if there is none.

        Without `ask`, which may create the meeting, the pending row itself, unless its age decides. Raises an AwsError, and
        leaves the pending row, when Chime cannot be asked now, or not by this caller.
        """
        if self._clock() - record.created_at >= LONGEST_MEETING:
            self._ledger.abandon(record)
            return None
        if not ask:
            return record
        token = record.meeting_id.removeprefix(rows.PENDING_PREFIX)
        again = replace(record, request_token=token, created_at=self._began(record))
        try:
            meeting = self._send(again)
        except _NEVER_ACCEPTED:
            self._ledger.abandon(record)
            return None
        return self._ledger.get(meeting.meeting_id)

    def _send(self, record: MeetingRecord) -> Meeting:
        meeting = Meeting.from_api(self._answer(record)["Meeting"], record.control_region)
        self._ledger.commit(replace(record, meeting_id=meeting.meeting_id, status=MeetingStatus.CREATED))
        return meeting

    def _answer(self, record: MeetingRecord) -> dict[str, Any]:
        """CreateMeeting's answer. Whoever recovers the row at the same time sends the same request: Chime answers Conflict to one of them."""
        send = self._client(record.control_region).create_meeting
        for delay_s in RETRY_DELAYS_S:
            try:
                return dict(send(**create_parameters(record)))
            except Conflict:
                self._sleep(delay_s)
        return dict(send(**create_parameters(record)))

    def _began(self, record: MeetingRecord) -> datetime:
        """When the meeting began, at the latest: after five minutes without attendees, the one of the first request has ended."""
        now = self._clock()
        return record.created_at if now - record.created_at < UNATTENDED else now

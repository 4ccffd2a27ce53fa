"""Chime SDK meetings: make them, invite to them, end them, and know which there are.

`ids` follows Chime's rules for ids, `models` is what we show, `ledger` the table of the meetings that we made
(Chime cannot list them), `service` the calls. Over all of it stands one rule: a meeting can be reached only
through the control Region that made it, which is therefore written down before anything else.
"""

from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import (
    Attendee,
    AttendeeBatch,
    FailedAttendee,
    MediaPlacement,
    Meeting,
    MeetingRecord,
    MeetingStatus,
)
from whatschat_ops.chime.service import ChimeService

__all__ = [
    "Attendee",
    "AttendeeBatch",
    "ChimeService",
    "FailedAttendee",
    "MediaPlacement",
    "Meeting",
    "MeetingLedger",
    "MeetingRecord",
    "MeetingStatus",
]

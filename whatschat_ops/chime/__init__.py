"""Chime SDK meetings: create, list and delete them and their attendees.

`ids` has Chime's rules for ids, `models` the results of commands, `ledger` the table of the meetings created here
(Chime cannot list them), `region_routing` the way to a meeting's control Region, `service` the calls. A meeting is known
only in the control Region that created it, so the ledger records the Region before Chime is called.
"""

from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import (
    Attendee,
    AttendeeBatch,
    FailedAttendee,
    JoinInfo,
    MediaPlacement,
    Meeting,
    MeetingRecord,
    MeetingStatus,
)
from whatschat_ops.chime.service import ChimeService

__all__ = [
    "Attendee",
    "AttendeeBatch",
    "Capabilities",
    "ChimeService",
    "FailedAttendee",
    "JoinInfo",
    "MediaPlacement",
    "Meeting",
    "MeetingLedger",
    "MeetingRecord",
    "MeetingStatus",
]

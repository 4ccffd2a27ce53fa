"""Limits that both the functions and the program use. They are here because these modules are packaged separately."""

from __future__ import annotations

import re
from typing import Final, TypeGuard

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""AWS: the largest message in either direction, PostToConnection included (quota L-FD0EB744, not adjustable)."""

MAX_USER_ID_CHARACTERS: Final = 256
"""Ours: the longest user id in a token or among a message's recipients."""

MAX_TYPE_CHARACTERS: Final = 64
"""Ours: the longest `type` of a message (docs/protocol.md)."""

MIN_CHIME_EXTERNAL_ID_CHARACTERS: Final = 2
MAX_CHIME_EXTERNAL_ID_CHARACTERS: Final = 64
"""AWS: of ExternalMeetingId and ExternalUserId (API reference of Chime SDK Meetings)."""

CHIME_EXTERNAL_ID_CHARACTERS: Final = r"-_&@+=,(){}\[\]/«».:|'\"#a-zA-Z0-9À-ÿ\s"
"""AWS: the characters of an external id, to stand between the brackets of a regular expression (the same, in the text only)."""

CHIME_RESERVED_PREFIX: Final = "aws:"
"""AWS: no external id and no tag key begins with it, in any case (the same)."""

CHIME_ID_PATTERN: Final = r"[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"
"""AWS: the whole of a MeetingId or an AttendeeId: a UUID (the same)."""

CHIME_BATCH_ATTENDEES: Final = 100
"""AWS: attendees of a BatchCreateAttendee, and of a page of ListAttendees (the same)."""

CHIME_UNATTENDED_S: Final = 5 * 60
"""AWS: a meeting ends when it has had no attendee connected for this long (Chime SDK developer guide, create-mtgs.html)."""

CHIME_MEETING_S: Final = 24 * 60 * 60
"""AWS: a meeting ends at this age, even with attendees connected (the same)."""

# Control characters (Cc), line and paragraph separators, and halves of surrogate pairs, which are not UTF-8. Joiners,
# no-break spaces and characters that are newer than this Python's Unicode tables belong to names that people have.
_USER_ID: Final = re.compile(rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{MAX_USER_ID_CHARACTERS}}}")


def is_user_id(value: object) -> TypeGuard[str]:
    """Whether `value` is a string of 1 to `MAX_USER_ID_CHARACTERS` characters, none of them a control character."""
    return isinstance(value, str) and _USER_ID.fullmatch(value) is not None

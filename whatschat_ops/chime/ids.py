"""Chime's rules for external ids, checked before AWS is called.

External ids have 2 to 64 characters of a documented set and never begin with `aws:` (API reference,
CreateMeeting and CreateAttendee; botocore checks the length only). Chime ignores their case.
"""

from __future__ import annotations

import hashlib
import re

from whatschat_ops.errors import UsageError
from whatschat_ops.quotas import (
    CHIME_EXTERNAL_ID_CHARACTERS,
    CHIME_ID_PATTERN,
    CHIME_RESERVED_PREFIX,
    MAX_CHIME_EXTERNAL_ID_CHARACTERS,
    MIN_CHIME_EXTERNAL_ID_CHARACTERS,
)

_FORBIDDEN = re.compile(f"[^{CHIME_EXTERNAL_ID_CHARACTERS}]")
_GUID = re.compile(CHIME_ID_PATTERN)
_DIGEST_CHARACTERS = 16


def is_guid(text: str) -> bool:
    """Whether `text` has the form of a meeting id or an attendee id."""
    return _GUID.fullmatch(text) is not None


def external_user_id(user_id: str) -> str:
    """The ExternalUserId of a user: the id itself, or its short form when it is longer than 64 characters.

    Raises UsageError for an id that Chime would refuse.
    """
    return _checked("user id", shortened(user_id, MAX_CHIME_EXTERNAL_ID_CHARACTERS))


def external_meeting_id(chosen: str) -> str:
    """The given ExternalMeetingId, checked. Raises UsageError."""
    return _checked("external meeting id", chosen)


def default_external_meeting_id(user_id: str, now_ms: int) -> str:
    """`call-<user>-<ms>`, with the user's id in its short form where it would be too long."""
    room = MAX_CHIME_EXTERNAL_ID_CHARACTERS - len(f"call--{now_ms}")
    return _checked("external meeting id", f"call-{shortened(user_id, room)}-{now_ms}")


def shortened(text: str, longest: int) -> str:
    """`text`, or its beginning and 16 hex digits of its SHA-256: always the same, and `longest` characters at most."""
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{text[: longest - _DIGEST_CHARACTERS - 1]}-{digest}"


def _checked(what: str, text: str) -> str:
    forbidden = _FORBIDDEN.search(text)
    least, most = MIN_CHIME_EXTERNAL_ID_CHARACTERS, MAX_CHIME_EXTERNAL_ID_CHARACTERS
    if not least <= len(text) <= most:
        problem = f"it must have {least} to {most} characters and has {len(text)}"
    elif forbidden:
        problem = f"Chime does not allow the character {forbidden[0]!r} in it"
    elif text.lower().startswith(CHIME_RESERVED_PREFIX):
        problem = "ids that begin with aws: are reserved"
    else:
        return text
    raise UsageError(f"The {what} {text!r} cannot be used: {problem}.", hint="Choose another id.")

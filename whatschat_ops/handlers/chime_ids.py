"""Chime's rules for ids. Pure.

External ids have 2 to 64 characters of a documented set and never begin with `aws:` (API reference, CreateMeeting and
CreateAttendee; botocore checks the length only). Chime ignores their case.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from .limits import (
    CHIME_EXTERNAL_ID_CHARACTERS,
    CHIME_ID_PATTERN,
    CHIME_RESERVED_PREFIX,
    MAX_CHIME_EXTERNAL_ID_CHARACTERS,
    MIN_CHIME_EXTERNAL_ID_CHARACTERS,
)

_FORBIDDEN: Final = re.compile(f"[^{CHIME_EXTERNAL_ID_CHARACTERS}]")
_GUID: Final = re.compile(CHIME_ID_PATTERN)
_DIGEST_CHARACTERS: Final = 16
_SHORT_FORM: Final = re.compile(f"-[0-9a-f]{{{_DIGEST_CHARACTERS}}}", re.IGNORECASE)
"""How the short form of a longer id ends. Chime ignores case."""


def is_guid(text: str) -> bool:
    """Whether `text` has the form of a meeting id or an attendee id."""
    return _GUID.fullmatch(text) is not None


def problem_with(external_id: str) -> str | None:
    """Why Chime would refuse an external id, or None."""
    least, most = MIN_CHIME_EXTERNAL_ID_CHARACTERS, MAX_CHIME_EXTERNAL_ID_CHARACTERS
    if not least <= len(external_id) <= most:
        return f"it must have {least} to {most} characters and has {len(external_id)}"
    if forbidden := _FORBIDDEN.search(external_id):
        return f"Chime does not allow the character {forbidden[0]!r} in it"
    if external_id.lower().startswith(CHIME_RESERVED_PREFIX):
        return "ids that begin with aws: are reserved"
    return None


def of_user(user_id: str) -> str:
    """The ExternalUserId of a user, unchecked: the id itself, or its short form when it is longer than 64 characters.

    An id that could be the short form of another is shortened, too: each user has an attendee of their own.
    """
    most = MAX_CHIME_EXTERNAL_ID_CHARACTERS
    is_taken = len(user_id) == most and _SHORT_FORM.fullmatch(user_id[-_DIGEST_CHARACTERS - 1 :])
    return _short(user_id, most) if is_taken else shortened(user_id, most)


def of_new_meeting(user_id: str, now_ms: int) -> str:
    """`call-<user>-<ms>`, unchecked, with the user's id in its short form where it would be too long."""
    room = MAX_CHIME_EXTERNAL_ID_CHARACTERS - len(f"call--{now_ms}")
    return f"call-{shortened(user_id, room)}-{now_ms}"


def shortened(text: str, longest: int) -> str:
    """`text`, or its beginning and 16 hex digits of its SHA-256: always the same, and `longest` characters at most."""
    return text if len(text) <= longest else _short(text, longest)


def _short(text: str, longest: int) -> str:
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{text[: longest - _DIGEST_CHARACTERS - 1]}-{digest}"

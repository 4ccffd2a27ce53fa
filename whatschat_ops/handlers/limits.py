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

# Control characters (Cc), line and paragraph separators, and halves of surrogate pairs, which are not UTF-8. Joiners,
# no-break spaces and characters that are newer than this Python's Unicode tables belong to names that people have.
_USER_ID: Final = re.compile(rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{MAX_USER_ID_CHARACTERS}}}")


def is_user_id(value: object) -> TypeGuard[str]:
    """Whether `value` is a string of 1 to `MAX_USER_ID_CHARACTERS` characters, none of them a control character."""
    return isinstance(value, str) and _USER_ID.fullmatch(value) is not None

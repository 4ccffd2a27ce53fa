"""Limits that the functions keep and that the program must agree with, so they stand once, here: these modules travel alone."""

from __future__ import annotations

from typing import Final, TypeGuard

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""AWS: the largest message in either direction, PostToConnection included (quota L-FD0EB744, not adjustable)."""

MAX_USER_ID_CHARACTERS: Final = 256
"""Ours: the longest user id in a token or among a message's recipients."""

MAX_TYPE_CHARACTERS: Final = 64
"""Ours: the longest `type` of a message (docs/protocol.md)."""


def is_user_id(value: object) -> TypeGuard[str]:
    """Whether `value` is a string of 1 to `MAX_USER_ID_CHARACTERS` printable characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_USER_ID_CHARACTERS and value.isprintable()

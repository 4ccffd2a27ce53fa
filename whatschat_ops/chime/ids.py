"""External ids, checked before AWS is called. The rules are in `handlers.chime_ids`, which the functions use, too."""

from __future__ import annotations

from whatschat_ops.errors import UsageError
from whatschat_ops.handlers.chime_ids import is_guid as is_guid
from whatschat_ops.handlers.chime_ids import of_new_meeting, of_user, problem_with
from whatschat_ops.handlers.chime_ids import shortened as shortened
from whatschat_ops.quotas import CHIME_RESERVED_PREFIX as RESERVED
from whatschat_ops.quotas import MAX_CHIME_EXTERNAL_ID_CHARACTERS as MOST


def external_user_id(user_id: str) -> str:
    """The ExternalUserId of a user: the id itself, or its short form when it is longer than 64 characters.

    Raises UsageError for an id that Chime would refuse.
    """
    return _checked("user id", of_user(user_id))


def external_meeting_id(chosen: str) -> str:
    """The given ExternalMeetingId, checked. Raises UsageError."""
    return _checked("external meeting id", chosen)


def default_external_meeting_id(user_id: str, now_ms: int) -> str:
    """`call-<user>-<ms>`, with the user's id in its short form where it would be too long."""
    return _checked("external meeting id", of_new_meeting(user_id, now_ms))


def _checked(what: str, text: str) -> str:
    problem = problem_with(text)
    if problem:
        raise UsageError(
            f"The {what} {text!r} cannot be used: {problem}.", hint=f"For example: {_example(text)}"
        )
    return text


def _example(text: str) -> str:
    """An id that Chime accepts, as like `text` as it can be."""
    allowed = "".join(
        character if problem_with(f"x{character}") is None else "-" for character in text[:MOST]
    )
    candidates = (allowed, allowed[len(RESERVED) :], f"id-{allowed[: MOST - 3]}")
    return next((each for each in candidates if problem_with(each) is None), "call-1")

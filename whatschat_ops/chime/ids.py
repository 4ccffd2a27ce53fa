"""External ids, checked before AWS is called. The rules are in `handlers.chime_ids`, which the functions use, too."""

from __future__ import annotations

from whatschat_ops.errors import UsageError
from whatschat_ops.handlers.chime_ids import is_guid as is_guid
from whatschat_ops.handlers.chime_ids import of_new_meeting, of_user, problem_with
from whatschat_ops.handlers.chime_ids import shortened as shortened


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
            f"The {what} {text!r} cannot be used: {problem}.", hint="Choose another id, for example alice-1."
        )
    return text

"""Arguments and checks that several commands of `chime` share. A meeting is named by its id or its external id.

`--show-secrets` is read by the command decorator, so commands take it and do not look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.errors import AwsError, Hint, PartlyDone

if TYPE_CHECKING:
    from whatschat_ops.chime import AttendeeBatch, ChimeService, FailedAttendee

MeetingArgument = Annotated[str, typer.Argument(metavar="MEETING", help="Meeting id or external meeting id")]


def checked_users(users: Sequence[str]) -> list[str]:
    """The users, their ids checked before a meeting is created for them."""
    from whatschat_ops.chime.ids import external_user_id

    for user in users:
        external_user_id(user)
    return list(users)


def invite(service: ChimeService, meeting_id: str, users: Sequence[str]) -> AttendeeBatch:
    """Create attendees of a new meeting. The meeting must be shown in any case, so a failed call is a result."""
    from whatschat_ops.chime.models import AttendeeBatch, FailedAttendee

    try:
        return service.create_attendees(meeting_id, users)
    except AwsError as error:
        code = error.aws_code or error.code
        return AttendeeBatch((), tuple(FailedAttendee(user, code, error.message) for user in users))


def require_all(meeting_id: str, failed: Sequence[FailedAttendee]) -> None:
    """Raise PartlyDone when attendees were not created."""
    if failed:
        reasons = sorted({item.message or item.code for item in failed})
        raise PartlyDone(
            f"{len(failed)} attendees were not created: {'; '.join(reasons)}",
            hint=Hint(("chime", "attendee", "create", meeting_id, "--user", "USER"), "For each who failed"),
        )

"""Arguments and checks that several commands of `chime` share. A meeting is named by its id or its external id.

`--show-secrets` is read by the command decorator, so commands take it and do not look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.chime.results import DeletedMeeting
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import AwsError, Hint, Missing, OpsError, PartlyDone, UsageError

if TYPE_CHECKING:
    from whatschat_ops.chime import AttendeeBatch, ChimeService, FailedAttendee

_DELETIONS_AT_ONCE: Final = 5

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


def delete_all(run: Run, meetings: Sequence[str], reason: str) -> list[DeletedMeeting]:
    """Delete meetings, named by id or external id. An error is in the result, unless there is one meeting only."""
    service, by = run.chime(), run.aws.caller_arn

    def delete(meeting: str) -> DeletedMeeting:
        try:
            service.delete_meeting(service.find_meeting_id(meeting), by=by, reason=reason)
        except (AwsError, Missing, UsageError) as error:
            if len(meetings) == 1:
                raise
            return DeletedMeeting(meeting, False, error.message)
        return DeletedMeeting(meeting, True)

    with ThreadPoolExecutor(max_workers=_DELETIONS_AT_ONCE) as pool:
        return list(pool.map(delete, meetings))


def require_deleted(results: Sequence[DeletedMeeting]) -> None:
    """Raise an error that names the meetings that were not deleted."""
    failed = [result.meeting for result in results if not result.deleted]
    if failed:
        kind = OpsError if len(failed) == len(results) else PartlyDone
        raise kind(
            f"{len(failed)} of {len(results)} meetings were not deleted: {', '.join(failed)}.",
            hint=Hint(("chime", "meeting", "list")),
        )

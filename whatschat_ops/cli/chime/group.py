"""`chime`: meetings and attendees of the Chime SDK. A meeting is named by its id or its external id.

`--show-secrets` is read by the command decorator, so commands take it and do not look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import CreatedMeeting, DeletedAttendee, DeletedMeeting
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import AwsError, Hint, Interrupted, Missing, OpsError, PartlyDone, UsageError
from whatschat_ops.files import named, opened, users_of
from whatschat_ops.quotas import CHIME_ATTENDEES

if TYPE_CHECKING:
    from whatschat_ops.chime import AttendeeBatch, ChimeService, FailedAttendee

_MOST_USERS = 40 * CHIME_ATTENDEES
"""What is piped in may never end."""

MeetingArgument = Annotated[str, typer.Argument(metavar="MEETING", help="Meeting id or external meeting id")]
AttendeeArgument = Annotated[str, typer.Argument(metavar="ATTENDEE", help="Attendee id")]


def create_meeting(
    run: Run,
    user: Annotated[str, typer.Option("--user", "-u", metavar="USER", help="User who starts the call")],
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", metavar="ID", help="External meeting id [default: call-<user>-<ms>]"),
    ] = None,
    attendee: Annotated[
        list[str] | None,
        typer.Option("--attendee", "-a", metavar="USER", help="Create an attendee for this user"),
    ] = None,
    media_region: Annotated[
        str | None,
        typer.Option(
            "--media-region",
            metavar="REGION",
            help="Region of the media [default: the setting chime.media_region]",
        ),
    ] = None,
) -> None:
    """Create a meeting.

    Also creates attendees for users.

    Example: whatschat-ops chime meeting create --user alice --attendee alice --attendee bob
    """
    service = run.chime()
    invited = _checked_users(attendee or [])
    meeting = service.create_meeting(user, external_id, media_region=media_region)
    batch = _invite(service, meeting.meeting_id, invited)
    created = CreatedMeeting(meeting, batch.attendees, batch.failed)
    run.out.result(created, lambda result: tables.render_created(run, result))
    _require_all(meeting.meeting_id, created.failed)


def get_meeting(run: Run, meeting: MeetingArgument) -> None:
    """Show a meeting.

    A meeting that has ended is not found.

    Example: whatschat-ops chime meeting get call-alice-1766000000000
    """
    service = run.chime()
    run.out.result(service.get_meeting(service.find_meeting_id(meeting)), tables.render_meeting)


def list_meetings(
    run: Run,
    all_: Annotated[bool, typer.Option("--all", help="Include meetings that have ended")] = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask Chime which of them still exist")
    ] = True,
) -> None:
    """List meetings.

    Lists those created with this program in the last 30 days. Chime cannot list meetings, so each one is recorded in a table.

    Example: whatschat-ops chime meeting list --all
    """
    service = run.chime()
    with run.out.status("Looking up which meetings are open ..."):
        records = service.list_meetings(check=check)
    shown = [record for record in records if all_ or not record.status.over]
    run.out.result(shown, tables.render_records)
    if len(shown) < len(records):
        run.out.note(f"Ended and not shown: {len(records) - len(shown)}. Add --all to show them.")


def delete_meetings(
    run: Run,
    meetings: Annotated[
        list[str], typer.Argument(metavar="MEETING", help="Meeting ids or external meeting ids")
    ],
    yes: YesOption = False,
) -> None:
    """Delete meetings.

    All attendees are disconnected.

    Example: whatschat-ops chime meeting delete call-alice-1766000000000
    """
    service = run.chime()
    question = f"Delete {', '.join(meetings)}? All attendees are disconnected."
    if not run.out.confirm(question, yes=yes):
        raise Interrupted("Nothing was deleted.")
    results = [_delete(service, meeting, alone=len(meetings) == 1) for meeting in meetings]
    run.out.result(results, tables.render_deleted)
    failed = [result.meeting for result in results if not result.deleted]
    if failed:
        kind = OpsError if len(failed) == len(results) else PartlyDone
        raise kind(
            f"{len(failed)} of {len(results)} meetings were not deleted: {', '.join(failed)}.",
            hint=Hint(("chime", "meeting", "list")),
        )


def create_attendees(
    run: Run,
    meeting: MeetingArgument,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", "-u", metavar="USER", help="Create an attendee for this user"),
    ] = None,
    users_file: Annotated[
        Path | None,
        typer.Option(
            "--users-file",
            help="Create attendees for these users: a file with one id per line, or - for standard input",
        ),
    ] = None,
) -> None:
    """Add attendees to a meeting.

    A user who is already an attendee stays the same attendee.

    Example: whatschat-ops chime attendee create call-alice-1766000000000 --user bob --show-secrets
    """
    users = _checked_users([*(user or []), *_read_users(users_file)])
    if not users:
        raise UsageError("No users given.", hint="Name users with --user or --users-file.")
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    batch = service.create_attendees(meeting_id, users)
    run.out.result(batch, lambda result: tables.render_batch(run, result))
    _require_all(meeting_id, batch.failed)


def list_attendees(
    run: Run,
    meeting: MeetingArgument,
) -> None:
    """List the attendees of a meeting.

    Lists them whether they have joined or not.

    Example: whatschat-ops chime attendee list call-alice-1766000000000
    """
    service = run.chime()
    attendees = service.list_attendees(service.find_meeting_id(meeting))
    run.out.result(attendees, lambda result: tables.render_attendees(run, result))


def get_attendee(
    run: Run,
    meeting: MeetingArgument,
    attendee: AttendeeArgument,
) -> None:
    """Show an attendee.

    Example: whatschat-ops chime attendee get call-alice-1766000000000 3f2504e0-4f89-11d3-9a0c-0305e82c3301
    """
    service = run.chime()
    found = service.get_attendee(service.find_meeting_id(meeting), attendee)
    run.out.result(found, lambda result: tables.render_attendees(run, [result]))


def delete_attendee(
    run: Run, meeting: MeetingArgument, attendee: AttendeeArgument, yes: YesOption = False
) -> None:
    """Remove an attendee from a meeting.

    Their join token becomes invalid.

    Example: whatschat-ops chime attendee delete call-alice-1766000000000 3f2504e0-4f89-11d3-9a0c-0305e82c3301
    """
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    if not run.out.confirm(f"Delete attendee {attendee} of meeting {meeting_id}?", yes=yes):
        raise Interrupted("Nothing was deleted.")
    service.delete_attendee(meeting_id, attendee)
    run.out.result(
        DeletedAttendee(meeting_id, attendee), lambda result: f"Deleted attendee {result.attendee_id}."
    )


def _delete(service: ChimeService, meeting: str, *, alone: bool) -> DeletedMeeting:
    try:
        service.delete_meeting(service.find_meeting_id(meeting))
    except (AwsError, Missing, UsageError) as error:
        if alone:
            raise
        return DeletedMeeting(meeting, False, error.message)
    return DeletedMeeting(meeting, True)


def _read_users(path: Path | None) -> list[str]:
    if path is None:
        return []
    with opened(path, flag="--users-file") as source:
        users = list(islice(users_of(source, named(path)), _MOST_USERS + 1))
    if len(users) > _MOST_USERS:
        raise UsageError(
            f"{named(path)} names more than {_MOST_USERS:,} users; a meeting has {CHIME_ATTENDEES} at most.",
            hint="Name another file with --users-file.",
        )
    return users


def _checked_users(users: Sequence[str]) -> list[str]:
    """The users, their ids checked before a meeting is created for them."""
    from whatschat_ops.chime.ids import external_user_id

    for user in users:
        external_user_id(user)
    return list(users)


def _invite(service: ChimeService, meeting_id: str, users: Sequence[str]) -> AttendeeBatch:
    """Create attendees of a new meeting. The meeting must be shown in any case, so a failed call is a result."""
    from whatschat_ops.chime.models import AttendeeBatch, FailedAttendee

    try:
        return service.create_attendees(meeting_id, users)
    except AwsError as error:
        code = error.aws_code or error.code
        return AttendeeBatch((), tuple(FailedAttendee(user, code, error.message) for user in users))


def _require_all(meeting_id: str, failed: Sequence[FailedAttendee]) -> None:
    if failed:
        reasons = sorted({item.message or item.code for item in failed})
        raise PartlyDone(
            f"{len(failed)} attendees were not created: {'; '.join(reasons)}",
            hint=Hint(("chime", "attendee", "create", meeting_id, "--user", "USER"), "For each who failed"),
        )

"""`chime meeting`: create, show, list and delete meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import CreatedMeeting, DeletedMeeting
from whatschat_ops.cli.chime.shared import MeetingArgument, checked_users, invite, require_all
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import AwsError, Hint, Interrupted, Missing, OpsError, PartlyDone, UsageError

if TYPE_CHECKING:
    from whatschat_ops.chime import ChimeService


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
    invited = checked_users(attendee or [])
    meeting = service.create_meeting(user, external_id, media_region=media_region)
    batch = invite(service, meeting.meeting_id, invited)
    created = CreatedMeeting(meeting, batch.attendees, batch.failed)
    run.out.result(created, lambda result: tables.render_created(run, result))
    require_all(meeting.meeting_id, created.failed)


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


def _delete(service: ChimeService, meeting: str, *, alone: bool) -> DeletedMeeting:
    try:
        service.delete_meeting(service.find_meeting_id(meeting))
    except (AwsError, Missing, UsageError) as error:
        if alone:
            raise
        return DeletedMeeting(meeting, False, error.message)
    return DeletedMeeting(meeting, True)

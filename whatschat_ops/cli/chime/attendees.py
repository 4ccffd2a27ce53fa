"""`chime attendee`: create, list, show and delete attendees of a meeting."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import DeletedAttendee
from whatschat_ops.cli.chime.shared import AttendeeArgument, MeetingArgument, checked_users, require_all
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Interrupted, UsageError
from whatschat_ops.files import named, opened, users_of
from whatschat_ops.quotas import CHIME_ATTENDEES

_MOST_USERS = 40 * CHIME_ATTENDEES
"""What is piped in may never end."""


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
    users = checked_users([*(user or []), *_read_users(users_file)])
    if not users:
        raise UsageError("No users given.", hint="Name users with --user or --users-file.")
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    batch = service.create_attendees(meeting_id, users)
    run.out.result(batch, lambda result: tables.render_batch(run, result))
    require_all(meeting_id, batch.failed)


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

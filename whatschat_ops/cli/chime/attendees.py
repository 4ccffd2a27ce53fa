"""`chime attendee`: create, list, show, change and delete attendees of a meeting, and what they join with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import ChangedCapabilities, DeletedAttendee
from whatschat_ops.cli.chime.shared import MeetingArgument, checked_users, require_all
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, Interrupted, Missing, OpsError, UsageError
from whatschat_ops.files import ARGUMENT, named, opened

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, ChimeService
    from whatschat_ops.chime.capabilities import Capabilities

AttendeeArgument = Annotated[str, typer.Argument(metavar="ATTENDEE", help="Attendee id or user id")]
CapabilitiesOption = Annotated[
    str | None,
    typer.Option(
        "--capabilities",
        metavar="KIND=VALUE,...",
        help="What attendees can send and receive: audio, video, content = sendreceive, send, receive or none",
    ),
]


@audited(meeting="meeting", user_id="user", users_file="users_file")
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
    capabilities: CapabilitiesOption = None,
) -> None:
    """Add attendees to a meeting.

    A user who is already an attendee stays the same attendee.

    Example: whatschat-ops chime attendee create call-alice-1766000000000 --user bob --show-secrets
    """
    given = _capabilities(capabilities)
    users: dict[str, Capabilities | None] = dict.fromkeys(checked_users(user or []), given)
    if users_file:
        users.update(_read_users(users_file, given, flag="--users-file"))
    if not users:
        raise UsageError("No users given.", hint="Name users with --user or --users-file.")
    _create(run, meeting, users)


@audited(meeting="meeting", users_file="file")
def create_batch(
    run: Run,
    meeting: MeetingArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Users, in CSV, JSON Lines or lines; - is standard input")
    ],
    capabilities: CapabilitiesOption = None,
) -> None:
    """Add the users of a file.

    CSV has a header (user,audio,video,content), a line of JSON is {"user": "bob", "video": "receive"}. Users without capabilities in the file get --capabilities. Exit code 4 if some attendees were not created.

    Example: whatschat-ops chime attendee batch call-alice-1766000000000 users.csv
    """
    users = _read_users(file, _capabilities(capabilities), flag=ARGUMENT)
    if not users:
        raise UsageError(f"{named(file)} names no users.", hint="Write one user id on each line, such as bob")
    _create(run, meeting, users)


def list_attendees(
    run: Run,
    meeting: MeetingArgument,
    sort: SortOption = None,
    limit: LimitOption = None,
) -> None:
    """List the attendees of a meeting.

    Lists them whether they have joined or not.

    Example: whatschat-ops chime attendee list call-alice-1766000000000 --sort external_user_id
    """
    from whatschat_ops.chime.models import Attendee

    service = run.chime()
    attendees = service.list_attendees(service.find_meeting_id(meeting))
    shown = listed(run.out, Attendee, attendees, sort, limit)
    run.out.result(shown, lambda result: tables.render_attendees(run, result))


def get_attendee(
    run: Run,
    meeting: MeetingArgument,
    attendee: AttendeeArgument,
) -> None:
    """Show an attendee.

    Example: whatschat-ops chime attendee get call-alice-1766000000000 bob
    """
    service = run.chime()
    found = _find(service, service.find_meeting_id(meeting), attendee)
    run.out.result(found, lambda result: tables.render_attendees(run, [result]))


def join_info(
    run: Run,
    meeting: MeetingArgument,
    user: Annotated[
        str, typer.Option("--user", "-u", metavar="USER", help="User or attendee id who joins with it")
    ],
) -> None:
    """Print what amazon-chime-sdk-js joins with.

    The JSON is AWS's answer, unchanged: MeetingSessionConfiguration takes its Meeting and its Attendee. The join token is hidden without --show-secrets.

    Example: whatschat-ops chime attendee join-info call-alice-1766000000000 --user bob --show-secrets
    """
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    info = service.join_info(meeting_id, _find(service, meeting_id, user).attendee_id)
    run.out.result({"Meeting": info.meeting, "Attendee": info.attendee.sdk}, lambda shown: _json(run, shown))


@audited(meeting="meeting", values="values", user_id="attendee", all_except="except_")
def change_capabilities(
    run: Run,
    meeting: MeetingArgument,
    values: Annotated[
        str,
        typer.Argument(
            metavar="KIND=VALUE,...", help="For example audio=sendreceive,video=receive,content=none"
        ),
    ],
    attendee: Annotated[
        list[str] | None,
        typer.Option("--attendee", "-a", metavar="ATTENDEE", help="Change this attendee (id or user id)"),
    ] = None,
    except_: Annotated[
        list[str] | None,
        typer.Option("--except", metavar="ATTENDEE", help="Change all attendees except this one"),
    ] = None,
) -> None:
    """Change what attendees can send and receive.

    With --attendee, a kind of media that is not named stays as it is; with --except, it becomes sendreceive. Takes effect at once, also for those who are connected.

    Example: whatschat-ops chime attendee capabilities call-alice-1766000000000 audio=receive --attendee bob
    """
    from whatschat_ops.chime.capabilities import Capabilities, read_pairs

    given = read_pairs(values)
    wanted = Capabilities().changed(given) if except_ else None
    if bool(attendee) == bool(except_):
        raise UsageError("Give either --attendee or --except.", hint="Use --attendee bob, or --except alice.")
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    found = [_find(service, meeting_id, reference) for reference in attendee or except_ or ()]
    if wanted:
        excluded = tuple(item.attendee_id for item in found)
        service.update_capabilities_except(meeting_id, excluded, wanted)
        changed = ChangedCapabilities(meeting_id, wanted, excluded_attendee_ids=excluded)
        run.out.result(changed, tables.render_changed)
        return
    plans = [(item, Capabilities.from_api(item.sdk["Capabilities"]).changed(given)) for item in found]
    updated = [service.update_capabilities(meeting_id, item.attendee_id, plan) for item, plan in plans]
    run.out.result(updated, lambda result: tables.render_attendees(run, result))


@audited(meeting="meeting", user_id="attendee", shows=("attendee_id",))
def delete_attendee(
    run: Run, meeting: MeetingArgument, attendee: AttendeeArgument, yes: YesOption = False
) -> None:
    """Remove an attendee from a meeting.

    Their join token becomes invalid.

    Example: whatschat-ops chime attendee delete call-alice-1766000000000 bob
    """
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    found = _find(service, meeting_id, attendee)
    who = f"{found.attendee_id} ({found.external_user_id})"
    if not run.out.confirm(f"Delete attendee {who} of meeting {meeting_id}?", yes=yes):
        raise Interrupted("Nothing was deleted.")
    service.delete_attendee(meeting_id, found.attendee_id)
    run.out.result(DeletedAttendee(meeting_id, found.attendee_id), lambda _: f"Deleted attendee {who}.")


def _create(run: Run, meeting: str, users: Mapping[str, Capabilities | None]) -> None:
    service = run.chime()
    meeting_id = service.find_meeting_id(meeting)
    capable = {user: given for user, given in users.items() if given is not None}
    with run.out.status(f"Creating {len(users)} attendees ..."):
        batch = service.create_attendees(meeting_id, list(users), capable)
    run.out.result(batch, lambda result: tables.render_batch(run, result))
    if batch.failed and not batch.attendees:
        reasons = sorted({item.message or item.code for item in batch.failed})
        raise OpsError(f"No attendee was created: {'; '.join(reasons)}")
    require_all(meeting_id, batch.failed)


def _find(service: ChimeService, meeting_id: str, reference: str) -> Attendee:
    try:
        return service.find_attendee(meeting_id, reference)
    except Missing as error:
        hint = Hint(("chime", "attendee", "create", meeting_id, "--user", reference))
        raise Missing(error.message, hint=hint) from error


def _read_users(path: Path, given: Capabilities | None, *, flag: str) -> dict[str, Capabilities | None]:
    from whatschat_ops.chime.batch_file import read_batch

    with opened(path, flag=flag) as source:
        return read_batch(source, named(path), given)


def _capabilities(text: str | None) -> Capabilities | None:
    from whatschat_ops.chime.capabilities import Capabilities, read_pairs

    return None if text is None else Capabilities().changed(read_pairs(text))


def _json(run: Run, document: Any) -> str:
    return json.dumps(run.out.encode(document), indent=2)

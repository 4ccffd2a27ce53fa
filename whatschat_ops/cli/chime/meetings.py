"""`chime meeting`: create, show, list and delete meetings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import CreatedMeeting
from whatschat_ops.cli.chime.shared import (
    MeetingArgument,
    checked_users,
    delete_all,
    invite,
    metered,
    note_not_asked,
    require_all,
    require_deleted,
)
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, Interrupted, UsageError


@audited(user_id="user", attendees="attendee", external_id="external_id")
def create_meeting(
    run: Run,
    user: Annotated[str, typer.Option("--user", "-u", metavar="USER", help="User who starts the call")],
    external_id: Annotated[
        str | None,
        typer.Option("--external-id", metavar="NAME", help="External meeting id [default: call-<user>-<ms>]"),
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
            help="Region of the media, or nearest: the one nearest to this machine [default: the setting chime.media_region]",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="USER", help="Host of the meeting (MeetingHostId)")
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            "--feature",
            metavar="NAME=VALUE",
            help="audio=available|unavailable, video=none|hd|fhd, content=none|fhd|uhd, attendees=1..250; several with commas",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Tag of the meeting")
    ] = None,
    replica_of: Annotated[
        str | None,
        typer.Option("--replica-of", metavar="MEETING", help="Primary meeting, whose media the new one gets"),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(
            "--ttl",
            metavar="DURATION",
            help="After this time, as 30m, a sweep of its purpose deletes the meeting",
        ),
    ] = None,
    purpose: Annotated[
        str, typer.Option("--purpose", metavar="WORD", help="What the meeting is for, to sweep by")
    ] = "test",
) -> None:
    """Create a meeting.

    Also creates attendees for users, up to 100 per call. The same command with --external-id completes what a run that crashed has begun.
    With --json, what amazon-chime-sdk-js takes is under sdk (the join tokens with --show-secrets).

    Example: whatschat-ops chime meeting create --user alice --attendee alice --attendee bob --ttl 30m
    """
    from whatschat_ops.chime.features import parse_features
    from whatschat_ops.chime.ids import external_user_id
    from whatschat_ops.chime.requests import MeetingOptions, parse_tags

    invited = checked_users(attendee or [])
    options = MeetingOptions(
        host,
        parse_features(feature or []),
        parse_tags(tag or []),
        None,
        purpose,
        None if ttl is None else parse_duration(ttl, "--ttl"),
    )
    _require_room(len({external_user_id(user).lower() for user in invited}), options.features)
    region = _media_region(run, media_region)
    service = run.chime()
    if replica_of is not None:
        options = replace(options, primary_meeting_id=service.find_meeting_id(replica_of))
    meeting = (
        service.create_meeting(user, media_region=region, options=options)
        if external_id is None
        else service.recreate_meeting(user, external_id, media_region=region, options=options)
    )
    batch = invite(service, meeting.meeting_id, invited)
    created = CreatedMeeting.of(meeting, batch)
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
    sort: SortOption = None,
    limit: LimitOption = None,
) -> None:
    """List meetings.

    Lists those created with this program in the last 30 days. Chime cannot list meetings, so each one is recorded in a table. With
    chime.events, attendee-minutes so far and their list price are shown (~: an estimate).

    Example:
        whatschat-ops chime meeting list --all
        whatschat-ops chime meeting list --sort attendee_minutes:desc --limit 10
    """
    from whatschat_ops.chime.models import MeetingRecord

    service = run.chime()
    with run.out.status("Looking up which meetings are open ..."):
        records = service.list_meetings(check=check)
        shown = metered(run, [record for record in records if all_ or not record.status.over])
    run.out.result(listed(run.out, MeetingRecord, shown, sort, limit), tables.render_records)
    note_not_asked(run, shown)
    if shown and not run.settings.chime.events:
        run.out.note("Minutes are not measured: chime.events is off.")
    if len(shown) < len(records):
        run.out.note(f"Ended and not shown: {len(records) - len(shown)}. Add --all to show them.")


@audited(meeting="meetings", all="all_", shows=("meeting", "deleted"))
def delete_meetings(
    run: Run,
    meetings: Annotated[
        list[str] | None, typer.Argument(metavar="MEETING", help="Meeting ids or external meeting ids")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every open meeting in the ledger, also calls of users")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Delete meetings.

    All attendees are disconnected. The ledger records who deleted them, and with chime.events the attendee-minutes.

    Example: whatschat-ops chime meeting delete call-alice-1766000000000
    """
    from whatschat_ops.chime.models import EndReason

    if bool(meetings) == all_:
        raise UsageError(
            "Name meetings, or all with --all.", hint=Hint(("chime", "meeting", "delete", "MEETING"))
        )
    chosen = meetings or _open_meetings(run)
    if not chosen:
        run.out.result([], tables.render_deleted)
        return
    named = ", ".join(chosen) if meetings else f"all {len(chosen)} open meetings"
    if not run.out.confirm(f"Delete {named}? All attendees are disconnected.", yes=yes):
        raise Interrupted("Nothing was deleted.")
    results = delete_all(run, chosen, EndReason.DELETED)
    run.out.result(results, tables.render_deleted)
    require_deleted(results)


def _open_meetings(run: Run) -> list[str]:
    with run.out.status("Looking up which meetings are open ..."):
        records = [record for record in run.chime().list_meetings() if not record.status.over]
    note_not_asked(run, records)
    return [record.meeting_id for record in records]


def _require_room(attendees: int, features: Mapping[str, Any] | None) -> None:
    from whatschat_ops.chime.features import most_attendees

    most = most_attendees(features)
    if attendees > most:
        raise UsageError(
            f"{attendees} attendees are too many: this meeting has {most} at most.",
            hint="Create the rest in a replica of it: --replica-of MEETING",
        )


def _media_region(run: Run, chosen: str | None) -> str | None:
    if chosen != "nearest":
        return chosen
    from whatschat_ops.cli.target import is_embedded

    if is_embedded(run.settings):
        raise UsageError(
            "The embedded AWS has no media, so that no media Region is nearest to it.",
            hint="Name a Region, for example: --media-region eu-central-1",
        )
    from whatschat_ops.chime.nearest import nearest_media_region

    return nearest_media_region()

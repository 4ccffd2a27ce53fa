"""`local chime`: simulated attendance of the meetings of the embedded AWS."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.times import local_time

if TYPE_CHECKING:
    from whatschat_ops.local.own_api import AttendanceResult

MeetingArgument = Annotated[str, typer.Argument(metavar="MEETING", help="Meeting id or external meeting id")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="User or attendee id of an attendee")]


def attend(run: Run, meeting: MeetingArgument, user: UserArgument) -> None:
    """Connect an attendee to a meeting.

    There is no media: only the events AttendeeAuthorized and AttendeeJoined are sent, and the meeting stays open while an
    attendee is connected.

    Example: whatschat-ops local chime attend call-alice-1766000000000 alice
    """
    _set(run, meeting, user, "attend")


def leave(
    run: Run,
    meeting: MeetingArgument,
    user: UserArgument,
    drop: Annotated[
        bool, typer.Option("--drop", help="As if the connection was lost (AttendeeDropped)")
    ] = False,
) -> None:
    """Disconnect an attendee from a meeting.

    Sends the event AttendeeLeft. Five minutes after the last attendee, the meeting ends.

    Example: whatschat-ops local chime leave call-alice-1766000000000 alice
    """
    _set(run, meeting, user, "drop" if drop else "leave")


def _set(run: Run, meeting: str, user: str, action: str) -> None:
    from whatschat_ops.cli.target import local_options
    from whatschat_ops.local.own_api import set_attendance
    from whatschat_ops.local.service import ensure_running

    service = ensure_running(
        port=run.settings.local.port, say=run.out.note, options=local_options(run.settings)
    )
    run.out.result(set_attendance(service, meeting, user, action), _render)


def _render(result: AttendanceResult) -> str:
    at = local_time(datetime.fromisoformat(result.at))
    who = f"{result.external_user_id} (attendee {result.attendee_id})"
    if result.connected:
        return f"{who} is connected to {result.meeting_id} since {at}."
    return f"{who} left {result.meeting_id} at {at}, connected for {result.connected_s:,.1f} s."

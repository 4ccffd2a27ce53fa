"""`chime events`: what happened in meetings, as Chime's events say it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.times import local_time
from whatschat_ops.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from whatschat_ops.chime.api_calls import FailedCall
    from whatschat_ops.chime.event_pairs import Unmatched
    from whatschat_ops.chime.events import EventLog, MeetingEvent

POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class EventReport:
    """The result of `chime events`. `malformed`: entries of the log group that have not the documented form."""

    events: tuple[MeetingEvent, ...]
    unmatched: Unmatched
    malformed: int


def events(
    run: Run,
    meeting: Annotated[
        str | None,
        typer.Argument(metavar="[MEETING]", help="Meeting id or external meeting id [default: all]"),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="DURATION", help="How far back: 30m, 24h, 7d")
    ] = "24h",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events until Ctrl-C")
    ] = False,
    api: Annotated[
        bool, typer.Option("--api", help="Show the failed calls of Chime instead, from CloudTrail")
    ] = False,
) -> None:
    """Show the events of meetings.

    Meetings that started and ended, attendees who were added, joined and left. Needs the setting chime.events. Delivery is
    best effort: joins without a leave and leaves without a join are counted. With --api, the calls that failed and why; CloudTrail
    has them some minutes later, without any setting.

    Example:
        whatschat-ops chime events call-alice-1766000000000 --since 2h
        whatschat-ops chime events --api
    """
    from datetime import UTC, datetime

    from whatschat_ops.chime.events import EventLog
    from whatschat_ops.cli.durations import parse_duration
    from whatschat_ops.cli.terminal.interrupts import until_interrupted

    start = datetime.now(UTC) - parse_duration(since, "--since")
    if api:
        _show_failed_calls(run, start, meeting, follow=follow)
        return
    log = EventLog(run.aws, run.settings)
    log.require()
    meeting_id = run.chime().find_meeting_id(meeting) if meeting else None
    if follow:
        with until_interrupted():
            for event in log.follow(start, meeting_id=meeting_id, wait=lambda: time.sleep(POLL_S)):
                run.out.stream(event, _line)
        return
    report = _read(log, start, meeting_id)
    run.out.result(report, _render)
    for note in _notes(report):
        run.out.note(note)


def _show_failed_calls(run: Run, start: datetime, meeting: str | None, *, follow: bool) -> None:
    from whatschat_ops.chime.api_calls import failed_calls
    from whatschat_ops.chime.ids import is_guid

    if follow:
        raise UsageError("--follow and --api exclude each other: CloudTrail has a call only minutes later.")
    if meeting is not None:  # an id needs no ledger, which may be what is missing
        meeting = meeting.lower() if is_guid(meeting) else run.chime().find_meeting_id(meeting)
    with run.out.status("Looking through CloudTrail ..."):
        found = list(failed_calls(run.aws, run.settings.chime.region, start, meeting_id=meeting))
    run.out.result(found[::-1], _render_calls)


def _render_calls(calls: list[FailedCall]) -> str:
    return "\n".join(map(_call_line, calls)) or "No failed calls."


def _call_line(call: FailedCall) -> str:
    at = local_time(call.at)
    meeting = f" {call.meeting_id}" if call.meeting_id else ""
    return f"{at}  {call.operation}{meeting}  {call.error_code}: {call.error_message or '-'}  ({call.caller or 'unknown caller'})"


def _read(log: EventLog, since: datetime, meeting_id: str | None) -> EventReport:
    from whatschat_ops.chime.event_pairs import unmatched

    found = sorted(log.events(since, meeting_id=meeting_id), key=lambda event: event.at)
    return EventReport(tuple(found), unmatched(found), log.malformed)


def _render(report: EventReport) -> str:
    return "\n".join(map(_line, report.events)) or "No events."


def _line(event: MeetingEvent) -> str:
    who = event.external_user_id or event.external_meeting_id or ""
    at = local_time(event.at, milliseconds=True)
    return f"{at}  {event.event_type:<24} {event.meeting_id}  {who}".rstrip()


def _notes(report: EventReport) -> list[str]:
    found = report.unmatched
    lines = (
        (
            found.joins_without_leave,
            "joined and did not leave (still connected, or the event was not delivered)",
        ),
        (found.leaves_without_join, "left and did not join (joined earlier, or the event was not delivered)"),
        (found.repeated_ends, "ended once more, as Chime reports after DeleteMeeting"),
        (report.malformed, "could not be read"),
    )
    return [f"{count} {what}." for count, what in lines if count]

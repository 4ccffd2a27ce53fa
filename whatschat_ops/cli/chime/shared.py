"""Arguments and checks that several commands of `chime` share. A meeting is named by its id or its external id.

`--show-secrets` is read by the command decorator, so commands take it and do not look at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.chime.results import DeletedMeeting
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import (
    AwsError,
    ConfigError,
    Hint,
    Missing,
    NotProvisioned,
    OpsError,
    PartlyDone,
    UsageError,
)

if TYPE_CHECKING:
    from whatschat_ops.chime import AttendeeBatch, ChimeService, FailedAttendee, MeetingRecord

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
            meeting_id = service.find_meeting_id(meeting)
            service.delete_meeting(meeting_id, by=by, reason=reason)
        except (AwsError, ConfigError, Missing, UsageError) as error:
            if len(meetings) == 1:
                raise
            return DeletedMeeting(meeting, False, error.message)
        return DeletedMeeting(meeting, True, meeting_id=meeting_id)

    with ThreadPoolExecutor(max_workers=_DELETIONS_AT_ONCE) as pool:
        return _with_usage(run, list(pool.map(delete, meetings)))


def _with_usage(run: Run, results: list[DeletedMeeting]) -> list[DeletedMeeting]:
    """The results with what the meetings have used, which the ledger keeps from now on."""
    deleted = {result.meeting_id for result in results if result.deleted}
    if not run.settings.chime.events or not deleted:
        return results
    records = [each for each in run.chime().list_meetings(check=False) if each.meeting_id in deleted]
    used = {record.meeting_id: record for record in metered(run, records)}
    return [
        replace(
            result,
            attendee_minutes=record.attendee_minutes,
            minutes_estimated=record.minutes_estimated,
            cost_usd=record.cost_usd,
        )
        if (record := used.get(result.meeting_id or ""))
        else result
        for result in results
    ]


def metered(run: Run, records: Sequence[MeetingRecord]) -> Sequence[MeetingRecord]:
    """The records with what their meetings have used, if events are on and can be read."""
    try:
        return run.metering().metered(records)
    except (AwsError, NotProvisioned) as error:
        run.out.note(f"Minutes are not measured: {error.message}")
        return records


def note_not_asked(run: Run, records: Sequence[MeetingRecord]) -> None:
    """Warn of meetings about which Chime could not be asked, and why."""
    reasons = Counter(record.not_asked for record in records if record.not_asked)
    if reasons:
        [(reason, _), *others] = reasons.most_common()
        more = f" (and {len(others)} more reasons)" if others else ""
        run.out.warn(
            f"Chime could not be asked about {reasons.total()} of {len(records)} meetings: {reason}{more}"
        )


def require_deleted(results: Sequence[DeletedMeeting]) -> None:
    """Raise an error that names the meetings that were not deleted."""
    failed = [result.meeting for result in results if not result.deleted]
    if failed:
        kind = OpsError if len(failed) == len(results) else PartlyDone
        raise kind(
            f"{len(failed)} of {len(results)} meetings were not deleted: {', '.join(failed)}.",
            hint=Hint(("chime", "meeting", "list")),
        )

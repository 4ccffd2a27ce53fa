"""Many attendees for one meeting: 100 per call; each user ends up either created or failed.

Chime answers BatchCreateAttendee with success even when single users failed (`Errors`), so both are read. Users that failed
with a temporary error are retried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whatschat_ops.chime.models import Attendee, AttendeeBatch, FailedAttendee
from whatschat_ops.errors import AwsError, Conflict, Throttled, Unavailable
from whatschat_ops.quotas import CHIME_BATCH_ATTENDEES

_RETRY_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Before a chunk's next attempt. boto3 has made its own attempts when a whole call fails."""
_TRANSIENT = (
    "Throttl",
    "ServiceFailure",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalServer",
    "Conflict",
)
"""How the error codes of attendees that are retried begin."""

UNANSWERED = "Unanswered"
"""The code of a user that is not in the answer of Chime; ours."""

Send = Callable[[Sequence[str]], dict[str, Any]]
"""Sends one BatchCreateAttendee for these external user ids and returns Chime's answer."""


def invite(send: Send, external_ids: Sequence[str], sleep: Callable[[float], None]) -> AttendeeBatch:
    """Invite all users. A call that fails fails all its users; raises its AwsError when no attendee was created."""
    attendees: list[Attendee] = []
    failed: list[FailedAttendee] = []
    first_error: AwsError | None = None
    for start in range(0, len(external_ids), CHIME_BATCH_ATTENDEES):
        chunk = external_ids[start : start + CHIME_BATCH_ATTENDEES]
        try:
            batch = _invite_chunk(send, chunk, sleep)
        except AwsError as error:
            first_error = first_error or error
            code = error.aws_code or error.code
            failed.extend(FailedAttendee(external, code, error.message) for external in chunk)
        else:
            attendees.extend(batch.attendees)
            failed.extend(batch.failed)
    if first_error is not None and not attendees:
        raise first_error
    return AttendeeBatch(tuple(attendees), tuple(failed))


def _invite_chunk(send: Send, external_ids: Sequence[str], sleep: Callable[[float], None]) -> AttendeeBatch:
    """Raises the AwsError of a call that fails for a reason that stays, or in every attempt while nothing was created."""
    attendees: list[Attendee] = []
    failed: list[FailedAttendee] = []
    waiting = list(external_ids)
    for delay_s in (*_RETRY_DELAYS_S, None):
        created, errors = _attempt(send, waiting, last=delay_s is None and not attendees and not failed)
        attendees += created
        failed += [error for error in errors if not _transient(error)]
        errors = [error for error in errors if _transient(error)]
        if not errors or delay_s is None:
            return AttendeeBatch(tuple(attendees), (*failed, *errors))
        waiting = [error.external_user_id for error in errors]
        sleep(delay_s)
    raise AssertionError("the last attempt returns")


def _attempt(
    send: Send, external_ids: Sequence[str], *, last: bool
) -> tuple[list[Attendee], list[FailedAttendee]]:
    """One call. One that fails for a moment (a second one for the same users returns the same attendees) fails for all its users."""
    try:
        return _read(send(external_ids), external_ids)
    except (Throttled, Unavailable, Conflict) as error:
        if last:
            raise
        code = error.aws_code if error.aws_code.startswith(_TRANSIENT) else _TRANSIENT[0]
        return [], [FailedAttendee(external, code, error.message) for external in external_ids]


def _read(answer: dict[str, Any], external_ids: Sequence[str]) -> tuple[list[Attendee], list[FailedAttendee]]:
    """Who was created and who failed; a user that the answer has in neither list (in any case of letters) has failed."""
    errors = [
        FailedAttendee(
            error.get("ExternalUserId", ""), error.get("ErrorCode", ""), error.get("ErrorMessage", "")
        )
        for error in answer.get("Errors") or ()
    ]
    attendees = [Attendee.from_api(attendee) for attendee in answer.get("Attendees") or ()]
    named = {each.external_user_id.lower() for each in attendees}
    named |= {each.external_user_id.lower() for each in errors}
    errors += [
        FailedAttendee(external, UNANSWERED, "Chime's answer does not name this user.")
        for external in external_ids
        if external.lower() not in named
    ]
    return attendees, errors


def _transient(error: FailedAttendee) -> bool:
    return error.code.startswith(_TRANSIENT)

"""How `chime` shows meetings and attendees. Join tokens stay hidden unless the output shows secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from whatschat_ops.cli.terminal.lines import Shown
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table, figures
from whatschat_ops.cli.terminal.times import relative

if TYPE_CHECKING:
    from whatschat_ops.chime import Attendee, AttendeeBatch, FailedAttendee, Meeting, MeetingRecord
    from whatschat_ops.cli.chime.results import ChangedCapabilities, CreatedMeeting, DeletedMeeting, Sweep
    from whatschat_ops.cli.run import Run


_ALL = "SendReceive / SendReceive / SendReceive"
"""The capabilities of nearly every attendee, which need no column."""


def render_created(run: Run, created: CreatedMeeting) -> Shown:
    """A new meeting and its attendees."""
    meeting = render_meeting(created.meeting)
    if created.attendees or created.failed:
        return Blocks([meeting, "", _render_rows(run, created.attendees, created.failed)])
    return meeting


def render_meeting(meeting: Meeting) -> Facts:
    """One meeting, line by line."""
    return Facts(
        {
            "Meeting": meeting.meeting_id,
            "External id": meeting.external_meeting_id,
            "Control Region": meeting.control_region,
            "Media Region": meeting.media_region,
            "Signaling": meeting.media_placement.signaling_url,
            "Host": meeting.sdk.get("MeetingHostId") or "",
            "Replica of": meeting.sdk.get("PrimaryMeetingId") or "",
            "Features": _features(meeting.sdk.get("MeetingFeatures") or {}),
        }
    )


def _features(features: Mapping[str, Mapping[str, Any]]) -> str:
    """`MeetingFeatures` as `--feature` takes it."""
    pairs = ((name, value) for name, members in features.items() for value in members.values())
    return ",".join(
        f"{'attendees' if name == 'Attendee' else name.lower()}={str(value).lower()}" for name, value in pairs
    )


def render_records(records: Sequence[MeetingRecord]) -> Table | str:
    """The ledger, one line per meeting."""
    if not records:
        return "No meetings."
    measured = any(record.attendee_minutes is not None for record in records)
    now = datetime.now(UTC)
    return Table(
        (
            *(Column("Meeting"), Column("External id", optional=True), Column("User")),
            *(Column("Purpose", wraps=True, optional=True), Column("Region", wraps=True, optional=True)),
            *(Column("Created"), Column("Status", wraps=True)),
            *(figures("Minutes", "Cost") if measured else ()),
        ),
        [_record_row(record, now, measured=measured) for record in records],
    )


def _record_row(record: MeetingRecord, now: datetime, *, measured: bool) -> tuple[str, ...]:
    regions = dict.fromkeys((record.control_region, record.media_region))  # usually one and the same
    who = (record.meeting_id, record.external_meeting_id, record.created_by, record.purpose or "-")
    used = (_minutes(record), _cost(record.cost_usd)) if measured else ()
    return (*who, " / ".join(regions), relative(record.created_at, now), _status(record), *used)


def _minutes(used: MeetingRecord | DeletedMeeting) -> str:
    if used.attendee_minutes is None:
        return "-"
    return f"{'~' if used.minutes_estimated else ''}{used.attendee_minutes:g}"


def _cost(cost_usd: Mapping[str, str] | None) -> str:
    """The list price; both where the rate cards differ: the guide's, then AWS's."""
    from whatschat_ops.pricing.amounts import show_price

    if not cost_usd:
        return "-"
    prices = dict.fromkeys(show_price(Decimal(amount)) for amount in cost_usd.values())
    return " / ".join([*prices, *([] if "aws" in cost_usd else ["not found"])])


def _status(record: MeetingRecord) -> str:
    """The status, and what explains it."""
    status = record.status.value
    if record.not_asked:
        return f"{status} (not asked)"
    if record.status.over and record.end_reason and record.end_reason != status:
        return f"{status} ({record.end_reason})"
    if record.delete_after is not None and not record.status.over:
        over = record.delete_after < datetime.now(UTC)
        return f"{status}, {'expired' if over else 'expires'} {relative(record.delete_after)}"
    return status


def render_sweep(sweep: Sweep) -> str:
    """One line per meeting that is or would be deleted, and how many are kept for which reason."""
    lines = [
        *(render_deleted(list(sweep.deleted)).splitlines() if sweep.deleted else _would_delete(sweep)),
        *(f"Kept {count}: {reason}." for reason, count in Counter(sweep.kept.values()).most_common()),
    ]
    return "\n".join(lines) or "No open meetings."


def _would_delete(sweep: Sweep) -> list[str]:
    return [f"Would delete {record.meeting_id} ({record.external_meeting_id})." for record in sweep.chosen]


def render_batch(run: Run, batch: AttendeeBatch) -> Table:
    """Created and failed attendees."""
    return _render_rows(run, batch.attendees, batch.failed)


def render_attendees(run: Run, attendees: Sequence[Attendee]) -> Table | str:
    """One line per attendee."""
    return _render_rows(run, attendees, ()) if attendees else "No attendees."


def _render_rows(run: Run, attendees: Sequence[Attendee], failed: Sequence[FailedAttendee]) -> Table:
    capable = [" / ".join(attendee.capabilities.values()) for attendee in attendees]
    kinds = next((" / ".join(attendee.capabilities).capitalize() for attendee in attendees), "")
    differ = set(capable) - {_ALL, ""}
    names = ("User", "Attendee", *([kinds] if differ else []), "Join token")
    rows = [
        (
            attendee.external_user_id,
            attendee.attendee_id,
            *([values] if differ else []),
            run.out.encode(attendee.join_token),
        )
        for attendee, values in zip(attendees, capable, strict=True)
    ]
    rows += [(item.external_user_id, f"failed: {item.message or item.code}") for item in failed]
    return Table([Column(name) for name in names], rows)


def render_changed(changed: ChangedCapabilities) -> str:
    """One sentence, which can be given to the same command again."""
    values = ",".join(f"{name.lower()}={value}" for name, value in changed.capabilities.document().items())
    return f"All attendees except {', '.join(changed.excluded_attendee_ids)} have {values}."


def render_deleted(results: list[DeletedMeeting]) -> str:
    """One line per meeting."""
    if not results:
        return "No open meetings."
    return "\n".join(
        _deleted(result) if result.deleted else f"Not deleted {result.meeting}: {result.error}"
        for result in results
    )


def _deleted(result: DeletedMeeting) -> str:
    if result.attendee_minutes is None:
        return f"Deleted {result.meeting}."
    return f"Deleted {result.meeting}: {_minutes(result)} attendee-minutes, {_cost(result.cost_usd)}."

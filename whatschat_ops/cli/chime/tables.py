"""How `chime` shows meetings and attendees. Join tokens stay hidden unless the output shows secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from whatschat_ops.chime import Attendee, AttendeeBatch, FailedAttendee, Meeting, MeetingRecord
    from whatschat_ops.cli.chime.results import ChangedCapabilities, CreatedMeeting, DeletedMeeting, Sweep
    from whatschat_ops.cli.run import Run


_ALL = "SendReceive / SendReceive / SendReceive"
"""The capabilities of nearly every attendee, which need no column."""


def render_created(run: Run, created: CreatedMeeting) -> RenderableType:
    """A new meeting and its attendees."""
    from rich.console import Group

    parts: list[RenderableType] = [render_meeting(created.meeting)]
    if created.attendees or created.failed:
        parts += ["", _render_rows(run, created.attendees, created.failed)]
    return Group(*parts)


def render_meeting(meeting: Meeting) -> RenderableType:
    """One meeting, line by line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("Meeting", meeting.meeting_id),
        ("External id", meeting.external_meeting_id),
        ("Control Region", meeting.control_region),
        ("Media Region", meeting.media_region),
        ("Signaling", meeting.media_placement.signaling_url),
        ("Host", meeting.sdk.get("MeetingHostId")),
        ("Replica of", meeting.sdk.get("PrimaryMeetingId")),
        ("Features", _features(meeting.sdk.get("MeetingFeatures") or {})),
    ):
        if value:
            table.add_row(Text(name, style="bold"), Text(value))
    return table


def _features(features: Mapping[str, Mapping[str, Any]]) -> str:
    """`MeetingFeatures` as `--feature` takes it."""
    pairs = ((name, value) for name, members in features.items() for value in members.values())
    return ",".join(
        f"{'attendees' if name == 'Attendee' else name.lower()}={str(value).lower()}" for name, value in pairs
    )


def render_records(records: Sequence[MeetingRecord]) -> RenderableType:
    """The ledger, one line per meeting."""
    from rich.table import Column, Table
    from rich.text import Text

    if not records:
        return "No meetings."
    measured = any(record.attendee_minutes is not None for record in records)
    table = Table(
        Column("Meeting", no_wrap=True, min_width=36),  # an id that is cut cannot be copied
        Column("External id", overflow="fold"), "User", "Purpose", "Region", "Created (UTC)", "Status",
        *((Column("Minutes", justify="right"), "Cost") if measured else ()),
        box=None, header_style="bold", pad_edge=False,
    )  # fmt: skip
    for record in records:
        created = f"{record.created_at:%Y-%m-%d %H:%M:%S}"
        regions = dict.fromkeys((record.control_region, record.media_region))  # usually one and the same
        who = (record.meeting_id, record.external_meeting_id, record.created_by, record.purpose or "-")
        used = (_minutes(record), _cost(record.cost_usd)) if measured else ()
        table.add_row(*map(Text, (*who, " / ".join(regions), created, _status(record), *used)))
    return table


def _minutes(used: MeetingRecord | DeletedMeeting) -> str:
    if used.attendee_minutes is None:
        return "-"
    return f"{'~' if used.minutes_estimated else ''}{used.attendee_minutes:g}"


def _cost(cost_usd: Mapping[str, str] | None) -> str:
    """The list price; both where the rate cards differ: the guide's, then AWS's."""
    from whatschat_ops.pricing.amounts import show_price

    prices = dict.fromkeys(show_price(Decimal(amount)) for amount in (cost_usd or {}).values())
    return " / ".join(prices) or "-"


def _status(record: MeetingRecord) -> str:
    """The status, and what explains it."""
    status = record.status.value
    if record.not_asked:
        return f"{status} (not asked)"
    if record.status.over and record.end_reason and record.end_reason != status:
        return f"{status} ({record.end_reason})"
    if record.delete_after is not None and not record.status.over:
        return f"{status} until {record.delete_after:%H:%M:%S}"
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


def render_batch(run: Run, batch: AttendeeBatch) -> RenderableType:
    """Created and failed attendees."""
    return _render_rows(run, batch.attendees, batch.failed)


def render_attendees(run: Run, attendees: Sequence[Attendee]) -> RenderableType:
    """One line per attendee."""
    return _render_rows(run, attendees, ()) if attendees else "No attendees."


def _render_rows(run: Run, attendees: Sequence[Attendee], failed: Sequence[FailedAttendee]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    capable = [" / ".join(attendee.capabilities.values()) for attendee in attendees]
    kinds = next((" / ".join(attendee.capabilities).capitalize() for attendee in attendees), "")
    differ = set(capable) - {_ALL, ""}
    names = ("User", "Attendee", *([kinds] if differ else []), "Join token")
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    for attendee, values in zip(attendees, capable, strict=True):
        token = Text(run.out.shown(attendee.join_token), overflow="fold")
        user, attendee_id = Text(attendee.external_user_id), Text(attendee.attendee_id)
        table.add_row(user, attendee_id, *([values] if differ else []), token)
    for item in failed:
        table.add_row(Text(item.external_user_id), Text(f"failed: {item.message or item.code}"))
    return table


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

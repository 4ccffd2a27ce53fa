"""`chime meeting sweep`: delete the meetings that tests left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.chime import tables
from whatschat_ops.cli.chime.results import Sweep
from whatschat_ops.cli.chime.shared import delete_all, note_not_asked, require_deleted
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.durations import parse_duration
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, Interrupted, PartlyDone
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.chime import MeetingRecord
    from whatschat_ops.chime.events import EventLog
    from whatschat_ops.chime.sweeping import Presence


@audited(purpose="purpose")
def sweep(
    run: Run,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="DURATION", help="Only meetings that are older, as 30m or 24h"),
    ] = "0",
    empty: Annotated[
        bool,
        typer.Option(
            "--empty", help="Only meetings without connected attendees, by their events (chime.events)"
        ),
    ] = False,
    purpose: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="PURPOSE", help="Meetings for this purpose [default: test]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted and kept")] = False,
    yes: YesOption = False,
) -> None:
    """Delete meetings that tests left behind.

    Without options, every open meeting in the ledger that a command of this program made for a test; of those with --ttl, the ones whose
    time is over. Calls of users have the purpose call, and are deleted only when it is named. All attendees are disconnected. Exit code 4 if
    Chime could not be asked about some, which are kept unless their age allows to delete them. --dry-run creates and deletes nothing.

    Example: whatschat-ops chime meeting sweep --older-than 1h --dry-run
    """
    from whatschat_ops.chime.events import EventLog
    from whatschat_ops.chime.models import EndReason, Purpose
    from whatschat_ops.chime.requests import checked_purpose
    from whatschat_ops.chime.sweeping import Selection

    age = parse_duration(older_than, "--older-than")
    purposes = frozenset(map(checked_purpose, purpose or [Purpose.TEST]))
    log = EventLog(run.aws, run.settings) if empty else None
    if log is not None:
        log.require()
    with run.out.status("Looking up which meetings are open ..."):
        records = run.chime().list_meetings(recover=not dry_run)
        open_ = [record for record in records if not record.status.over]
        presence = _presence(log, open_) if log else None
    selection, now = Selection(purposes, age, presence), datetime.now(UTC)
    kept = {record.meeting_id: reason for record in open_ if (reason := selection.keeps(record, now))}
    chosen = [record for record in open_ if record.meeting_id not in kept]
    note_not_asked(run, open_)
    if dry_run or not chosen:
        run.out.result(Sweep(tuple(chosen), kept, ()), tables.render_sweep)
        _note_pending(run, chosen)
        _require_asked(kept)
        return
    if not run.out.confirm(_question(chosen), yes=yes):
        raise Interrupted("Nothing was deleted.")
    run.acts_on(meeting=[record.meeting_id for record in chosen])
    results = delete_all(run, [record.meeting_id for record in chosen], EndReason.SWEPT)
    run.out.result(Sweep(tuple(chosen), kept, tuple(results)), tables.render_sweep)
    require_deleted(results)
    _require_asked(kept)


def _note_pending(run: Run, chosen: Sequence[MeetingRecord]) -> None:
    pending = sum(record.status == "pending" for record in chosen)
    if pending:
        run.out.note(
            f"Pending, without Chime's answer: {pending}. A dry run creates nothing, so it does not ask again; a sweep does."
        )


def _require_asked(kept: Mapping[str, str]) -> None:
    """Raise PartlyDone when meetings were kept because Chime could not be asked about them."""
    from whatschat_ops.chime.sweeping import UNKNOWN

    unknown = [meeting_id for meeting_id, reason in kept.items() if reason == UNKNOWN]
    if unknown:
        raise PartlyDone(
            f"{counted(len(unknown), 'meeting was', 'meetings were')} not swept, because Chime could not be asked: {', '.join(unknown)}.",
            hint=Hint(("chime", "meeting", "list")),
        )


def _presence(log: EventLog, records: Sequence[MeetingRecord]) -> Mapping[str, Presence]:
    from whatschat_ops.chime.events import LATEST_DELIVERY
    from whatschat_ops.chime.sweeping import presence_of

    if not records:
        return {}
    since = min(record.created_at for record in records) - LATEST_DELIVERY
    return presence_of(log.events(since))


def _question(chosen: Sequence[MeetingRecord]) -> str:
    purposes = Counter(record.purpose for record in chosen)
    of_each = ", ".join(f"{count} with purpose {name}" for name, count in sorted(purposes.items(), key=str))
    named = "\n".join(f"  {record.meeting_id}  {record.external_meeting_id}" for record in chosen[:20])
    more = f"\n  and {len(chosen) - 20} more" if len(chosen) > 20 else ""
    return f"{named}{more}\nDelete {counted(len(chosen), 'meeting')} ({of_each})? All attendees are disconnected."

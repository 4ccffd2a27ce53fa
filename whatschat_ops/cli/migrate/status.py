"""`migrate status` and `migrate history`: where the migration is, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from whatschat_ops.cli.listing import NewestOption, SortOption, newest
from whatschat_ops.cli.migrate.view import share_bar
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Blocks, Column, Facts, Table
from whatschat_ops.cli.terminal.times import local_time

if TYPE_CHECKING:
    from whatschat_ops.migration.history import MigrationChange
    from whatschat_ops.migration.state import Place

UNKNOWN = "not known"


class OpenNow(Struct, frozen=True):
    """What is open: on API Gateway and in Chime as the tables say, on the old path as the backend publishes. None: not known."""

    sockets: int | None
    meetings: int | None
    old_sockets: int | None
    old_calls: int | None


class MigrationStatus(Struct, frozen=True):
    """`problem`: why readers do not read what was decided. `shares`: phase -> percent of the users."""

    stack: str
    phase: int
    meaning: str
    place: Place
    shares: dict[str, int]
    drained: bool
    held: str | None
    held_by_gate: bool
    serial: int
    changed_at: str | None
    changed_by: str | None
    parameter: str
    problem: str | None
    steps_back: int
    open: OpenNow


def status(run: Run) -> None:
    """Show the phases, shares and open sockets.

    Counts the connections table and the meetings of the ledger. What is left on the old path is what the backend publishes
    (docs/migrate.md); in phase 4 you say with `migrate advance --drained` that it is empty. Changes nothing.

    Example: whatschat-ops migrate status --json
    """
    from whatschat_ops.migration.migrating import disagreement
    from whatschat_ops.migration.phases import Phase
    from whatschat_ops.migration.store import MigrationStore

    store = MigrationStore(run.aws, run.names)
    with run.out.status("Counting open sockets and meetings"):
        stored, now = store.read(), _open_now(run)
    state = stored.state
    problem = disagreement(store, stored, store.parameter())
    found = MigrationStatus(
        stack=run.names.stack,
        phase=state.phase.value,
        meaning=state.phase.meaning,
        place=state.place,
        shares={str(phase.value): state.place.share(phase) for phase in Phase if phase},
        drained=state.place.drained,
        held=state.hold.reason if state.hold else None,
        held_by_gate=bool(state.hold and state.hold.by_gate),
        serial=state.serial,
        changed_at=stored.at or None,
        changed_by=stored.by or None,
        parameter=store.parameter_name,
        problem=problem,
        steps_back=len(state.trail),
        open=now,
    )
    run.out.result(found, _render_status)
    if problem and state.serial:
        from whatschat_ops.errors import Hint

        run.out.warn(Hint(("migrate", "start"), f"{problem} To write the parameter"))


def history(
    run: Run,
    sort: SortOption = None,
    limit: NewestOption = 100,
) -> None:
    """List the steps of the migration.

    Newest first: when, who, from where to where, why, and the outcome, from the audit log. `started` is a change that is
    being made, or whose process was killed.

    Example: whatschat-ops migrate history --json
    """
    from whatschat_ops.migration.history import MigrationChange
    from whatschat_ops.migration.history import history as changes

    run.out.result(newest(run.out, MigrationChange, changes(run.audit_log()), sort, limit), _render_history)


def _open_now(run: Run) -> OpenNow:
    from datetime import UTC

    from whatschat_ops.migration.cohort import Service
    from whatschat_ops.migration.open_now import left_on_old_path, open_users, running_meetings

    now, stack = datetime.now(UTC), run.names.stack
    users = open_users(run.aws, run.settings)
    return OpenNow(
        sockets=None if users is None else len(users),
        meetings=running_meetings(run.aws, run.settings),
        old_sockets=left_on_old_path(run.aws, stack, Service.WEBSOCKET, now),
        old_calls=left_on_old_path(run.aws, stack, Service.CHIME, now),
    )


def _render_status(found: MigrationStatus) -> Blocks:
    from whatschat_ops.migration.phases import Phase

    rows = [
        [str(phase.value), phase.meaning, share_bar(found.shares[str(phase.value)])]
        for phase in Phase
        if phase
    ]
    facts = {
        "Stack": found.stack,
        "Phase": "4: drained" if found.drained else f"{found.phase}: {found.meaning}",
        "Held": f"{found.held}{' (by the gate)' if found.held_by_gate else ''}" if found.held else "",
        "Last change": f"{local_time(datetime.fromisoformat(found.changed_at))} by {found.changed_by}"
        if found.changed_at
        else "",
        "Parameter": found.parameter if found.serial else "",
        "Open on API Gateway": _count(found.open.sockets, "socket"),
        "Meetings in progress": _count(found.open.meetings, "meeting"),
        "Left on the old path": f"{_count(found.open.old_sockets, 'socket')}, {_count(found.open.old_calls, 'call')}",
    }
    columns = (Column("Phase"), Column("For the users in its share", wraps=True), Column("Share"))
    return Blocks([Facts(facts), "", Table(columns, rows)])


def _count(number: int | None, what: str) -> str:
    from whatschat_ops.plurals import counted

    return f"{what}s {UNKNOWN}" if number is None else counted(number, what)


def _render_history(found: Sequence[MigrationChange]) -> Table:
    columns = (
        Column("Time"), Column("Who", wraps=True), Column("Command"), Column("From"), Column("To"),
        Column("Reason", wraps=True), Column("Outcome", wraps=True),
    )  # fmt: skip
    return Table(columns, [_row(each) for each in found], empty="No changes.")


def _row(change: MigrationChange) -> list[str]:
    options = {" --force": change.forced, " --release": change.released}
    command = "".join([change.action.rpartition(".")[2], *(name for name, given in options.items() if given)])
    return [
        local_time(change.at), change.by.rpartition(":")[2], command, change.before, change.after, change.reason or "-", change.outcome,
    ]  # fmt: skip

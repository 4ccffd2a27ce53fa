"""`ws prune` and `ws disconnect`: housekeeping of the table and of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.choices import DISCONNECT, PRUNE, EngineName
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.progress import ProgressView
from whatschat_ops.cli.terminal.tables import Table, figures
from whatschat_ops.cli.ws.by_workers import (
    DetachOption,
    EngineOption,
    ResumeOption,
    Workers,
    WorkersOption,
    require_distributed,
)
from whatschat_ops.errors import Hint, OpsError, PartlyDone, UsageError
from whatschat_ops.plurals import counted
from whatschat_ops.quotas import API_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatschat_ops.connections.disconnecting import DisconnectReport
    from whatschat_ops.connections.pruning import PruneReport
    from whatschat_ops.connections.sockets import Sockets
    from whatschat_ops.connections.store import ConnectionStore
    from whatschat_ops.connections.tally import RowFailure

DEFAULT_RATE_PER_S: Final = 1_000.0
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        min=1,
        max=100 * API_REQUESTS.rate_per_s,
        help=f"Requests to API Gateway per second; the account's limit is {API_REQUESTS.rate_per_s:,.0f} for all APIs unless it was raised [default: 1000]",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done")]
TrustEndpointOption = Annotated[
    bool,
    typer.Option(
        "--trust-endpoint",
        help="Trust websocket.endpoint that a connection is gone, although it may belong to another API",
    ),
]


@audited(probe="probe", resumed="resume", shows=("scanned", "pruned", "failed"))
def prune(
    run: Run,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also ask API Gateway about every row, and delete those that are gone"),
    ] = False,
    rate: RateOption = None,
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = None,
    detach: DetachOption = False,
    resume: ResumeOption = None,
    dry_run: DryRunOption = False,
    trust_endpoint: TrustEndpointOption = False,
    yes: YesOption = False,
) -> None:
    """Delete the rows of closed connections.

    Deletes the expired ones, and with --probe all whose connection API Gateway no longer knows. A row that has changed since it was
    read is kept. Exit code 4 if some rows failed, 1 if all did. With --engine distributed, workers probe every row, and --dry-run
    shows the duration and the cost.

    Example:
        whatschat-ops ws prune --probe --dry-run
        whatschat-ops ws prune --probe --engine distributed --rate 10000
    """
    if engine is EngineName.DISTRIBUTED:
        require_distributed(
            probe, "--probe", ("ws", "prune", "--probe", "--engine", EngineName.DISTRIBUTED.value)
        )
    require_own_endpoint(run, trusted=trust_endpoint or dry_run)
    callback_url = run.endpoint().callback_url
    question = (
        f"Delete the rows of {run.names.connections_table} whose connections {callback_url} no longer knows?"
    )
    by_workers = Workers(engine, workers, detach, resume)
    if by_workers.has_run(run, PRUNE, _rate_of(rate, resume), question, dry_run=dry_run, yes=yes):
        return
    if not run.confirm_for_users(lambda: question, yes=yes or dry_run):
        run.out.note("Nothing was changed.")
        return
    report = _prune(run, rate or DEFAULT_RATE_PER_S, probe=probe, dry_run=dry_run)
    run.out.result(report, _render_pruned)
    if report.young:
        young = counted(report.young, "row without a connection is", "rows without a connection are")
        run.out.note(
            f"{young} less than a minute old, and kept: connections may be opening just now. "
            "Run the command again in a minute."
        )
    done = report.scanned - report.failed
    fail_if_any(report.failed, report.scanned, report.failures, "rows could not be checked or deleted", done)


@audited(
    user_id="user", everyone="all_users", resumed="resume", shows=("closed", "gone", "failed", "rows_deleted")
)
def disconnect(
    run: Run,
    user: Annotated[
        list[str] | None, typer.Option("--user", "-u", metavar="USER", help="Close this user's connections")
    ] = None,
    all_users: Annotated[bool, typer.Option("--all", help="Close every connection")] = False,
    rate: RateOption = None,
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = None,
    detach: DetachOption = False,
    resume: ResumeOption = None,
    dry_run: DryRunOption = False,
    trust_endpoint: TrustEndpointOption = False,
    yes: YesOption = False,
) -> None:
    """Close the connections of users.

    Also deletes their rows. Clients receive close code 1000. Exit code 4 if some connections could not be closed, 1 if none
    could. With --engine distributed, workers close all of them, and --dry-run shows the duration and the cost.

    Example:
        whatschat-ops ws disconnect --user alice --user bob
        whatschat-ops ws disconnect --all --engine distributed --rate 5000
    """
    from whatschat_ops.connections import disconnecting

    if resume is None and bool(user) == all_users:
        raise UsageError(
            "Give either --user or --all.",
            hint=Hint(("ws", "disconnect", "--user", "alice")),
        )
    if engine is EngineName.DISTRIBUTED:
        example = ("ws", "disconnect", "--all", "--engine", EngineName.DISTRIBUTED.value)
        require_distributed(all_users or resume is not None, "--all", example)
    require_own_endpoint(run, trusted=trust_endpoint or dry_run)
    where = f"{run.settings.stack} in the environment {run.settings.environment}"
    by_workers = Workers(engine, workers, detach, resume)
    question = f"Close all connections of {where}?"
    if by_workers.has_run(run, DISCONNECT, _rate_of(rate, resume), question, dry_run=dry_run, yes=yes):
        return
    store, sockets = run.connections(), run.sockets(rate or DEFAULT_RATE_PER_S)
    users = tuple(user or ())
    planned = None
    if dry_run or not yes:
        planned = disconnecting.would_disconnect(store.of_users(users, include_expired=True))
    if planned is not None and (dry_run or not planned.connections):
        run.out.result(planned, _render_disconnected)
        return
    if planned is not None and not run.out.confirm(_question(run, planned, all_users), yes=yes):
        run.out.note("Nothing was changed.")
        return
    report = _disconnect(run, store, sockets, users)
    run.out.result(report, _render_disconnected)
    done = report.closed + report.gone
    fail_if_any(report.failed, report.connections, report.failures, "connections could not be closed", done)


def require_own_endpoint(run: Run, *, trusted: bool) -> None:
    """Raise UsageError if the endpoint may belong to another API: it would not know our connections, and their rows would be deleted."""
    from whatschat_ops.stack.outputs import endpoint_is_own

    if trusted or endpoint_is_own(run.settings, run.aws):
        return
    raise UsageError(
        f"websocket.endpoint is {run.settings.websocket.endpoint}, which may not be the API of "
        f"{run.names.stack}. For another API all connections of this stack are gone, and the rows of live ones would be deleted.",
        hint="Unset it (and AWS_API_GATEWAY_WEBSOCKET_ENDPOINT), or if it is correct add --trust-endpoint.",
    )


def fail_if_any(failed: int, total: int, failures: Sequence[RowFailure], what: str, done: int) -> None:
    """Raise PartlyDone when some failed and some were `done`, OpsError when nothing was."""
    if not failed:
        return
    why = f"{failed:,} of {total:,} {what}: {failures[0].reason}"
    hint = "Run the same command again; --json lists the first failures."
    raise PartlyDone(why, hint=hint) if done else OpsError(why, hint=hint)


def _rate_of(rate: float | None, resume: str | None) -> float | None:
    """The rate of a new run; a resumed one keeps its own unless one is given."""
    return rate if rate is not None or resume is not None else DEFAULT_RATE_PER_S


def _question(run: Run, planned: DisconnectReport, all_users: bool) -> str:
    count = counted(planned.connections, "connection")
    where = f"{run.settings.stack} in the environment {run.settings.environment}"
    return f"Close all {count} of {where}?" if all_users else f"Close {count} of {where}?"


def _prune(run: Run, rate_per_s: float, *, probe: bool, dry_run: bool) -> PruneReport:
    from whatschat_ops.connections.pruning import prune as feature

    def words(it: PruneReport) -> str:
        return f"{counted(it.scanned, 'row')} read, {it.probed:,} probed, {it.gone:,} gone, {it.pruned:,} deleted"

    store, sockets = run.connections(), run.sockets(rate_per_s)
    with ProgressView(run.out).shown("Pruning") as view:
        return feature(
            store, sockets, probe=probe, dry_run=dry_run, progress=lambda it: view.update(lambda: words(it))
        )


def _disconnect(
    run: Run, store: ConnectionStore, sockets: Sockets, users: tuple[str, ...]
) -> DisconnectReport:
    from whatschat_ops.connections.disconnecting import disconnect as feature

    def words(it: DisconnectReport) -> str:
        return f"{it.connections:,} checked, {it.closed:,} closed, {it.gone:,} gone, {it.failed:,} failed"

    rows = store.of_users(users, include_expired=True)
    with ProgressView(run.out).shown("Closing") as view:
        return feature(rows, sockets, store.prune, progress=lambda it: view.update(lambda: words(it)))


def _render_pruned(report: PruneReport) -> Table:
    columns = {
        "Scanned": report.scanned,
        "Expired": report.expired,
        "Probed": report.probed,
        "Live": report.live,
        "Gone": report.gone,
        "Would delete" if report.dry_run else "Deleted": report.prunable if report.dry_run else report.pruned,
        "Changed": report.kept,
        "Too new": report.young,
        "Failed": report.failed,
    }
    return _counts(columns)


def _render_disconnected(report: DisconnectReport) -> Table | str:
    if report.dry_run and not report.connections:
        return "These users have no connections."
    if report.dry_run:
        return f"Would close {counted(report.connections, 'connection')}."
    return _counts(
        {
            "Connections": report.connections,
            "Closed": report.closed,
            "Gone": report.gone,
            "Failed": report.failed,
            "Rows deleted": report.rows_deleted,
        }
    )


def _counts(columns: dict[str, int]) -> Table:
    return Table(figures(*columns), [[f"{count:,}" for count in columns.values()]])

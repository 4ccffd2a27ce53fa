"""`ws broadcasts`: the results of past broadcasts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Blocked, Hint, OpsError
from whatschat_ops.plurals import counted

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, or latest", show_default=False)
]


@dataclass(frozen=True, slots=True)
class DeletedRuns:
    """Runs whose journals were deleted."""

    deleted: tuple[str, ...]


def list_runs(run: Run, sort: SortOption = None, limit: LimitOption = None) -> None:
    """List past broadcasts.

    Lists those sent from this machine, newest first.

    Example:
        whatschat-ops ws broadcasts list
        whatschat-ops ws broadcasts list --sort failed:desc --limit 5
    """
    from whatschat_ops.broadcast.journal.past_runs import list_runs as read
    from whatschat_ops.broadcast.journal.summary import RunSummary
    from whatschat_ops.cli.ws.broadcast_tables import render_runs

    found, unreadable = read(run.broadcasts_directory)
    run.out.result(listed(run.out, RunSummary, found, sort, limit), render_runs)
    for error in unreadable:
        run.out.warn(error.message)
    if found:
        run.out.note(f"{counted(len(found), 'broadcast')}.")


def show(
    run: Run,
    run_id: RunArgument,
    failures: Annotated[
        bool, typer.Option("--failures", help="Print every connection that failed, one per line")
    ] = False,
) -> None:
    """Show the result of a broadcast.

    Example: whatschat-ops ws broadcasts show latest --failures
    """
    from whatschat_ops.broadcast.journal.past_runs import read_run
    from whatschat_ops.cli.ws.run_reports import render_details

    directory = run.broadcasts_directory
    chosen = named_run(run, run_id)
    in_bucket = is_in_bucket(run, chosen)
    if failures:
        _stream_failures(run, chosen, in_bucket=in_bucket)
        return
    details = run.broadcasts().details(chosen) if in_bucket else read_run(directory, chosen)
    run.out.result(details, render_details)


@audited(run="run_ids")
def delete(
    run: Run,
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN", help="Ids of the runs", show_default=False)],
    yes: YesOption = False,
) -> None:
    """Delete past broadcasts.

    Deletes the journal, and what S3 has of a distributed broadcast. It cannot be shown or resumed then. One that is being sent is
    not deleted.

    Example: whatschat-ops ws broadcasts delete latest
    """
    from whatschat_ops.broadcast.broadcasting import forget
    from whatschat_ops.broadcast.journal.past_runs import has_run, require_run
    from whatschat_ops.cli.target import has_other_users

    chosen = tuple(dict.fromkeys(named_run(run, run_id) for run_id in run_ids))
    distributed = [run_id for run_id in chosen if _may_be_distributed(run, run_id)]
    for run_id in chosen:
        if run_id not in distributed:
            require_run(run.broadcasts_directory, run_id)
    for run_id in distributed:
        if run.broadcasts().is_going_on(run_id):
            raise Blocked(
                f"The broadcast {run_id} is being sent: nothing was deleted.",
                hint=Hint(("ws", "broadcasts", "stop", run_id)),
            )
    if not run.out.confirm(f"Delete {', '.join(chosen)}?", yes=yes):
        run.out.note("Nothing was deleted.")
        return
    if has_other_users(
        run.settings
    ):  # no request of its own goes to AWS, which the embedded one need not start for
        run.before_change()
    for run_id in distributed:  # first: the journal is what finds them
        run.broadcasts().delete_objects(run_id)
    for run_id in chosen:
        if run_id not in distributed or has_run(run.broadcasts_directory, run_id):
            forget(run.broadcasts_directory, run_id)
    run.out.result(DeletedRuns(chosen), lambda it: f"Deleted {', '.join(it.deleted)}.")


def _may_be_distributed(run: Run, run_id: str) -> bool:
    """Whether S3 may have something of a run: its journal is of a distributed one, damaged, or on another machine."""
    from whatschat_ops.broadcast.journal.past_runs import has_run, read_run
    from whatschat_ops.choices import EngineName

    if not run.settings.broadcast.distributed.enabled:
        return False
    directory = run.broadcasts_directory
    with suppress(OpsError):
        if has_run(directory, run_id):
            return read_run(directory, run_id).summary.engine == EngineName.DISTRIBUTED.value
        return run.broadcasts().has_objects(run_id)
    return True


def named_run(run: Run, name: str) -> str:
    """The id of a run that is given by id, or as the `latest` of the environment. Raises Missing for `latest` when there is none."""
    from whatschat_ops.broadcast.journal.past_runs import list_runs as read
    from whatschat_ops.errors import Missing

    if name != "latest":
        return name
    environment = run.settings.environment
    for known in read(run.broadcasts_directory)[0]:
        if known.environment == environment:
            return known.run_id
    raise Missing(
        f"There are no broadcasts of the environment {environment!r} on this machine.",
        hint=Hint(("ws", "broadcast", "--type", "notice", "Hello")),
    )


def is_in_bucket(run: Run, run_id: str) -> bool:
    """Whether S3 has more about a run than this machine: a distributed one that is not finished here, or not known."""
    from whatschat_ops.broadcast.journal.past_runs import has_run, read_run
    from whatschat_ops.broadcast.journal.summary import RunState
    from whatschat_ops.choices import EngineName

    if not run.settings.broadcast.distributed.enabled:
        return False
    directory = run.broadcasts_directory
    if not has_run(directory, run_id):
        return True
    known = read_run(directory, run_id).summary
    return known.engine == EngineName.DISTRIBUTED and (
        known.state is RunState.INTERRUPTED or known.failed > 0
    )


def _stream_failures(run: Run, run_id: str, *, in_bucket: bool) -> None:
    from whatschat_ops.broadcast.journal.failed import failed_connections
    from whatschat_ops.cli.ws.conversation import printable

    found = (
        run.broadcasts().failures(run_id)
        if in_bucket
        else failed_connections(run.broadcasts_directory, run_id)
    )
    for failed in found:
        run.out.stream(failed, lambda it: printable(f"{it.connection_id}  {it.user_id}  {it.reason}"))

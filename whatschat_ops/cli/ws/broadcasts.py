"""`ws broadcasts`: what became of past broadcasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from whatschat_ops.cli.command import YesOption, command
from whatschat_ops.cli.run import Run

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run; latest: the newest.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class DeletedRuns:
    """Runs whose journals are gone."""

    deleted: tuple[str, ...]


def register(parent: typer.Typer) -> None:
    """Add the group to `ws`."""
    group = typer.Typer(
        no_args_is_help=True, help="Past broadcasts: who got the message, who did not, and why."
    )
    command(group, "list")(list_runs)
    command(group)(show)
    command(group)(delete)
    parent.add_typer(group, name="broadcasts")


def list_runs(run: Run) -> None:
    """List past broadcasts of this machine, the newest first."""
    from whatschat_ops.broadcast.journal.past_runs import list_runs as read
    from whatschat_ops.cli.ws.broadcast_tables import plural, render_runs

    found, unreadable = read(run.broadcasts_directory)
    run.out.result(found, render_runs)
    for error in unreadable:
        run.out.warn(error.message)
    run.out.note(f"{plural(len(found), 'broadcast')}.")


def show(
    run: Run,
    run_id: RunArgument,
    failures: Annotated[
        bool, typer.Option("--failures", help="Print every connection that failed, one in a line.")
    ] = False,
) -> None:
    """Show what became of one broadcast.

    Example: whatschat-ops ws broadcasts show latest --failures
    """
    from whatschat_ops.broadcast.journal.past_runs import read_run
    from whatschat_ops.cli.ws.broadcast_tables import render_details

    directory = run.broadcasts_directory
    chosen = named_run(run, run_id)
    if failures:
        _stream_failures(run, chosen)
        return
    run.out.result(read_run(directory, chosen), render_details)


def delete(
    run: Run,
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="The runs.", show_default=False)],
    yes: YesOption = False,
) -> None:
    """Delete the journals of past broadcasts; they cannot be resumed or looked at any more."""
    from whatschat_ops.broadcast.broadcasting import forget
    from whatschat_ops.broadcast.journal.past_runs import require_run

    chosen = tuple(dict.fromkeys(named_run(run, run_id) for run_id in run_ids))
    for run_id in chosen:
        require_run(run.broadcasts_directory, run_id)
    if not run.out.confirm(f"Delete {', '.join(chosen)}?", yes=yes):
        run.out.note("Nothing was deleted.")
        return
    for run_id in chosen:
        forget(run.broadcasts_directory, run_id)
    run.out.result(DeletedRuns(chosen), lambda it: f"Deleted {', '.join(it.deleted)}.")


def named_run(run: Run, name: str) -> str:
    """The run that is meant. Raises UsageError for `latest` when there is none."""
    from whatschat_ops.broadcast.journal.past_runs import list_runs as read
    from whatschat_ops.errors import Hint, UsageError

    if name != "latest":
        return name
    found = read(run.broadcasts_directory)[0]
    if not found:
        raise UsageError(
            "There has been no broadcast yet.", hint=Hint(("ws", "broadcast", "--type", "notice", "Hello"))
        )
    return found[0].run_id


def _stream_failures(run: Run, run_id: str) -> None:
    from whatschat_ops.broadcast.journal.failed import failed_connections
    from whatschat_ops.cli.ws.conversation import printable

    for failed in failed_connections(run.broadcasts_directory, run_id):
        run.out.stream(failed, lambda it: printable(f"{it.connection_id}  {it.user_id}  {it.reason}"))

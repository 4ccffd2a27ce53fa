"""Past runs: list, read, resume, delete. Reading works while a process works on the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from whatschat_ops.broadcast.audience.selection import Selection
from whatschat_ops.broadcast.journal import file, lock
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.reading import parts_of, record_of, summary_of
from whatschat_ops.broadcast.journal.summary import RunDetails, RunState, RunSummary
from whatschat_ops.broadcast.kinds import BROADCAST, KINDS
from whatschat_ops.broadcast.message import object_or_text
from whatschat_ops.errors import Hint, Missing, OpsError, UsageError

KEEP_FINISHED = 50


def runs_directory(state_directory: Path) -> Path:
    """Where the journals are."""
    return state_directory / "broadcasts"


def list_runs(directory: Path) -> tuple[list[RunSummary], list[OpsError]]:
    """All runs, the newest first, and why the others cannot be read."""
    runs: list[RunSummary] = []
    errors: list[OpsError] = []
    for path in sorted(directory.glob(f"*{file.SUFFIX}"), reverse=True):
        try:
            with closing(file.open_to_read(path)) as database, file.explaining(path):
                runs.append(summary_of(database, held=lock.is_held(path)))
        except OpsError as error:
            errors.append(error)
    return runs, errors


def read_run(directory: Path, run_id: str) -> RunDetails:
    """One run. Raises Missing when there is none, OpsError when its journal is damaged."""
    path = file.journal_path(directory, run_id)
    with closing(file.open_to_read(path)) as database, file.explaining(path):
        record = record_of(database)
        return RunDetails(
            summary=summary_of(database, held=lock.is_held(path)),
            selection=Selection.from_json(record.selection),
            policy=json.loads(record.policy),
            callback_url=record.callback_url,
            caller_arn=record.caller_arn,
            message=object_or_text(record.message.decode("utf-8", errors="replace")),
            parts=parts_of(database),
        )


def has_run(directory: Path, run_id: str) -> bool:
    """Whether this machine has the journal of a run."""
    return file.journal_path(directory, run_id).exists()


def resume(
    directory: Path,
    run_id: str,
    *,
    environment: str,
    stack: str,
    table: str,
    callback_url: str,
    retry_failed: bool = False,
    kind: str = BROADCAST,
) -> Journal | None:
    """Resume a run, a finished one for the rows that could not be deleted. None: there is nothing to do.

    Raises Missing when there is no such run, UsageError when it belongs to another environment, stack, table or endpoint, or is of another kind, OpsError
    when another process works on it.
    """
    path = file.journal_path(directory, run_id)
    with closing(file.open_to_read(path)) as database, file.explaining(path):
        run = summary_of(database, held=lock.is_held(path))
        begun_at = record_of(database).callback_url
    if run.kind != kind:
        resume = (*KINDS[run.kind].command, "--resume", run_id)
        raise UsageError(f"The run {run_id} is no {kind}.", hint=Hint(resume, f"To resume this {run.kind}"))
    if (run.environment, run.stack, run.table) != (environment, stack, table):
        raise UsageError(
            f"The broadcast {run_id} belongs to {run.stack} in {run.environment} (table {run.table}), "
            f"not to {stack} in {environment} (table {table}).",
            hint=Hint(("-e", run.environment, *KINDS[kind].command, "--resume", run_id)),
        )
    if begun_at != callback_url:
        raise UsageError(
            f"The broadcast {run_id} was started through {begun_at}, but the endpoint is {callback_url} now, "
            "which knows none of its connections.",
            hint=Hint(KINDS[kind].command, "Start a new one"),
        )
    left = run.not_pruned or (retry_failed and run.failed)
    if run.state is RunState.FINISHED and not left:
        return None
    return Journal.open(directory, run_id, retry_failed=retry_failed)


def require_run(directory: Path, run_id: str) -> Path:
    """The file of a run. Raises Missing when there is none."""
    path = file.journal_path(directory, run_id)
    if not path.exists():
        raise Missing(f"There is no broadcast {run_id}.", hint=file.LIST)
    return path


def delete_run(directory: Path, run_id: str) -> None:
    """Delete a run's journal, damaged or not. Raises Missing when there is none, OpsError while it is worked on."""
    path = require_run(directory, run_id)
    held = lock.hold(path)
    if held is None:
        raise OpsError(f"The broadcast {run_id} is being worked on.", hint="Wait until it has ended.")
    with closing(held), file.explaining(path):
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.with_suffix(lock.SUFFIX).unlink(missing_ok=True)


def delete_old_runs(directory: Path, keep: int = KEEP_FINISHED) -> Sequence[str]:
    """Delete finished runs except the newest `keep`; returns which. What is interrupted or cannot be read stays."""
    finished = [run.run_id for run in list_runs(directory)[0] if run.state is RunState.FINISHED]
    for run_id in finished[keep:]:
        delete_run(directory, run_id)
    return finished[keep:]

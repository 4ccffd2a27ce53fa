"""What is said at the end of a broadcast beside its table, and the exit code. Decides nothing about the run itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatschat_ops.choices import EngineName
from whatschat_ops.errors import ExitCode, Hint, Interrupted, OpsError, PartlyDone

if TYPE_CHECKING:
    from whatschat_ops.broadcast.journal.summary import RunSummary, Tolerance
    from whatschat_ops.cli.run import Run


def resume_hint(run_id: str, text: str = "") -> Hint:
    """The command that resumes a run."""
    return Hint(("ws", "broadcast", "--resume", run_id), text)


def conclude(run: Run, summary: RunSummary, tolerance: Tolerance, *, interrupted: bool) -> None:
    """The rest of what is to say, and the exit code. Raises unless all is well."""
    from whatschat_ops.broadcast.journal.summary import RunState, exit_code

    again = resume_hint(summary.run_id)
    if interrupted and summary.state is not RunState.FINISHED:
        raise Interrupted(_left_words(summary), hint=again)
    if summary.state is not RunState.FINISHED:  # shards failed, no more than are tolerated
        left = f"{summary.pending:,} of {summary.connections:,} connections have no outcome"
        raise PartlyDone(left, hint=again) if summary.delivered else OpsError(left, hint=again)
    if summary.in_doubt:
        run.out.note(
            f"Up to {summary.in_doubt:,} second copies may have arrived: after an interruption, or an attempt without an answer."
        )
    if summary.not_pruned_because and summary.not_pruned:
        why = summary.not_pruned_because.rstrip(".")
        left = f"{summary.not_pruned:,} rows of gone connections were not deleted: {why}. To retry"
        run.out.warn(resume_hint(summary.run_id, left))
    if not summary.connections:
        run.out.warn("Nobody is connected.")
    code = exit_code(summary, tolerance)
    if code is not ExitCode.DONE:
        raise _failure(summary, code, _next_step(summary))


def _left_words(summary: RunSummary) -> str:
    some = f"{summary.pending:,} of {summary.connections:,} connections"
    if summary.engine == EngineName.DISTRIBUTED and summary.list_complete:
        return f"Interrupted: the outcome of {some} is not known yet; an execution that runs in AWS goes on."
    found = "" if summary.list_complete else " that were found so far"
    return f"Interrupted: {some}{found} are still to be sent to."


def _next_step(summary: RunSummary) -> Hint:
    """Another attempt, if one may end otherwise; else the list of those that failed."""
    if any(may_end_otherwise(failure.reason) for failure in summary.failures):
        return Hint((*resume_hint(summary.run_id).argv, "--retry-failed"))
    return Hint(("ws", "broadcasts", "show", summary.run_id, "--failures"))


def may_end_otherwise(reason: str) -> bool:
    """Whether another attempt can help against this reason of a failure: not when AWS refuses the request as it is.

    >>> may_end_otherwise("HTTP 400 BadRequestException: Invalid connectionId"), may_end_otherwise("HTTP 429")
    (False, True)
    """
    from whatschat_ops.sender.verdict import is_temporary

    status = re.match(r"HTTP (\d{3})\b", reason)
    return status is None or is_temporary(int(status[1])) or status[1] == "403"  # rights can be given


def _failure(summary: RunSummary, code: ExitCode, hint: Hint) -> OpsError:
    why = f"{summary.failed:,} of {summary.connections:,} connections did not get the message"
    if summary.failures:
        why += f": {summary.failures[0].reason}"
        why += " (and other reasons)" if len(summary.failures) > 1 else ""
    return PartlyDone(why, hint=hint) if code is ExitCode.PARTLY_DONE else OpsError(why, hint=hint)

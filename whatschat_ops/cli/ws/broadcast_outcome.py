"""The notes, the error and the exit code at the end of a broadcast. Decides nothing about the run itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from whatschat_ops.choices import BROADCAST, EngineName
from whatschat_ops.errors import ExitCode, Hint, Interrupted, OpsError, PartlyDone
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.broadcast.journal.summary import RunSummary, Tolerance
    from whatschat_ops.cli.run import Run


def resume_hint(run_id: str, text: str = "", *, kind: str = BROADCAST) -> Hint:
    """The command that resumes a run."""
    return Hint(("ws", kind, "--resume", run_id), text)


def conclude(run: Run, summary: RunSummary, tolerance: Tolerance, *, interrupted: bool) -> None:
    """Print the notes about a run that has ended. Raises the error that its state stands for, if any."""
    from whatschat_ops.broadcast.journal.summary import RunState, exit_code
    from whatschat_ops.broadcast.kinds import KINDS

    again = resume_hint(summary.run_id, kind=summary.kind)
    if interrupted and summary.state is not RunState.FINISHED:
        raise Interrupted(_left_words(summary), hint=again)
    if summary.state is not RunState.FINISHED:  # shards failed, no more than are tolerated
        left = f"{summary.pending:,} of {summary.connections:,} connections have no outcome"
        raise PartlyDone(left, hint=again) if summary.delivered else OpsError(left, hint=again)
    kind = KINDS[summary.kind]
    if summary.in_doubt:
        run.out.note(
            f"Up to {summary.in_doubt:,} {kind.doubt}: after an interruption, or an attempt without a response."
        )
    if summary.not_pruned_because and summary.not_pruned:
        why = summary.not_pruned_because.rstrip(".")
        left = f"{counted(summary.not_pruned, 'row of a gone connection was', 'rows of gone connections were')} not deleted: {why}. To retry"
        run.out.warn(resume_hint(summary.run_id, left, kind=summary.kind))
    if not summary.connections:
        run.out.warn("No connections.")
    code = exit_code(summary, tolerance)
    if code is not ExitCode.DONE:
        raise _failure(summary, code, kind.failed, _next_step(summary))


def _left_words(summary: RunSummary) -> str:
    some = f"{summary.pending:,} of {summary.connections:,} connections"
    if summary.engine == EngineName.DISTRIBUTED and summary.list_complete:
        return f"Interrupted: the outcome of {some} is not known yet; the execution continues in AWS."
    found = "" if summary.list_complete else " that were found so far"
    return f"Interrupted: {some}{found} are left."


def _next_step(summary: RunSummary) -> Hint:
    """Retry the failed ones, if that can help; else list them."""
    may_retry = summary.kind == BROADCAST
    if may_retry and any(can_retry_help(failure.reason) for failure in summary.failures):
        return Hint((*resume_hint(summary.run_id).argv, "--retry-failed"))
    return Hint(("ws", "broadcasts", "show", summary.run_id, "--failures"))


def can_retry_help(reason: str) -> bool:
    """Whether a retry can help against this reason of a failure: not if AWS rejects the request itself.

    >>> can_retry_help("HTTP 400 BadRequestException: Invalid connectionId"), can_retry_help("HTTP 429")
    (False, True)
    """
    from whatschat_ops.sender.verdict import is_temporary

    status = re.match(r"HTTP (\d{3})\b", reason)
    return status is None or is_temporary(int(status[1])) or status[1] == "403"  # a policy can be added


def _failure(summary: RunSummary, code: ExitCode, failed: str, hint: Hint) -> OpsError:
    why = f"{summary.failed:,} of {summary.connections:,} connections {failed}"
    if summary.failures:
        why += f": {summary.failures[0].reason}"
        why += " (and other reasons)" if len(summary.failures) > 1 else ""
    return PartlyDone(why, hint=hint) if code is ExitCode.PARTLY_DONE else OpsError(why, hint=hint)

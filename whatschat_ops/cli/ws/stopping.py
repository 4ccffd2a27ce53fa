"""`ws broadcasts stop`, and the question after Ctrl-C: a distributed broadcast goes on without the command that began it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatschat_ops.choices import BROADCAST, EngineName
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.broadcast_outcome import resume_hint
from whatschat_ops.cli.ws.broadcasts import RunArgument, named_run
from whatschat_ops.errors import Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.broadcast.distributed.steering import Stopped


@audited(run="run_id", shows=("delivered", "gone", "failed"))
def stop(run: Run, run_id: RunArgument) -> None:
    """Stop a distributed broadcast.

    Also a prune or disconnect by workers. They begin nothing more, whichever machine it was started from. What is in flight ends within
    seconds; --resume does the rest.

    Example: whatschat-ops ws broadcasts stop latest
    """
    chosen = named_run(run, run_id)
    _require_distributed(run, chosen)
    found = stopped(run, chosen)
    run.out.result(found, stopped_words)
    if found.finished:
        return
    run.out.note(
        resume_hint(
            chosen, "To send the rest" if found.kind == BROADCAST else "To do the rest", kind=found.kind
        )
    )


def stopped(run: Run, run_id: str) -> Stopped:
    """Stop a run, and wait until nothing of it is sent any more."""
    from whatschat_ops.broadcast.distributed.steering import steering

    run.acts_on(run=run_id)
    with run.out.status("Waiting for what is in flight"):
        found = steering(run.settings, run.aws, run_id).stop()
    if not found.ended:
        run.out.warn("Some workers had not ended when the waiting for them did: the counts may grow.")
    return found


def stopped_words(it: Stopped) -> str:
    """`Stopped 2026…: 1,200 got the message, 30 were gone, 2 failed.`"""
    how = f"{it.run_id} had finished" if it.finished else f"Stopped {it.run_id}"
    if it.kind != BROADCAST:
        from whatschat_ops.broadcast.kinds import KINDS

        kind = KINDS[it.kind]
        doubt = f" Up to {it.in_doubt:,} {kind.doubt}." if it.in_doubt else ""
        return f"{how}: {it.delivered:,} {kind.delivered}, {it.gone:,} gone, {it.failed:,} failed.{doubt}"
    doubt = f" Up to {it.in_doubt:,} of them may get it twice." if it.in_doubt else ""
    return f"{how}: {it.delivered:,} got the message, {it.gone:,} were gone, {it.failed:,} failed.{doubt}"


def wants_to_stop(run: Run, run_id: str, kind: str = BROADCAST) -> bool:
    """Ask, on a terminal, whether a run that is not followed any more is to be stopped. Elsewhere it goes on."""
    if not run.out.can_ask:
        return False
    return run.out.confirm(f"The {kind} {run_id} goes on in AWS.\nStop it?", yes=False)


def _require_distributed(run: Run, run_id: str) -> None:
    from whatschat_ops.broadcast.journal.past_runs import has_run, read_run, require_run

    directory = run.broadcasts_directory
    if not run.settings.broadcast.distributed.enabled:  # there is no bucket that may know of it
        require_run(directory, run_id)
    if (
        has_run(directory, run_id)
        and read_run(directory, run_id).summary.engine != EngineName.DISTRIBUTED.value
    ):
        raise UsageError(
            f"The broadcast {run_id} is not distributed: it is sent by the command that was started for it.",
            hint=Hint(text="Press Ctrl-C there."),
        )

"""A run at work on the terminal, whatever its kind: `ws broadcast`, and `ws prune` and `ws disconnect` with `--engine distributed`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from whatschat_ops.choices import BROADCAST, EngineName
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.broadcast_outcome import conclude, resume_hint
from whatschat_ops.cli.ws.broadcast_progress import BroadcastProgress
from whatschat_ops.errors import OpsError

if TYPE_CHECKING:
    from whatschat_ops.broadcast.broadcasting import Broadcasting, SendRate
    from whatschat_ops.broadcast.journal.journal import Journal
    from whatschat_ops.broadcast.journal.summary import Tolerance
    from whatschat_ops.sender.model import SendPolicy


def resume_run(
    run: Run,
    name: str,
    send_rate: SendRate,
    tolerance: Tolerance,
    workers: int | None,
    *,
    retry_failed: bool = False,
    kind: str = BROADCAST,
) -> None:
    """Resume a run by its id, or the `latest` of its kind. Raises as `Broadcasting.resume`."""
    from whatschat_ops.broadcast.broadcasting import latest_unfinished, resumed_policy
    from whatschat_ops.broadcast.journal.past_runs import read_run
    from whatschat_ops.cli.ws.run_reports import result_of

    directory = run.broadcasts_directory
    run_id = name
    if name == "latest":
        run_id = latest_unfinished(directory, run.settings.environment, retry_failed=retry_failed, kind=kind)
    wants_change = not retry_failed and (workers or send_rate.rate_per_s) is not None
    if wants_change and _is_followed(run, run_id, kind):
        _change_speed(run, run_id, send_rate, workers)
        run.out.note(f"Another process follows the {kind} {run_id}: only its speed was changed.")
        run.out.result(*result_of(read_run(directory, run_id).summary))
        return
    work = run.broadcasts().with_workers(workers)
    if workers is not None:
        _change_workers(run, run_id, workers)
    journal = work.resume(run_id, retry_failed=retry_failed, kind=kind)
    if journal is None:
        run.out.note(f"The {kind} {run_id} is finished: there is nothing to do.")
        summary = read_run(directory, run_id).summary
        run.out.result(*result_of(summary))
        conclude(run, summary, tolerance, interrupted=False)
        return
    work_on(run, work, journal, resumed_policy(journal, send_rate), tolerance)


def _is_followed(run: Run, run_id: str, kind: str) -> bool:
    """Whether another process of this machine follows a distributed run of this stack."""
    from whatschat_ops.broadcast.journal.past_runs import has_run, read_run
    from whatschat_ops.broadcast.journal.summary import RunState

    if not has_run(run.broadcasts_directory, run_id):
        return False
    summary = read_run(run.broadcasts_directory, run_id).summary
    is_ours = (summary.stack, summary.kind) == (run.names.stack, kind)
    return is_ours and summary.state is RunState.RUNNING and summary.engine == EngineName.DISTRIBUTED


def _change_speed(run: Run, run_id: str, send_rate: SendRate, workers: int | None) -> None:
    from whatschat_ops.broadcast.distributed.steering import steering
    from whatschat_ops.broadcast.limits import send_limit

    if send_rate.rate_per_s is not None:
        limit = send_limit(run.settings.aws.region, send_rate.rate_per_s, None)
        steering(run.settings, run.aws, run_id).set_rate(limit.rate_per_s, limit.burst)
    if workers is not None:
        _change_workers(run, run_id, workers)


def _change_workers(run: Run, run_id: str, workers: int) -> None:
    """Of a run that may be in progress. One that has not begun has no workers yet."""
    from whatschat_ops.broadcast.distributed.steering import steering
    from whatschat_ops.errors import Missing

    with suppress(Missing):
        if not steering(run.settings, run.aws, run_id).set_workers(workers):
            run.out.note("Workers that are at work finish their shards first, each at its share of before.")


def work_on(
    run: Run,
    work: Broadcasting,
    journal: Journal,
    policy: SendPolicy,
    tolerance: Tolerance,
    *,
    detach: bool = False,
) -> None:
    """Work on a run until it has ended, with its progress on the terminal, and print what came of it."""
    from whatschat_ops.broadcast.audience.selection import Selection
    from whatschat_ops.broadcast.broadcasting import forget_old
    from whatschat_ops.broadcast.journal.summary import RunState
    from whatschat_ops.cli.ws.run_reports import result_of

    record = journal.record
    words = Selection.from_json(record.selection)
    what = f"{len(record.message):,} bytes to" if record.kind == BROADCAST else f"{record.kind} of"
    run.out.note(f"Run {record.run_id}: {what} {words}.")
    distributed = record.engine == EngineName.DISTRIBUTED
    again = resume_hint(record.run_id, kind=record.kind)
    progress = BroadcastProgress(run.out, run.out.suggestion(again), goes_on=distributed, kind=record.kind)
    collect_rarely()
    run.before_change(run=record.run_id, everyone=words.whole_table)
    try:
        with progress.shown() as stop:
            summary = work.work_on(
                journal,
                policy,
                say=progress.say,
                progress=progress.on_progress,
                should_stop=lambda: detach or stop.is_set(),
            )
    except OpsError:
        run.out.note(resume_hint(record.run_id, "The run is kept. To resume it", kind=record.kind))
        raise
    run.out.result(*result_of(summary))
    forget_old(run.broadcasts_directory)
    if detach:
        run.out.note(resume_hint(record.run_id, "It goes on in AWS. To follow it", kind=record.kind))
        return
    if distributed and stop.is_set() and summary.state is not RunState.FINISHED:
        _stop_if_wanted(run, record.run_id, record.kind)
    conclude(run, summary, tolerance, interrupted=stop.is_set())


def _stop_if_wanted(run: Run, run_id: str, kind: str) -> None:
    """After Ctrl-C. Raises Interrupted when the run was stopped."""
    from whatschat_ops.cli.ws.stopping import stopped, stopped_words, wants_to_stop
    from whatschat_ops.errors import Interrupted

    if wants_to_stop(run, run_id, kind):
        raise Interrupted(stopped_words(stopped(run, run_id)), hint=resume_hint(run_id, kind=kind))


def collect_rarely() -> None:
    """Rows and results are many and hold no cycles: with Python's own thresholds a third of the time of reading them
    would be garbage collection."""
    import gc

    gc.freeze()
    gc.set_threshold(1_000_000, 20, 50)

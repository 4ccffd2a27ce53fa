"""`ws broadcast`: one message to many connections."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.choices import EngineName
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.broadcast_options import (
    ConcurrencyOption,
    ConnectionsOption,
    DetachOption,
    DryRunOption,
    EngineOption,
    ExcludeOption,
    NoIdOption,
    RateOption,
    ResumeOption,
    RetryOption,
    SampleOption,
    TextOption,
    TolerateOption,
    TypeOption,
    UsersFileOption,
    UsersOption,
    WorkersOption,
)
from whatschat_ops.cli.ws.broadcast_outcome import conclude, resume_hint
from whatschat_ops.cli.ws.broadcast_progress import BroadcastProgress
from whatschat_ops.cli.ws.options import FileOption, MessageArgument, read_message
from whatschat_ops.errors import Hint, OpsError, UsageError

if TYPE_CHECKING:
    from whatschat_ops.broadcast.broadcasting import Broadcasting, SendRate
    from whatschat_ops.broadcast.journal.journal import Journal
    from whatschat_ops.broadcast.journal.summary import Tolerance
    from whatschat_ops.broadcast.order import Order
    from whatschat_ops.sender.model import SendPolicy


@audited(
    user_id="user",
    users_file="users_file",
    connection_id="connection",
    resumed="resume",
    shows=("delivered", "gone", "failed"),
)
def broadcast(
    run: Run,
    message: MessageArgument = None,
    file: FileOption = None,
    kind: TypeOption = None,
    text: TextOption = False,
    no_id: NoIdOption = False,
    user: UsersOption = None,
    users_file: UsersFileOption = None,
    connection: ConnectionsOption = None,
    exclude_user: ExcludeOption = None,
    sample: SampleOption = None,
    rate: RateOption = None,
    concurrency: ConcurrencyOption = None,
    engine: EngineOption = EngineName.LOCAL,
    workers: WorkersOption = None,
    detach: DetachOption = False,
    tolerate_failures: TolerateOption = "0",
    resume: ResumeOption = None,
    retry_failed: RetryOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Send a message to many connections.

    Sends to all connections, or to those that the options select. Each connection ends as delivered, gone (its row is deleted) or
    failed, and a journal records it: resume a run that was interrupted, even killed, with --resume.

    Exit code 0 if nothing failed (a connection that is gone is no failure), 4 if some connections failed, 1 if some failed
    and none got the message.

    Example:
        whatschat-ops ws broadcast --type notice "Back in 5 minutes" --dry-run
        whatschat-ops ws broadcast --type notice "Hello" --user alice --user bob --yes
        whatschat-ops ws broadcast --resume latest --retry-failed
        whatschat-ops ws broadcast --engine distributed --detach --type notice "Hello"
    """
    from whatschat_ops.broadcast.broadcasting import SendRate, send_policy
    from whatschat_ops.broadcast.journal.summary import Tolerance
    from whatschat_ops.broadcast.order import Draft, prepared

    tolerance, send_rate = Tolerance.parse(tolerate_failures), SendRate(rate, concurrency)
    if resume is not None:
        message_options = {"a message": message, "--file": file, "--type": kind, "--dry-run": dry_run}
        users = {"--user": user, "--users-file": users_file, "--exclude-user": exclude_user}
        others: dict[str, object] = {"--connection": connection, "--sample": sample, "--detach": detach}
        _require_none(message_options | users | others)
        _resume(run, resume, send_rate, tolerance, workers, retry_failed=retry_failed)
        return
    if engine is EngineName.LOCAL and (detach or workers is not None):
        raise UsageError(
            f"{'--detach' if detach else '--workers'} needs --engine distributed: only Lambda functions send without this command."
        )
    if retry_failed:
        raise UsageError("--retry-failed needs --resume.", hint=Hint(("ws", "broadcasts", "list")))
    draft = Draft(
        given=_message(message, file, users_file),
        kind=kind,
        text=text,
        with_id=not no_id,
        users=user or (),
        users_file=users_file,
        connections=connection or (),
        exclude_users=exclude_user or (),
        sample=sample,
    )
    with prepared(draft, run.broadcasts_directory) as order:
        for warning in order.message.warnings:
            run.out.warn(warning)
        policy = send_policy(run.settings, run.aws.region, send_rate)
        if dry_run:
            _estimate(run, order, policy, engine)
        elif _confirmed(run, order, yes=yes):
            work = run.broadcasts().with_workers(workers)
            journal = work.begin(order, policy, engine=engine)
            _work_on(run, work, journal, policy, tolerance, detach=detach)


def _require_none(options: Mapping[str, object]) -> None:
    """Of the options that describe a new broadcast. Raises UsageError."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(
            f"--resume continues a broadcast as it was started: it cannot be combined with {given[0]}.",
            hint=resume_hint("latest"),
        )


def _message(message: str | None, file: Path | None, users_file: Path | None) -> str:
    if message == "-" and users_file == Path("-"):
        raise UsageError(
            "The message and the users cannot both come from standard input.", hint="Use --file."
        )
    return read_message(message, file, Hint(("ws", "broadcast", "--type", "notice", "Hello")))


def _estimate(run: Run, order: Order, policy: SendPolicy, engine: EngineName) -> None:
    from whatschat_ops.cli.ws.broadcast_tables import render_estimate

    _collect_rarely()
    with run.out.status("Reading the table"):
        found = run.broadcasts().estimate(order, policy, engine, run.out.warn)
    run.out.result(found, render_estimate)


def _confirmed(run: Run, order: Order, *, yes: bool) -> bool:
    """Ask before a message goes to all users of an account."""

    def question() -> str:
        return (
            f"Send {order.message.size_bytes:,} bytes to {order.selection} of {run.names.stack} "
            f"(about {run.broadcasts().about_how_many():,} rows)?"
        )

    if run.confirm_for_users(question, yes=yes or not order.selection.whole_table):
        return True
    run.out.note("Nothing was sent.")
    return False


def _resume(
    run: Run, name: str, send_rate: SendRate, tolerance: Tolerance, workers: int | None, *, retry_failed: bool
) -> None:
    from whatschat_ops.broadcast.broadcasting import latest_unfinished, resumed_policy
    from whatschat_ops.broadcast.journal.past_runs import read_run
    from whatschat_ops.cli.ws.broadcast_tables import render_summary

    directory = run.broadcasts_directory
    run_id = name
    if name == "latest":
        run_id = latest_unfinished(directory, run.settings.environment, retry_failed=retry_failed)
    work = run.broadcasts().with_workers(workers)
    if workers is not None:
        _change_workers(run, run_id, workers)
    journal = work.resume(run_id, retry_failed=retry_failed)
    if journal is None:
        run.out.note(f"The broadcast {run_id} is finished: there is nothing to do.")
        summary = read_run(directory, run_id).summary
        run.out.result(summary, render_summary)
        conclude(run, summary, tolerance, interrupted=False)
        return
    _work_on(run, work, journal, resumed_policy(journal, send_rate), tolerance)


def _change_workers(run: Run, run_id: str, workers: int) -> None:
    """Of a run that may be in progress. One that has not begun has no workers yet."""
    from whatschat_ops.broadcast.distributed.steering import steering
    from whatschat_ops.errors import Missing

    with suppress(Missing):
        if not steering(run.settings, run.aws, run_id).set_workers(workers):
            run.out.note("Workers that are at work finish their shards first, each at its share of before.")


def _work_on(
    run: Run,
    work: Broadcasting,
    journal: Journal,
    policy: SendPolicy,
    tolerance: Tolerance,
    *,
    detach: bool = False,
) -> None:
    from whatschat_ops.broadcast.audience.selection import Selection
    from whatschat_ops.broadcast.broadcasting import forget_old
    from whatschat_ops.broadcast.journal.summary import RunState
    from whatschat_ops.cli.ws.broadcast_tables import render_summary

    record = journal.record
    words = Selection.from_json(record.selection)
    run.out.note(f"Run {record.run_id}: {len(record.message):,} bytes to {words}.")
    distributed = record.engine == EngineName.DISTRIBUTED
    progress = BroadcastProgress(run.out, run.out.suggestion(resume_hint(record.run_id)), goes_on=distributed)
    _collect_rarely()
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
        run.out.note(resume_hint(record.run_id, "The run is kept. To resume it"))
        raise
    run.out.result(summary, render_summary)
    forget_old(run.broadcasts_directory)
    if detach:
        run.out.note(resume_hint(record.run_id, "It goes on in AWS. To follow it"))
        return
    if distributed and stop.is_set() and summary.state is not RunState.FINISHED:
        _stop_if_wanted(run, record.run_id)
    conclude(run, summary, tolerance, interrupted=stop.is_set())


def _stop_if_wanted(run: Run, run_id: str) -> None:
    """After Ctrl-C. Raises Interrupted when the run was stopped."""
    from whatschat_ops.cli.ws.stopping import stopped, stopped_words, wants_to_stop
    from whatschat_ops.errors import Interrupted

    if wants_to_stop(run, run_id):
        raise Interrupted(stopped_words(stopped(run, run_id)), hint=resume_hint(run_id))


def _collect_rarely() -> None:
    """Rows and results are many and hold no cycles: with Python's own thresholds a third of the time of reading them
    would be garbage collection."""
    import gc

    gc.freeze()
    gc.set_threshold(1_000_000, 20, 50)

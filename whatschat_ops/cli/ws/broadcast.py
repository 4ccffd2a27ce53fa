"""`ws broadcast`: one message to many connections."""

from __future__ import annotations

from collections.abc import Mapping
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
from whatschat_ops.cli.ws.broadcast_outcome import resume_hint
from whatschat_ops.cli.ws.options import FileOption, MessageArgument, read_message
from whatschat_ops.cli.ws.running import collect_rarely, resume_run, work_on
from whatschat_ops.errors import Hint, UsageError

if TYPE_CHECKING:
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
        resume_run(run, resume, send_rate, tolerance, workers, retry_failed=retry_failed)
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
            work_on(run, work, journal, policy, tolerance, detach=detach)


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

    collect_rarely()
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

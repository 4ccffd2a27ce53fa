"""`ws broadcast`: one message to many connections."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.command import YesOption
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.ws.broadcast_options import (
    ConcurrencyOption,
    ConnectionsOption,
    DryRunOption,
    EngineName,
    EngineOption,
    ExcludeOption,
    Many,
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
)
from whatschat_ops.cli.ws.broadcast_outcome import conclude, resume_hint
from whatschat_ops.cli.ws.broadcast_progress import BroadcastProgress
from whatschat_ops.cli.ws.options import FileOption, MessageArgument, read_message
from whatschat_ops.errors import Hint, OpsError, UsageError

if TYPE_CHECKING:
    from whatschat_ops.broadcast.audience.selection import Selection
    from whatschat_ops.broadcast.broadcasting import Broadcasting, SendRate
    from whatschat_ops.broadcast.journal.journal import Journal
    from whatschat_ops.broadcast.journal.summary import Tolerance
    from whatschat_ops.broadcast.message import Message
    from whatschat_ops.sender.model import SendPolicy


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
    tolerate_failures: TolerateOption = "0",
    resume: ResumeOption = None,
    retry_failed: RetryOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Send one message to all connections, or to some of them.

    Every connection ends as delivered, gone (its row is deleted) or failed, and a journal keeps which: a run that was
    interrupted, even killed, goes on with --resume. Exit code 0 if nothing failed (that somebody is gone, or nobody there, is
    no failure), 4 if some did, 1 if some did and nobody got it.

    Example: whatschat-ops ws broadcast --type notice "Back in 5 minutes" --dry-run
    """
    from whatschat_ops.broadcast.broadcasting import SendRate
    from whatschat_ops.broadcast.journal.summary import Tolerance

    tolerance, send_rate = Tolerance.parse(tolerate_failures), SendRate(rate, concurrency)
    named = {"--user": user, "--users-file": users_file, "--connection": connection, "--sample": sample}
    if resume is not None:
        new = {"a message": message, "--file": file, "--type": kind, "--exclude-user": exclude_user, **named}
        _refuse([name for name, value in (new | {"--dry-run": dry_run}).items() if value], "--resume")
        _resume(run, resume, send_rate, tolerance, retry_failed=retry_failed)
        return
    if retry_failed:
        raise UsageError("--retry-failed needs --resume.", hint=Hint(("ws", "broadcasts", "list")))
    if message == "-" and users_file == Path("-"):
        raise UsageError(
            "The message and the users cannot both come from standard input.", hint="Use --file."
        )
    given = read_message(message, file, Hint(("ws", "broadcast", "--type", "notice", "Hello")))
    order = _Order(run, engine, send_rate, tolerance)
    order.compose(given, kind=kind, text=text, no_id=no_id)
    with order.selected(user, users_file, connection, exclude_user, sample):
        if dry_run:
            order.estimate()
        elif order.confirmed(yes):
            order.send()


class _Order:
    """A new broadcast: what was asked for, from the words of the command line to the sending."""

    message: Message
    selection: Selection

    def __init__(self, run: Run, engine: EngineName, send_rate: SendRate, tolerance: Tolerance) -> None:
        from whatschat_ops.broadcast.journal.record import new_run_id

        self._run = run
        self._engine = engine
        self._send_rate = send_rate
        self._tolerance = tolerance
        self._run_id = new_run_id()
        self._begun = False

    def compose(self, given: str, *, kind: str | None, text: bool, no_id: bool) -> None:
        """Make and check the message."""
        from whatschat_ops.broadcast.message import compose

        self.message = compose(given, None if no_id else self._run_id, kind=kind, text=text)
        for warning in self.message.warnings:
            self._run.out.warn(warning)

    @contextmanager
    def selected(
        self, users: Many, users_file: Path | None, connections: Many, exclude_users: Many, sample: str | None
    ) -> Iterator[None]:
        """Say who is meant. Users from a pipe are kept as long as there is a run that needs them."""
        from whatschat_ops.broadcast.audience.selection import examine_users_file, parse_sample, select
        from whatschat_ops.broadcast.broadcasting import users_copy

        chosen = parse_sample(sample, self._run_id) if sample is not None else None
        kept = users_copy(self._run.broadcasts_directory, self._run_id)
        if users_file == Path("-"):
            _keep_standard_input(kept)
            users_file = kept
        try:
            self.selection = select(
                users=users or (),
                users_file=examine_users_file(users_file) if users_file else None,
                connections=connections or (),
                exclude_users=exclude_users or (),
                sample=chosen,
            )
            yield
        finally:
            if not self._begun:
                kept.unlink(missing_ok=True)

    def estimate(self) -> None:
        """Count, and print what it would come to."""
        from whatschat_ops.broadcast.audience.sources import Table
        from whatschat_ops.broadcast.estimate import audience, estimate
        from whatschat_ops.cli.ws.broadcast_tables import render_estimate
        from whatschat_ops.pricing.rates import aws_card, guide_card
        from whatschat_ops.quotas import RateLimit

        table = Table(self._run.aws, self._run.outputs.connections_table)
        _collect_rarely()
        with self._run.out.status("Reading the table"):
            who = audience(table.source(self.selection, self._run.out.warn).pages(None))
        policy = self._policy
        found = estimate(
            who,
            self.message,
            RateLimit(policy.rate_per_s, policy.burst),
            selection=str(self.selection),
            read_units=table.read_units,
            guide=guide_card(),
            aws=aws_card(),
        )
        if self._engine is EngineName.DISTRIBUTED:
            from whatschat_ops.broadcast.distributed.dry_run import with_workers

            found = with_workers(found, self._run.settings, aws_card())
        self._run.out.result(found, render_estimate)

    def confirmed(self, yes: bool) -> bool:
        """Ask before everybody in an account gets something."""
        from whatschat_ops.broadcast.audience.sources import Table

        def question() -> str:
            table = Table(self._run.aws, self._run.outputs.connections_table)
            return (
                f"Send {self.message.size_bytes:,} bytes to {self.selection} of {self._run.names.stack} "
                f"(about {table.about_how_many():,} rows)?"
            )

        if self._run.confirm_for_users(question, yes=yes or not self.selection.whole_table):
            return True
        self._run.out.note("Nothing was sent.")
        return False

    def send(self) -> None:
        """Begin the run, and carry it out."""
        work = self._run.broadcasts()
        journal = work.begin(
            self._run_id, self.message, self.selection, self._policy, engine=self._engine.value
        )
        self._begun = True
        _carry_out(self._run, work, journal, self._policy, self._tolerance)

    @property
    def _policy(self) -> SendPolicy:
        from whatschat_ops.broadcast.broadcasting import send_policy

        return send_policy(self._run.settings, self._run.aws.region, self._send_rate)


def _resume(run: Run, name: str, send_rate: SendRate, tolerance: Tolerance, *, retry_failed: bool) -> None:
    from whatschat_ops.broadcast.broadcasting import latest_unfinished, resumed_policy
    from whatschat_ops.broadcast.journal.past_runs import read_run
    from whatschat_ops.cli.ws.broadcast_tables import render_summary

    directory = run.broadcasts_directory
    run_id = name
    if name == "latest":
        run_id = latest_unfinished(directory, run.settings.environment, retry_failed=retry_failed)
    work = run.broadcasts()
    journal = work.resume(run_id, retry_failed=retry_failed)
    if journal is None:
        run.out.note(f"The broadcast {run_id} is finished: there is nothing to do.")
        summary = read_run(directory, run_id).summary
        run.out.result(summary, render_summary)
        conclude(run, summary, tolerance, interrupted=False)
        return
    _carry_out(run, work, journal, resumed_policy(journal, send_rate), tolerance)


def _carry_out(
    run: Run, work: Broadcasting, journal: Journal, policy: SendPolicy, tolerance: Tolerance
) -> None:
    from whatschat_ops.broadcast.audience.selection import Selection
    from whatschat_ops.broadcast.broadcasting import forget_old
    from whatschat_ops.cli.ws.broadcast_tables import render_summary

    record = journal.record
    words = Selection.from_json(record.selection)
    run.out.note(f"Run {record.run_id}: {len(record.message):,} bytes to {words}.")
    progress = BroadcastProgress(run.out, run.out.suggestion(resume_hint(record.run_id)))
    _collect_rarely()
    try:
        with progress.shown():
            summary = work.work_on(
                journal,
                policy,
                say=progress.say,
                progress=progress.on_progress,
                should_stop=lambda: progress.stopped,
            )
    except OpsError:
        run.out.note(resume_hint(record.run_id, "The run is kept. To resume it"))
        raise
    run.out.result(summary, render_summary)
    forget_old(run.broadcasts_directory)
    conclude(run, summary, tolerance, interrupted=progress.stopped)


def _collect_rarely() -> None:
    """Rows and results are many and hold no cycles: at the usual threshold a third of the time of reading them would go
    into looking for some."""
    import gc

    gc.freeze()
    gc.set_threshold(1_000_000, 20, 50)


def _refuse(given: list[str], beside: str) -> None:
    if given:
        raise UsageError(
            f"{beside} goes on with a run as it was begun: it does not go with {given[0]}.",
            hint=resume_hint("latest"),
        )


def _keep_standard_input(path: Path) -> None:
    import shutil

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("wb") as kept:
        path.chmod(0o600)
        shutil.copyfileobj(sys.stdin.buffer, kept)

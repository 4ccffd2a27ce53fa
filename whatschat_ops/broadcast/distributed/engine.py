"""The distributed engine: the sending happens in Lambda, the journal gets what came of it.

list complete ──▶ first execution ──▶ follow: merge parts, look at the execution ──▶ finished, or why not
                    (or resume: redrive, or start an execution for what is left)

How far each shard's parts were read is remembered in the journal, with their results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.distributed.executions import (
    Execution,
    Executions,
    ExecutionStatus,
    ShardCounts,
)
from whatschat_ops.broadcast.distributed.launching import Fleet, Launcher
from whatschat_ops.broadcast.distributed.merging import Parts
from whatschat_ops.broadcast.distributed.run_objects import RunObjects
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import PROVISION, Hint, OpsError, PermissionDenied, UsageError
from whatschat_ops.sender.model import SendPolicy, Snapshot
from whatschat_ops.worker.objects import COUNTERS

POLL_S: Final = 1.0
LIST_POLL_S: Final = 0.05


@dataclass(slots=True)
class Following:
    """The execution that is followed: how its shards stand, and the parts that its workers write."""

    launcher: Launcher
    execution: Execution
    parts: Parts
    shards: ShardCounts


class DistributedEngine:
    """Sends from Lambda functions. The execution goes on in AWS when this process ends."""

    def __init__(
        self, fleet: Fleet, *, sleep: Callable[[float], None] = time.sleep, poll_s: float = POLL_S
    ) -> None:
        self._fleet = fleet
        self._sleep = sleep
        self._poll_s = poll_s
        self._following: Following | None = None

    def run(self, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """Send until everything has ended, or `should_stop`: then the execution goes on without being followed.

        Raises PermissionDenied when the workers may not post, OpsError when more shards failed than are tolerated: the
        run can be resumed.
        """
        if not self._wait_for_list(journal, should_stop):
            return
        launcher = Launcher(self._fleet, journal)
        may_repeat = launcher.arranged > 0  # a failure of an execution that this process started is reported
        following = self._following = _begin(launcher)
        while not should_stop():
            self._follow(following, should_stop)
            ended = following.execution
            if ended.is_running:
                self._fleet.say("The execution goes on; --resume follows it again.")
                return
            if not journal.counts().pending:
                return
            if not may_repeat:
                self._report_failure(following)
                return
            if not should_stop():
                following.execution = launcher.again(ended, following.parts)
                following.parts = launcher.parts(following.parts.tally)
                may_repeat = False

    def snapshot(self) -> Snapshot:
        """Where the run is, as far as the workers have written it down."""
        following = self._following
        if following is None:
            return Snapshot(rate_limit_per_s=self._fleet.policy.rate_per_s)
        counts, tally = following.launcher.journal.counts(), following.parts.tally
        return Snapshot(
            delivered=counts.delivered,
            gone=counts.gone,
            failed=counts.failed,
            rate_limit_per_s=following.launcher.rate_per_s or self._fleet.policy.rate_per_s,
            **{name: tally[name] for name in COUNTERS},
        )

    def detail(self) -> str:
        """How many shards are done."""
        return str(self._following.shards) if self._following else ""

    def _wait_for_list(self, journal: Journal, should_stop: Callable[[], bool]) -> bool:
        """Whether there is something to send, once the list is complete."""
        while not journal.list_complete:
            if should_stop():
                return False
            self._sleep(LIST_POLL_S)
        return journal.counts().pending > 0

    def _follow(self, following: Following, should_stop: Callable[[], bool]) -> None:
        """Merge what is written until the execution has ended and everything is read, or `should_stop`."""
        executions = self._fleet.executions
        while True:
            following.execution = executions.refreshed(following.execution)
            following.shards = executions.shards(following.execution)
            _merge(following.parts, following.launcher.journal)
            if not following.execution.is_running or should_stop():
                return
            self._sleep(self._poll_s)

    def _report_failure(self, following: Following) -> None:
        """Why shards failed: raises an error, or says so when that many are tolerated."""
        ended, left = following.execution, len(following.parts.unfinished)
        executions = self._fleet.executions
        resume = ("ws", "broadcast", "--resume", following.launcher.journal.record.run_id)
        error, cause = executions.why(ended)
        if error == PermissionDenied.__name__:
            raise PermissionDenied(
                f"The workers may not post: {cause}",
                hint=Hint(
                    resume,
                    f"Provisioning restores the permissions of the role {executions.worker_role}; then",
                ),
            )
        shards = "1 shard was" if left == 1 else f"{left:,} shards were"
        why = f"{error} {cause}".strip()
        if ended.status is not ExecutionStatus.SUCCEEDED:
            raise OpsError(f"{shards} not finished ({ended.status}): {why}".strip(), hint=Hint(resume))
        self._fleet.say(f"{shards} not finished, which is tolerated: {why}")


def _begin(launcher: Launcher) -> Following:
    """The first execution of a new run, or the newest one of a run that is resumed."""
    if not launcher.arranged:
        execution = launcher.first()
        return Following(launcher, execution, launcher.parts(), ShardCounts())
    parts = launcher.parts()  # before anything is started: without its parts nothing may be sent
    return Following(launcher, launcher.latest(), parts, ShardCounts())


def _merge(parts: Parts, journal: Journal) -> None:
    for merged in parts.new():
        if merged.in_doubt:
            journal.add_in_doubt(merged.in_doubt)
        journal.record_results(merged.results, mark=merged.mark)


def require_enabled(settings: Settings) -> None:
    """Raise UsageError unless the stack of `settings` has what this engine needs."""
    if not settings.broadcast.distributed.enabled:
        raise UsageError(
            "Distributed broadcasts are not enabled for this environment.",
            hint=Hint(PROVISION.argv, "Set broadcast.distributed.enabled to true, then"),
        )
    if settings.websocket.endpoint:
        raise UsageError(
            "The workers post to the stack's own API, but websocket.endpoint names another endpoint.",
            hint=Hint(("ws", "broadcast", "--engine", "local")),
        )


def distributed_engine(
    run_id: str,
    settings: Settings,
    aws: Aws,
    policy: SendPolicy,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> DistributedEngine:
    """The engine for a run of the stack of `settings`. Raises UsageError when it is not enabled there."""
    require_enabled(settings)
    section = settings.broadcast.distributed
    executions = Executions(settings, aws, run_id)
    earlier = Names(settings).earlier_broadcast_bucket(aws.account_id)
    objects = RunObjects(aws, run_id, lambda: executions.machine().bucket, earlier)
    fleet = Fleet(
        objects,
        executions,
        policy,
        shard_connections=section.shard_connections,
        workers=section.workers,
        say=say,
        copy_earlier=objects.copy_earlier,
    )
    return DistributedEngine(fleet)

"""The distributed engine: listing, sending and pruning happen in Lambda; the journal gets what came of it, in sums.

first execution ──▶ follow: read totals, look at the execution ──▶ finished, or why not
  (or resume: redrive, or start an execution for what is left)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.distributed.executions import (
    Execution,
    Executions,
    ShardCounts,
)
from whatschat_ops.broadcast.distributed.launching import Fleet, Launcher, earlier_format
from whatschat_ops.broadcast.distributed.outcomes import Outcomes, failures_in, standing_in
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.kinds import KINDS
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import PROVISION, Hint, OpsError, PermissionDenied, UsageError
from whatschat_ops.plurals import counted
from whatschat_ops.sender.model import SendPolicy, Snapshot
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.parts import COUNTERS, Totals

POLL_S: Final = 1.0
EARLIER_MARK: Final = "executions"
"""What the journal of an earlier version's distributed run remembers."""


@dataclass(slots=True)
class Following:
    """The execution that is followed: how its shards stand, and what its workers write."""

    launcher: Launcher
    execution: Execution
    outcomes: Outcomes
    totals: Totals
    shards: ShardCounts
    throttled_before: int


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
        if journal.marks(EARLIER_MARK):
            raise earlier_format(journal.record.run_id)
        launcher = Launcher(self._fleet, journal.record)
        may_repeat = launcher.is_begun()  # a failure of an execution that this process started is reported
        retries_failed = journal.retries_failed
        following = self._following = _begin(launcher, journal, begun=may_repeat)
        while not should_stop():
            self._follow(following, journal, should_stop)
            ended, retried = following.execution, None
            if following.outcomes.unfinished and ended.is_running:
                self._fleet.say("The execution goes on; --resume follows it again.")
                return
            if not following.outcomes.unfinished:
                retried = launcher.retry_failed(ended, following.outcomes) if retries_failed else None
                if retried is None:
                    journal.finish_listing()
                    _say_missing(following.totals, self._fleet.say)
                    return
                retries_failed = False
            elif launcher.control().stop:
                self._fleet.say("The run was stopped; --resume does the rest.")
                return
            elif not may_repeat:
                self._report_failure(following, journal.record)
                return
            if not should_stop():
                following.execution = retried or launcher.again(ended, following.outcomes)
                following.outcomes = launcher.outcomes()
                may_repeat = False

    def snapshot(self) -> Snapshot:
        """Where the run is, as far as the workers have written it down."""
        following, rate_per_s = self._following, self._fleet.policy.rate_per_s
        if following is None:
            return Snapshot(rate_limit_per_s=rate_per_s)
        totals = following.totals
        counters = {name: getattr(totals, name) for name in COUNTERS}
        counters["account_throttled"] -= following.throttled_before
        return Snapshot(
            delivered=totals.delivered,
            gone=totals.gone,
            failed=totals.failed,
            rate_limit_per_s=rate_per_s,
            **counters,
        )

    def detail(self) -> str:
        """How many shards are done."""
        return str(self._following.shards) if self._following else ""

    def _follow(self, following: Following, journal: Journal, should_stop: Callable[[], bool]) -> None:
        """Read what is written until all shards are finished, the execution has ended, or `should_stop`."""
        executions = self._fleet.executions
        while True:
            following.execution = executions.refreshed(following.execution)
            following.shards = executions.shards(following.execution)
            _read(following, journal)
            if not (following.outcomes.unfinished and following.execution.is_running) or should_stop():
                return
            self._sleep(self._poll_s)

    def _report_failure(self, following: Following, record: RunRecord) -> None:
        """Why shards failed: raises an error, or says so when that many are tolerated."""
        ended, left = following.execution, len(following.outcomes.unfinished)
        executions = self._fleet.executions
        kind = KINDS[record.kind]
        resume = (*kind.command, "--resume", record.run_id)
        error, cause = executions.why(ended)
        if error == PermissionDenied.__name__:
            raise PermissionDenied(
                f"The workers may not {kind.does}: {cause}",
                hint=Hint(
                    resume,
                    f"Provisioning restores the permissions of the role {executions.worker_role}; then",
                ),
            )
        shards = "1 shard was" if left == 1 else f"{left:,} shards were"
        why = f"{error} {cause}".strip()
        # Counted here: Step Functions aborts what is pending, and what ran then may have finished all the same.
        if left * 100 > self._fleet.tolerated_failure_percentage * len(following.outcomes.shards):
            raise OpsError(f"{shards} not finished ({ended.status}): {why}".strip(), hint=Hint(resume))
        self._fleet.say(f"{shards} not finished, which is tolerated: {why}")


def _begin(launcher: Launcher, journal: Journal, *, begun: bool) -> Following:
    """The first execution of a new run, or the newest one of a run that is resumed."""
    execution = launcher.latest() if begun else launcher.first()
    throttled_before = journal.throttled_before
    return Following(launcher, execution, launcher.outcomes(), Totals(), ShardCounts(), throttled_before)


def _read(following: Following, journal: Journal) -> None:
    outcomes = following.outcomes
    outcomes.refresh()
    following.totals = totals = outcomes.totals()
    journal.set_standing(
        standing_in(totals, outcomes.pending), failures_in(totals), totals.not_pruned_because
    )


def _say_missing(totals: Totals, say: Callable[[str], None]) -> None:
    for user in totals.missing_users:
        say(f"The user {user!r} has no connection.")
    if more := totals.missing - len(totals.missing_users):
        say(f"{counted(more, 'more user')} without a connection.")


def require_workers(settings: Settings) -> None:
    """Raise UsageError unless the stack of `settings` has workers."""
    if not settings.broadcast.distributed.enabled:
        raise UsageError(
            "Distributed broadcasts are not enabled for this environment.",
            hint=Hint(PROVISION.argv, "Set broadcast.distributed.enabled to true, then"),
        )


def require_enabled(settings: Settings) -> None:
    """Raise UsageError unless the stack of `settings` has what this engine needs."""
    require_workers(settings)
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
    table: Table,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> DistributedEngine:
    """The engine for a run of the stack of `settings` over this connections table. Raises UsageError when it is not enabled there."""
    require_enabled(settings)
    return DistributedEngine(fleet_of(run_id, settings, aws, policy, table, say))


def fleet_of(
    run_id: str, settings: Settings, aws: Aws, policy: SendPolicy, table: Table, say: Callable[[str], None]
) -> Fleet:
    """The workers of the stack of `settings`, for a run over this table."""
    section = settings.broadcast.distributed
    return Fleet(
        bucket_of(settings, aws),
        Executions(settings, aws, run_id),
        policy,
        table,
        shard_connections=section.shard_connections,
        workers=section.workers,
        tolerated_failure_percentage=section.tolerated_failure_percentage,
        say=say,
    )


def bucket_of(settings: Settings, aws: Aws) -> Bucket:
    """Where the runs of the stack of `settings` are."""
    return Bucket(aws.client("s3"), Names(settings).broadcast_bucket(aws.account_id))

"""The distributed engine: to a run it is what `sender.Sender` is, but the sending happens in Lambda.

list complete ──▶ export, start ──▶ follow: merge parts, look at the execution ──▶ finished, or why not
                    (or resume: redrive, or start an execution for what is left)

What is remembered in the journal: how many executions there are, and how far each shard's parts were read. Everything
else is in S3 and in Step Functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.distributed.executions import Execution, Executions, ShardCounts
from whatschat_ops.broadcast.distributed.merging import MARK, Parts
from whatschat_ops.broadcast.distributed.shards import export_shards, items_bytes, items_of, shards_of
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound, OpsError, PermissionDenied, UsageError
from whatschat_ops.sender.model import NextTargets, OnResults, OnUnsure, SendPolicy, Snapshot, Target
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.objects import Keys, RunSpec, shard_targets
from whatschat_ops.worker.shard import Objects

ENGINE: Final = "distributed"
POLL_S: Final = 1.0
LIST_POLL_S: Final = 0.05
EXECUTIONS: Final = "executions"
"""The journal's mark: how many executions were arranged."""
RATE: Final = "rate_per_s"
"""The journal's mark: the rate of all workers of the newest execution."""


@dataclass(slots=True)
class DistributedEngine:
    """Sends the targets of `journal`. `say` tells the user what happens in AWS.

    `workers` is what the settings say; the rate is divided by what the state machine says, which may be older.
    """

    journal: Journal
    objects: Objects
    executions: Executions
    policy: SendPolicy
    shard_connections: int
    workers: int
    say: Callable[[str], None] = lambda _line: None
    sleep: Callable[[float], None] = time.sleep
    poll_s: float = POLL_S
    shards: ShardCounts = field(default_factory=ShardCounts)
    """The shards of the execution that is followed, for progress."""
    _parts: Parts | None = None
    _rate_per_s: float = 0.0
    """Of the workers together, as they were started; 0 while that is not known."""

    @property
    def _keys(self) -> Keys:
        return Keys(self.journal.record.run_id)

    def run(
        self,
        next_targets: NextTargets,
        on_results: OnResults,
        should_stop: Callable[[], bool],
        on_unsure: OnUnsure = lambda _: None,
    ) -> Snapshot:
        """Send until everything has ended, or `should_stop`: then the execution goes on without being followed.

        Targets are taken from the journal and results written to it directly: the workers keep the account of what
        was begun, and how far their parts were read is remembered with the results.
        Raises PermissionDenied when the workers may not post, OpsError when more shards failed than are tolerated: the
        run can be resumed.
        """
        del next_targets, on_results, on_unsure
        if not self._wait_for_list(should_stop):
            return self.snapshot()
        arranged = int(self.journal.marks(EXECUTIONS).get(EXECUTIONS, "0"))
        if arranged == 0:
            execution = self._start(1, self._all_items())
            self._parts = self._all_parts()
        else:
            self._parts = (
                self._all_parts()
            )  # before anything is started: without its parts nothing may be sent
            execution = self._found(arranged)
            if execution.is_running:
                self._keep_rate()
        redriven = arranged == 0
        while not should_stop():
            ended = self._follow(execution, should_stop)
            if ended.is_running:
                self.say("The execution goes on; --resume follows it again.")
            elif not self.journal.counts().pending:
                break
            elif redriven:
                self._tell_failure(ended)
                break
            elif not should_stop():
                execution, redriven = self._again(ended), True
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        """Where the run is, as far as the workers have written it down."""
        counts = self.journal.counts()
        tally = self._parts.tally if self._parts else None
        total = tally.total if tally else lambda _name: 0
        percentile = tally.percentile_s if tally else lambda _share: 0.0
        return Snapshot(
            delivered=counts.delivered,
            gone=counts.gone,
            failed=counts.failed,
            in_flight=0,
            waiting_for_retry=0,
            attempts=total("attempts"),
            account_throttled=total("account_throttled"),
            client_buffer_full=total("client_buffer_full"),
            server_errors=total("server_errors"),
            transport_errors=total("transport_errors"),
            rate_limit_per_s=self._rate_per_s or self.policy.rate_per_s,
            latency_p50_s=percentile(0.50),
            latency_p95_s=percentile(0.95),
            latency_p99_s=percentile(0.99),
            unsure=total("unsure"),
            detail=str(self.shards),
        )

    def _wait_for_list(self, should_stop: Callable[[], bool]) -> bool:
        while not self.journal.list_complete:
            if should_stop():
                return False
            self.sleep(LIST_POLL_S)
        return self.journal.counts().pending > 0

    # -- starting

    def _all_items(self) -> list[dict[str, Any]]:
        """All open targets as shards."""
        self.say(f"Writing the connections to {self._keys.root} as shards.")
        pieces = self.journal.open_targets(1, self.journal.counts().listed)
        return export_shards(self.objects, self._keys, shards_of(pieces, self.shard_connections), first=1)

    def _start(self, number: int, items: Sequence[dict[str, Any]]) -> Execution:
        """Arrange and start an execution. Killed at any point, the next one to resume does it again."""
        at_once = self._divide_rate(len(items))
        self.objects.put(self._keys.message, self.journal.record.message)
        self.objects.put(self._keys.shard_list(number), items_bytes(items))
        self.journal.mark(EXECUTIONS, str(number))
        execution = self.executions.start(number, self._keys.shard_list(number))
        self.say(f"Started {execution.arn}: {len(items):,} shards, {at_once} workers at once.")
        return execution

    def _found(self, arranged: int) -> Execution:
        """The newest execution of a run that is resumed; it is started if its list was all that there was time for."""
        latest = self.executions.latest()
        if latest is None or latest.number < arranged:
            key = self._keys.shard_list(arranged)
            self._divide_rate(len(items_of(self.objects.get(key))))
            return self.executions.start(arranged, key)
        return latest

    def _divide_rate(self, shards: int) -> int:
        """Write down each worker's share, for an execution of so many shards; gives how many work at once."""
        workers = self.executions.workers()
        if workers != self.workers:
            self.say(
                f"The state machine has {workers:,} workers at once, broadcast.distributed.workers is {self.workers:,}: "
                "the rate is divided by the former. To change it: whatschat-ops provision"
            )
        at_once = max(1, min(workers, shards))
        self.objects.put(self._keys.spec, worker_spec(self.policy, at_once).to_bytes())
        self.journal.mark(RATE, str(self.policy.rate_per_s))
        self._rate_per_s = self.policy.rate_per_s
        return at_once

    def _keep_rate(self) -> None:
        """The workers of an execution that was started before keep their share: say so when another rate is wanted."""
        started_with = float(self.journal.marks(RATE).get(RATE, self.policy.rate_per_s))
        if started_with not in (self.policy.rate_per_s, self._rate_per_s):
            self.say(f"The execution keeps the rate that it was started with: {started_with:,g}/s.")
        self._rate_per_s = started_with

    def _all_parts(self) -> Parts:
        arranged = int(self.journal.marks(EXECUTIONS)[EXECUTIONS])
        try:
            lists = [self.objects.get(self._keys.shard_list(number + 1)) for number in range(arranged)]
        except NotFound as error:
            raise NotFound(
                f"The shards of the run {self.journal.record.run_id} are not in its bucket any more: they are kept "
                "for 14 days, and as long as the stack has distributed broadcasts. What it had done since it was last "
                "followed cannot be known.",
                hint=f"See what is known: whatschat-ops ws broadcasts show {self.journal.record.run_id}",
            ) from error
        shards = {item["shard"]: item["connections"] for content in lists for item in items_of(content)}
        return Parts(self.objects, self._keys, shards, self.journal.marks(MARK))

    # -- following

    def _follow(self, execution: Execution, should_stop: Callable[[], bool]) -> Execution:
        """Merge what is written until the execution has ended and everything is read, or `should_stop`."""
        while True:
            seen = self.executions.refreshed(execution)
            self.shards = self.executions.shards(seen)
            self._merge()
            if not seen.is_running or should_stop():
                return seen
            self.sleep(self.poll_s)

    def _merge(self) -> None:
        parts = self._parts
        if parts is None:
            return
        for merged in parts.new():
            if merged.in_doubt:
                self.journal.add_in_doubt(merged.in_doubt)
            self.journal.record_results(merged.results, mark=merged.mark)

    # -- after a failure

    def _again(self, ended: Execution) -> Execution:
        """Redrive, or start an execution for what is left: shards that failed, and targets to be retried."""
        parts = self._all_parts()
        left = parts.unfinished
        retried = self.journal.counts().pending - parts.missing
        if left and not retried and ended.status != "SUCCEEDED" and self.executions.redrive(ended):
            self.say(f"Redriving {ended.arn}: {len(left):,} shards.")
            self._keep_rate()
            return self.executions.refreshed(ended)
        run = self.journal.record.run_id
        items = [
            {"run": run, "shard": number, "connections": parts.shards[number].connections} for number in left
        ]
        if retried:
            pieces = self._outside(left)
            items += export_shards(
                self.objects,
                self._keys,
                shards_of(pieces, self.shard_connections),
                first=max(parts.shards) + 1,
            )
        self.say(f"{ended.arn} is not redriven; what is left gets an execution of its own.")
        started = self._start(ended.number + 1, items)
        self._parts = self._all_parts()
        return started

    def _outside(self, shards: Sequence[int]) -> Iterator[list[Target]]:
        """Open targets that are in none of these shards."""
        inside: set[int] = set()
        for shard in shards:
            content = self.objects.get(self._keys.shard(shard))
            inside.update(target.number for target in shard_targets(content))
        for piece in self.journal.open_targets(1, self.journal.counts().listed):
            yield [target for target in piece if target.number not in inside]

    def _tell_failure(self, ended: Execution) -> None:
        """Why shards failed: an error, or, when so many are tolerated, something to say."""
        left = len(self._parts.unfinished) if self._parts else 0
        run = self.journal.record.run_id
        resume = f"whatschat-ops ws broadcast --resume {run}"
        error, cause = self.executions.why(ended)
        if error == PermissionDenied.__name__:
            raise PermissionDenied(
                f"The workers may not post: {cause}",
                hint=f"Look at the role {self.executions.worker_role}; whatschat-ops provision mends it. Then: {resume}",
            )
        shards = "1 shard was" if left == 1 else f"{left:,} shards were"
        why = f"{error} {cause}".strip()
        if ended.status == "SUCCEEDED":
            self.say(f"{shards} not finished, which is tolerated: {why}")
        else:
            raise OpsError(f"{shards} not finished ({ended.status}): {why}".strip(), hint=resume)


def worker_spec(policy: SendPolicy, workers: int) -> RunSpec:
    """What each of so many workers at once may do: together they stay within the policy's rate and burst."""
    return RunSpec(
        rate_per_s=policy.rate_per_s / workers,
        burst=max(1, policy.burst // workers),
        tcp_connections=policy.tcp_connections,
        max_attempts=policy.max_attempts,
        deadline_s=policy.deadline_s,
        request_timeout_s=policy.request_timeout_s,
    )


def require_enabled(settings: Settings) -> None:
    """Raise UsageError unless the stack of `settings` has what this engine needs."""
    if not settings.broadcast.distributed.enabled:
        raise UsageError(
            "Distributed broadcasts are not enabled for this environment.",
            hint="Set broadcast.distributed.enabled to true, then: whatschat-ops provision",
        )
    if settings.websocket.endpoint:
        raise UsageError(
            "The workers post to the stack's own API, but websocket.endpoint names another endpoint.",
            hint="whatschat-ops ws broadcast --engine local",
        )


def distributed_engine(
    journal: Journal,
    settings: Settings,
    aws: Aws,
    policy: SendPolicy,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> DistributedEngine:
    """The engine for a run of the stack of `settings`. Raises UsageError when it is not enabled there."""
    require_enabled(settings)
    section = settings.broadcast.distributed
    bucket = Names(settings).broadcast_bucket(aws.account_id)
    return DistributedEngine(
        journal,
        Bucket(aws.client("s3"), bucket),
        Executions(settings, aws, journal.record.run_id),
        policy,
        shard_connections=section.shard_connections,
        workers=section.workers,
        say=say,
    )

"""What is written and started for a distributed run: shards, a worker's share of the rate, executions.

In the journal stand how many executions there are and their rate; everything else is in S3 and in Step Functions. A kill at
any point leaves what the next process to resume the run finds or does again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.broadcast.distributed.executions import Execution, Executions, ExecutionStatus
from whatschat_ops.broadcast.distributed.merging import MARK, Parts, Tally
from whatschat_ops.broadcast.distributed.shards import export_shards, items_bytes, items_of, shards_of
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.errors import Hint, NotFound
from whatschat_ops.sender.model import SendPolicy, Target
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.objects import Keys, RunSpec, shard_item, shard_targets

EXECUTIONS: Final = "executions"
"""The journal's mark: how many executions were arranged."""
RATE: Final = "rate_per_s"
"""The journal's mark: the rate of all workers of the newest execution."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of a stack. `workers` is how many the settings say; the rate is divided by what the state machine says, which
    may be older. `say` tells the user what happens in AWS. `copy_earlier` makes what a stack of version 0.1.0 wrote for the run
    readable to the workers; whether there was anything.
    """

    objects: Objects
    executions: Executions
    policy: SendPolicy
    shard_connections: int
    workers: int
    say: Callable[[str], None] = lambda _line: None
    copy_earlier: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Launcher:
    """Starts the executions of the run of `journal`. `rate_per_s` is that of the workers together; 0 while it is not known."""

    fleet: Fleet
    journal: Journal
    rate_per_s: float = 0.0

    @property
    def _keys(self) -> Keys:
        return Keys(self.journal.record.run_id)

    @property
    def arranged(self) -> int:
        """How many executions were arranged so far."""
        return int(self.journal.marks(EXECUTIONS).get(EXECUTIONS, "0"))

    def first(self) -> Execution:
        """Start the first execution, with all targets."""
        self.fleet.say(f"Writing the connections to {self._keys.root} as shards.")
        return self._start(
            1, self._export(self.journal.open_targets(1, self.journal.counts().listed), first=1)
        )

    def latest(self) -> Execution:
        """The newest execution of a run that is resumed; started now if a kill left only its list."""
        arranged = self.arranged
        latest = self.fleet.executions.latest()
        if latest is None or latest.number < arranged:
            self.fleet.copy_earlier()
            key = self._keys.shard_list(arranged)
            self._divide_rate(len(items_of(self.fleet.objects.get(key))))
            return self.fleet.executions.start(arranged, key)
        if latest.is_running:
            self._keep_rate()
        return latest

    def again(self, ended: Execution, parts: Parts) -> Execution:
        """Redrive, or start an execution for what is left: shards that failed, and targets to be retried."""
        left = parts.unfinished
        retried = self.journal.counts().pending - parts.missing
        may_redrive = left and not retried and ended.status is not ExecutionStatus.SUCCEEDED
        # An execution goes on with the definition that it began with, which is for the earlier bucket.
        if not self.fleet.copy_earlier() and may_redrive and self.fleet.executions.redrive(ended):
            self.fleet.say(f"Redriving {ended.arn}: {len(left):,} shards.")
            self._keep_rate()
            return self.fleet.executions.refreshed(ended)
        run = self.journal.record.run_id
        items = [shard_item(run, number, parts.shards[number].connections) for number in left]
        if retried:
            items += self._export(self._outside(left), first=max(parts.shards) + 1)
        self.fleet.say(f"{ended.arn} is not redriven; what is left gets an execution of its own.")
        return self._start(ended.number + 1, items)

    def parts(self, tally: Tally | None = None) -> Parts:
        """The parts of all shards so far, with the `tally` of those that were read before.

        Raises NotFound when the shards are not in the bucket any more.
        """
        run = self.journal.record.run_id
        try:
            lists = [
                self.fleet.objects.get(self._keys.shard_list(number + 1)) for number in range(self.arranged)
            ]
        except NotFound as error:
            raise NotFound(
                f"The shards of the run {run} are not in its bucket any more: they are kept for 14 days, and as long as "
                "the stack has distributed broadcasts. What it had done since it was last followed cannot be known.",
                hint=Hint(("ws", "broadcasts", "show", run), "See what is known"),
            ) from error
        shards = {item["shard"]: item["connections"] for content in lists for item in items_of(content)}
        return Parts(self.fleet.objects, self._keys, shards, self.journal.marks(MARK), tally)

    def _start(self, number: int, items: Sequence[dict[str, Any]]) -> Execution:
        """Arrange and start an execution. Killed at any point, the next process to resume does it again."""
        objects, key = self.fleet.objects, self._keys.shard_list(number)
        at_once = self._divide_rate(len(items))
        objects.put(self._keys.message, self.journal.record.message)
        objects.put(key, items_bytes(items))
        self.journal.mark(EXECUTIONS, str(number))
        execution = self.fleet.executions.start(number, key)
        self.fleet.say(f"Started {execution.arn}: {len(items):,} shards, {at_once} workers at once.")
        return execution

    def _export(self, pieces: Iterator[Sequence[Target]], *, first: int) -> list[dict[str, Any]]:
        shards = shards_of(pieces, self.fleet.shard_connections)
        return export_shards(self.fleet.objects, self._keys, shards, first=first)

    def _outside(self, shards: Sequence[int]) -> Iterator[Sequence[Target]]:
        """Open targets that are in none of these shards."""
        inside: set[int] = set()
        for shard in shards:
            content = self.fleet.objects.get(self._keys.shard(shard))
            inside.update(target.number for target in shard_targets(content))
        for piece in self.journal.open_targets(1, self.journal.counts().listed):
            yield [target for target in piece if target.number not in inside]

    def _divide_rate(self, shards: int) -> int:
        """Write down each worker's share, for an execution of this many shards; returns how many work at once."""
        fleet = self.fleet
        workers = fleet.executions.workers()
        if workers != fleet.workers:
            fleet.say(
                f"The state machine has {workers:,} workers at once, broadcast.distributed.workers is {fleet.workers:,}: "
                "the rate is divided by the former, until the stack is provisioned again."
            )
        at_once = max(1, min(workers, shards))
        fleet.objects.put(self._keys.spec, worker_spec(fleet.policy, at_once).to_bytes())
        self.rate_per_s = fleet.policy.rate_per_s
        self.journal.mark(RATE, str(self.rate_per_s))
        return at_once

    def _keep_rate(self) -> None:
        """The workers of an execution that was started before keep their share: report it when another rate is wanted."""
        wanted = self.fleet.policy.rate_per_s
        started_with = float(self.journal.marks(RATE).get(RATE, wanted))
        if started_with not in (wanted, self.rate_per_s):
            self.fleet.say(f"The execution keeps the rate that it was started with: {started_with:,g}/s.")
        self.rate_per_s = started_with


def worker_spec(policy: SendPolicy, workers: int) -> RunSpec:
    """What each of this many workers at once may do: together they stay within the policy's rate and burst."""
    return RunSpec(
        rate_per_s=policy.rate_per_s / workers,
        burst=max(1, policy.burst // workers),
        tcp_connections=policy.tcp_connections,
        max_attempts=policy.max_attempts,
        deadline_s=policy.deadline_s,
        request_timeout_s=policy.request_timeout_s,
    )

"""What is written and started for a distributed run: its facts, its shards, the control object, executions.

Everything is in S3 and in Step Functions, so that any machine goes on with a run. `run.json` is written after the rest and before
anything is started: a kill at any point leaves what the next process to resume the run finds or does again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from whatschat_ops.broadcast.audience.selection import Selection
from whatschat_ops.broadcast.audience.sources import Table
from whatschat_ops.broadcast.distributed.executions import Execution, Executions, ExecutionStatus
from whatschat_ops.broadcast.distributed.outcomes import Outcomes
from whatschat_ops.broadcast.distributed.planning import Planned, Sizes, plan, row_shards
from whatschat_ops.broadcast.journal.record import RunRecord
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.errors import PROVISION, Hint, NotFound, OpsError
from whatschat_ops.quotas import MAX_BATCH_STATEMENTS
from whatschat_ops.sender.model import NO_ANSWER, SendPolicy
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.control import Control
from whatschat_ops.worker.objects import Keys, RunSpec, Shard, given_bytes, list_bytes, shards_of


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of a stack. `workers` is how many the settings say; the rate is divided by what the state machine says, which
    may be older. `say` tells the user what happens in AWS.
    """

    objects: Objects
    executions: Executions
    policy: SendPolicy
    table: Table
    shard_connections: int
    workers: int
    tolerated_failure_percentage: float = 0.0
    """Of the shards: more that are not finished are a failure."""
    say: Callable[[str], None] = lambda _line: None


@dataclass
class Launcher:
    """Starts the executions of the run of `record`."""

    fleet: Fleet
    record: RunRecord

    @property
    def keys(self) -> Keys:
        """The keys of its objects."""
        return Keys(self.record.run_id)

    @cached_property
    def sizes(self) -> Sizes:
        """How it is divided."""
        return Sizes(self.fleet.shard_connections, self._workers())

    def is_begun(self) -> bool:
        """Whether an execution was arranged. Raises OpsError for a run that an earlier version began."""
        return read_spec(self.fleet.objects, self.record.run_id) is not None

    def first(self) -> Execution:
        """Arrange and start the first execution. Raises NotFound when the stack has no bucket for it."""
        objects, keys = self.fleet.objects, self.keys
        try:
            objects.put(keys.message, self.record.message)
        except NotFound as error:
            raise NotFound(
                f"The bucket of distributed broadcasts does not exist ({error.message}): the stack was provisioned by an earlier version.",
                hint=PROVISION,
            ) from error
        selection = Selection.from_json(self.record.selection)
        shards = self._write(plan(keys.run, selection, self.fleet.table, self.sizes))
        objects.put(keys.shard_list(1), list_bytes(shards))
        policy = self.fleet.policy
        control = Control(policy.rate_per_s, policy.burst, self.sizes.workers, len(shards))
        objects.put(keys.control, control.to_bytes())
        objects.put(keys.spec, spec_of(self.record, policy).to_bytes())
        return self._start(1, shards)

    def latest(self) -> Execution:
        """The newest execution of a run that is resumed; started now if a kill left only its list."""
        self._let_go_on()
        lists = self._lists()
        found = self.fleet.executions.latest()
        if found is None or found.number < len(lists):
            return self._start(len(lists), shards_of(lists[-1]))
        return found

    def again(self, ended: Execution, outcomes: Outcomes) -> Execution:
        """Redrive, or start an execution for the shards that are not finished."""
        left = outcomes.unfinished
        if ended.status is not ExecutionStatus.SUCCEEDED and self.fleet.executions.redrive(ended):
            self.fleet.say(f"Redriving {ended.arn}: {len(left):,} shards.")
            return self.fleet.executions.refreshed(ended)
        self.fleet.say(f"{ended.arn} is not redriven; what is left gets an execution of its own.")
        return self._next(ended, [outcomes.shards[number] for number in left])

    def retry_failed(self, ended: Execution, outcomes: Outcomes) -> Execution | None:
        """Start an execution for the connections that failed; None: there are none."""
        failed = list(outcomes.failed())
        if not failed:
            return None
        in_doubt = sum(each.reason.startswith(NO_ANSWER) for each in failed)
        rows = (each.row for each in failed)
        first = max(outcomes.shards) + 1
        made = self._write(row_shards(self.keys.run, rows, self.sizes, first=first))
        shards = [replace(shard, retries=first) for shard in made]
        shards[0] = replace(shards[0], in_doubt=in_doubt)
        control = self.control()
        self._put(replace(control, shards=shards[-1].shard))
        return self._next(ended, shards)

    def outcomes(self) -> Outcomes:
        """What came of all shards so far. Raises NotFound when the shards are not in the bucket any more."""
        shards = {shard.shard: shard for content in self._lists() for shard in shards_of(content)}
        return Outcomes(self.fleet.objects, self.keys, shards)

    def control(self) -> Control:
        """What the workers are told now."""
        return Control.from_bytes(self.fleet.objects.get(self.keys.control))

    def stop(self) -> None:
        """Tell the workers to begin nothing more."""
        self._put(replace(self.control(), stop=True))

    def _let_go_on(self) -> None:
        """Resuming ends a stop, and sets the rate; workers that are at work read it."""
        policy, now = self.fleet.policy, self.control()
        wanted = replace(now, stop=False, rate_per_s=policy.rate_per_s, burst=policy.burst)
        if wanted != now:
            self._put(wanted)

    def _put(self, control: Control) -> None:
        self.fleet.objects.put(self.keys.control, control.to_bytes())

    def _next(self, ended: Execution, shards: Sequence[Shard]) -> Execution:
        number = ended.number + 1
        self.fleet.objects.put(self.keys.shard_list(number), list_bytes(shards))
        return self._start(number, shards)

    def _start(self, number: int, shards: Sequence[Shard]) -> Execution:
        control = self.control()
        if control.workers != self.sizes.workers:  # the rate is divided by those that this execution has
            self._put(replace(control, workers=self.sizes.workers))
        execution = self.fleet.executions.start(number, self.keys.shard_list(number))
        at_once = min(self.sizes.workers, len(shards))
        self.fleet.say(f"Started {execution.arn}: {len(shards):,} shards, {at_once} workers at once.")
        return execution

    def _write(self, planned: Iterable[Planned]) -> list[Shard]:
        shards = []
        for shard, given in planned:
            if given is not None:
                self.fleet.objects.put(self.keys.given(shard.shard), given_bytes(given))
            shards.append(shard)
        return shards

    def _lists(self) -> list[bytes]:
        found = self.fleet.objects.keys(self.keys.lists)
        if not found:
            raise NotFound(
                f"The objects of the run {self.record.run_id} are not in its bucket any more: they are kept for 14 days, and as "
                "long as the stack has distributed broadcasts. What it had done since it was last followed cannot be known.",
                hint=Hint(("ws", "broadcasts", "show", self.record.run_id), "See what is known"),
            )
        by_number = sorted(found, key=lambda key: int(key.removeprefix(self.keys.lists).partition(".")[0]))
        return [self.fleet.objects.get(key) for key in by_number]

    def _workers(self) -> int:
        workers = self.fleet.executions.workers()
        if workers != self.fleet.workers:
            self.fleet.say(
                f"The state machine has {workers:,} workers at once, broadcast.distributed.workers is {self.fleet.workers:,}: "
                "the rate is divided by the former, until the stack is provisioned again."
            )
        return workers


def read_spec(objects: Objects, run_id: str) -> RunSpec | None:
    """What the bucket has of a run; None: nothing. Raises OpsError for one that an earlier version began."""
    try:
        content = objects.get(Keys(run_id).spec)
    except NotFound:
        return None
    try:
        return RunSpec.from_bytes(content)
    except (ValueError, RecursionError) as error:
        raise earlier_format(run_id) from error


def earlier_format(run_id: str) -> OpsError:
    """That a run cannot be resumed because an earlier version began it."""
    return OpsError(
        f"The distributed broadcast {run_id} was begun by an earlier version of whatschat-ops, whose shards this version's workers "
        "cannot read. Finish it with that version (which also has to provision the stack), or send a new one to those it did not reach.",
        hint=Hint(("ws", "broadcasts", "show", run_id), "See what is known of it"),
    )


def spec_of(record: RunRecord, policy: SendPolicy) -> RunSpec:
    """What the workers, and other machines, need to know of a run."""
    facts = asdict(record)
    del facts["message"]
    if record.kind == BROADCAST:  # so that an earlier version reads it
        del facts["kind"]
    return RunSpec(
        facts,
        tcp_connections=policy.tcp_connections,
        max_attempts=policy.max_attempts,
        deadline_s=policy.deadline_s,
        request_timeout_s=policy.request_timeout_s,
        prune_rows=MAX_BATCH_STATEMENTS,
    )

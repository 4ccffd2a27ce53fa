"""One broadcast from start to end: puts the journal, the table, the engine and the pruning together.

begin()  ──▶ the journal of a new run ──┐
                                        ├──▶ work_on() ──▶ RunSummary
resume() ──▶ that of an earlier one  ───┘
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from whatschat_ops.aws import Aws
from whatschat_ops.aws.signing_keys import signing_keys
from whatschat_ops.broadcast.audience.named import ChainedSource
from whatschat_ops.broadcast.audience.selection import Selection
from whatschat_ops.broadcast.audience.sources import Say, Table
from whatschat_ops.broadcast.audience.targets import Source
from whatschat_ops.broadcast.engine import Engine, LocalEngine
from whatschat_ops.broadcast.journal import past_runs
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.record import RunRecord, timestamp
from whatschat_ops.broadcast.journal.summary import RunState, RunSummary
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.broadcast.limits import send_limit
from whatschat_ops.broadcast.order import Order, users_copy
from whatschat_ops.broadcast.pruning import RowPruner
from whatschat_ops.broadcast.run import OnProgress, run_broadcast
from whatschat_ops.choices import EngineName
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import Hint, Missing, OpsError, PermissionDenied
from whatschat_ops.quotas import RateLimit
from whatschat_ops.sender.model import Credentials, SendPolicy
from whatschat_ops.stack.concurrency import account_concurrency
from whatschat_ops.stack.outputs import StackOutputs, endpoint_is_own

if TYPE_CHECKING:
    from whatschat_ops.broadcast.estimate import BroadcastEstimate
    from whatschat_ops.broadcast.housekeeping import HousekeepingEstimate
    from whatschat_ops.broadcast.journal.failed import FailedConnection
    from whatschat_ops.broadcast.journal.summary import RunDetails
    from whatschat_ops.connections.statistics import ConnectionStats
    from whatschat_ops.worker.bucket import Bucket


@dataclass(frozen=True, slots=True)
class SendRate:
    """What the command line says about speed; None: what the run or the settings say."""

    rate_per_s: float | None = None
    tcp_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Broadcasting:
    """Broadcasts of one stack. `directory` is where the journals are."""

    directory: Path
    settings: Settings
    aws: Aws
    outputs: StackOutputs

    def estimate(self, order: Order, policy: SendPolicy, engine: EngineName, warn: Say) -> BroadcastEstimate:
        """Read the table and say what the broadcast would come to. Sends nothing."""
        from whatschat_ops.broadcast.distributed.dry_run import with_workers
        from whatschat_ops.broadcast.estimate import audience, estimate
        from whatschat_ops.pricing.rates import guide_card, known_card

        card = known_card(self.settings.aws.region)
        table = Table(self.aws, self.outputs.connections_table)
        who = audience(table.source(order.selection, warn).pages(None))
        found = estimate(
            who,
            order.message,
            RateLimit(policy.rate_per_s, policy.burst),
            selection=str(order.selection),
            read_units=table.read_units,
            guide=guide_card(),
            aws=card,
        )
        if engine is EngineName.LOCAL:
            return found
        return with_workers(found, self.settings, card, self._unreserved())

    def estimate_of_kind(self, kind: str, policy: SendPolicy) -> HousekeepingEstimate:
        """Say what a run of every row would come to. Reads no row."""
        from whatschat_ops.broadcast.housekeeping import estimate
        from whatschat_ops.pricing.rates import known_card

        card, limit = known_card(self.settings.aws.region), RateLimit(policy.rate_per_s, policy.burst)
        return estimate(kind, self.about_how_many(), limit, self.settings, card, self._unreserved())

    def _unreserved(self) -> int | None:
        with suppress(PermissionDenied):  # an estimate without it is one, too
            return account_concurrency(self.aws)[1]
        return None

    def with_workers(self, workers: int | None) -> Broadcasting:
        """With so many workers at once instead of the settings'; None: as it is."""
        if workers is None:
            return self
        broadcast = self.settings.broadcast
        distributed = structs.replace(broadcast.distributed, workers=workers)
        changed = structs.replace(broadcast, distributed=distributed)
        return replace(self, settings=structs.replace(self.settings, broadcast=changed))

    def is_going_on(self, run_id: str) -> bool:
        """Whether workers in AWS are sending a distributed run."""
        from whatschat_ops.broadcast.distributed.steering import steering

        return steering(self.settings, self.aws, run_id).is_going_on()

    def has_objects(self, run_id: str) -> bool:
        """Whether S3 has anything of a distributed run."""
        from whatschat_ops.worker.objects import Keys

        objects = self._objects()
        return bool(objects and objects.keys(Keys(run_id).root))

    def delete_objects(self, run_id: str) -> None:
        """Delete what S3 has of a distributed run. Raises AwsError."""
        from whatschat_ops.broadcast.distributed.steering import delete_run_objects

        delete_run_objects(self.settings, self.aws, run_id)

    def about_how_many(self) -> int:
        """The number of rows of the table, as DynamoDB counts them every six hours."""
        return Table(self.aws, self.outputs.connections_table).about_how_many()

    def count_connections(self, *, top: int, say: Say) -> ConnectionStats:
        """The table in figures, counted by workers. Raises as `distributed.counting`."""
        from whatschat_ops.broadcast.distributed.counting import count_connections

        return count_connections(self.settings, self.aws, self.outputs.connections_table, top=top, say=say)

    def begin(self, order: Order, policy: SendPolicy, *, engine: EngineName = EngineName.LOCAL) -> Journal:
        """Write down a new run. Nothing is read or sent yet. Raises UsageError when the stack does not have that engine."""
        if engine is EngineName.DISTRIBUTED:
            from whatschat_ops.broadcast.distributed.engine import require_enabled

            require_enabled(self.settings)
        record = RunRecord(
            run_id=order.run_id,
            created_at=timestamp(),
            environment=self.settings.environment,
            stack=Names(self.settings).stack,
            table_name=self.outputs.connections_table,
            region=self.aws.region,
            callback_url=self.outputs.callback_url,
            message=order.message.data,
            message_id=order.message.message_id,
            selection=order.selection.to_json(),
            policy=json.dumps(asdict(policy)),
            engine=engine.value,
            caller_arn=self.aws.caller_arn,
            kind=order.kind,
        )
        return Journal.create(self.directory, record)

    def resume(self, run_id: str, *, retry_failed: bool = False, kind: str = BROADCAST) -> Journal | None:
        """Resume a run, also one that another machine began; None: it is finished. Raises as past_runs.resume."""
        self._fetch(run_id)
        return past_runs.resume(
            self.directory,
            run_id,
            environment=self.settings.environment,
            stack=Names(self.settings).stack,
            table=self.outputs.connections_table,
            callback_url=self.outputs.callback_url,
            retry_failed=retry_failed,
            kind=kind,
        )

    def work_on(
        self,
        journal: Journal,
        policy: SendPolicy,
        *,
        say: Say = lambda _: None,
        progress: OnProgress = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RunSummary:
        """Work on a run until it is finished or should stop; the journal is closed then."""
        record = journal.record
        is_local = record.engine != EngineName.DISTRIBUTED  # else the workers list and prune
        try:
            source = self._source(journal, say) if is_local else None
            engine = self._engine(journal, policy, say)
        except BaseException:
            journal.close(RunState.INTERRUPTED)
            raise
        is_own = cache(lambda: endpoint_is_own(self.settings, self.aws))  # asked beside the sending
        summary = run_broadcast(
            journal,
            source,
            engine,
            RowPruner(self.aws, record.table_name) if is_local else None,
            # Another API says of every connection of ours that it is gone.
            may_prune=lambda counts: counts.delivered > 0 or is_own(),
            progress=progress,
            should_stop=should_stop,
        )
        if summary.not_pruned and not summary.delivered and not is_own():
            say(
                f"The rows of gone connections stay: nothing was delivered through {self.outputs.callback_url}, "
                "so it may not be this stack's API."
            )
        return summary

    def details(self, run_id: str) -> RunDetails:
        """A distributed run as it stands in S3, whichever machine began it; as this machine knows it when S3 has nothing to say.

        Raises UsageError when there is none.
        """
        from whatschat_ops.broadcast.distributed.recall import details_in, record_in

        objects = self._objects()
        try:
            record = record_in(objects, run_id) if objects else None
            if objects is not None and record is not None:
                return details_in(objects, record, self.directory)
        except OpsError:  # an earlier version's, or S3 cannot be read
            if not past_runs.has_run(self.directory, run_id):
                raise
        return past_runs.read_run(self.directory, run_id)

    def failures(self, run_id: str) -> Iterator[FailedConnection]:
        """The connections of a distributed run that failed."""
        from whatschat_ops.broadcast.distributed.recall import failed_in

        objects = self._objects()
        return failed_in(objects, run_id) if objects else iter(())

    def _fetch(self, run_id: str) -> None:
        """Make the journal of a distributed run that this machine does not have."""
        from whatschat_ops.broadcast.distributed.recall import record_in

        objects = None if past_runs.has_run(self.directory, run_id) else self._objects()
        record = record_in(objects, run_id) if objects else None
        if record is not None:
            Journal.create(self.directory, record).close(RunState.INTERRUPTED)

    def _objects(self) -> Bucket | None:
        """Where the distributed runs of the stack are; None: it has none."""
        if not self.settings.broadcast.distributed.enabled:
            return None
        from whatschat_ops.broadcast.distributed.engine import bucket_of

        return bucket_of(self.settings, self.aws)

    def _source(self, journal: Journal, say: Say) -> Source:
        """What is still to be listed. A list that is complete needs no users file any more."""
        if journal.list_complete:
            return ChainedSource(())
        selection = Selection.from_json(journal.record.selection)
        return Table(self.aws, journal.record.table_name).source(selection, say)

    def _engine(self, journal: Journal, policy: SendPolicy, say: Say) -> Engine:
        record = journal.record
        if record.engine == EngineName.DISTRIBUTED:
            from whatschat_ops.broadcast.distributed.engine import distributed_engine
            from whatschat_ops.broadcast.distributed.sampling import SampledByWorkers

            run_id, settings = record.run_id, self.settings
            table = SampledByWorkers(settings, self.aws, record.table_name, run_id, say)
            return distributed_engine(run_id, settings, self.aws, policy, table, say=say)
        from whatschat_ops.sender.sender import Sender

        url = self.outputs.callback_url
        return LocalEngine(Sender(url, record.region, record.message, policy, lambda: _credentials(self.aws)))


def send_policy(settings: Settings, region: str, wanted: SendRate) -> SendPolicy:
    """How fast and how often, by the command line over the settings over the Region's limit."""
    section = settings.broadcast
    rate = section.rate_limit_per_s if wanted.rate_per_s is None else wanted.rate_per_s
    limit = send_limit(region, rate, section.burst_limit if wanted.rate_per_s is None else None)
    return SendPolicy(
        rate_per_s=limit.rate_per_s,
        burst=limit.burst,
        tcp_connections=wanted.tcp_connections or section.tcp_connections,
        max_attempts=section.max_attempts,
        deadline_s=section.deadline_s,
    )


def resumed_policy(journal: Journal, wanted: SendRate) -> SendPolicy:
    """How fast the run was to go, or what the command line says now."""
    policy = SendPolicy(**json.loads(journal.record.policy))
    if wanted.rate_per_s is not None:
        limit = send_limit(journal.record.region, wanted.rate_per_s, None)
        policy = replace(policy, rate_per_s=limit.rate_per_s, burst=limit.burst)
    return replace(policy, tcp_connections=wanted.tcp_connections or policy.tcp_connections)


def latest_unfinished(
    directory: Path, environment: str, *, retry_failed: bool = False, kind: str = BROADCAST
) -> str:
    """The newest run of a kind in an environment that has something left to do. Raises Missing when there is none."""
    for run in past_runs.list_runs(directory)[0]:
        left = run.state is not RunState.FINISHED or (retry_failed and run.failed)
        if (run.environment, run.kind) == (environment, kind) and left:
            return run.run_id
    raise Missing(
        f"There is no {kind} of the environment {environment} to resume.",
        hint=Hint(("ws", "broadcasts", "list")),
    )


def forget(directory: Path, run_id: str) -> None:
    """Delete a run and what belongs to it. Raises Missing when there is none, OpsError while it is worked on."""
    past_runs.delete_run(directory, run_id)
    users_copy(directory, run_id).unlink(missing_ok=True)


def forget_old(directory: Path) -> None:
    """Delete finished runs except the newest."""
    for run_id in past_runs.delete_old_runs(directory):
        users_copy(directory, run_id).unlink(missing_ok=True)


def _credentials(aws: Aws) -> Credentials:
    keys = signing_keys(aws)
    return Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token, keys.expires_at)

"""What is said to a distributed run while it is sent, from any machine: stop, another rate, other workers; and that all of it is deleted.

Step Functions begins nothing more after StopExecution, but workers that run go on: they heed the control object, which they read every
`CONTROL_S`. It is written first, so that a worker that is begun in between sends nothing either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.broadcast.distributed.engine import bucket_of, require_enabled
from whatschat_ops.broadcast.distributed.executions import Executions
from whatschat_ops.broadcast.distributed.launching import read_spec
from whatschat_ops.broadcast.distributed.outcomes import Outcomes
from whatschat_ops.broadcast.distributed.recall import outcomes_in
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import Hint, Missing, NotFound
from whatschat_ops.stack.kinds.bucket import delete_objects
from whatschat_ops.worker.bucket import Objects
from whatschat_ops.worker.control import CONTROL_S, Control
from whatschat_ops.worker.objects import Keys

QUIET_S: Final = CONTROL_S + 3
"""Workers write what they did every second: when nothing was written for so long after a stop, they have all ended."""
WAIT_S: Final = 60.0
LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """How far a run got that was told to stop. `pending` connections were read and have no outcome; others were never read.

    `ended`: nothing is sent any more; False: some worker still wrote outcomes when the waiting for it ended.
    `finished`: every shard was done before the stop could have an effect.
    """

    run_id: str
    delivered: int
    gone: int
    failed: int
    pending: int
    in_doubt: int
    ended: bool
    finished: bool = False
    kind: str = BROADCAST


class Steering:
    """Of the run `run_id`, whichever machine began it."""

    def __init__(
        self,
        objects: Objects,
        executions: Executions,
        run_id: str,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._objects = objects
        self._executions = executions
        self._run_id = run_id
        self._keys = Keys(run_id)
        self._clock_s = clock_s
        self._sleep = sleep

    def is_going_on(self) -> bool:
        """Whether an execution of the run is running, or may be: one that was just started does not exist yet (DescribeExecution)."""
        latest = self._executions.latest()
        if latest is not None or not self._objects.keys(self._keys.lists):
            return latest is not None and latest.is_running
        return bool(outcomes_in(self._objects, self._run_id).unfinished) and not self._control().stop

    def stop(self) -> Stopped:
        """Begin nothing more, and wait until what was begun has ended. Raises Missing when there is no such run, AwsError."""
        control = self._control()
        if not control.stop:
            self._put(replace(control, stop=True))
        for number in range(1, len(self._objects.keys(self._keys.lists)) + 1):
            self._executions.stop(number)
        return self._until_quiet()

    def set_workers(self, workers: int) -> bool:
        """Let so many workers send at once. Raises Missing, AwsError.

        With fewer, those at work finish their shards first: until then the rate stays divided by the former number, and the answer
        is False.
        """
        control = self._control()
        if workers > control.workers:  # the shares shrink before there are more of them
            self._put(replace(control, workers=workers))
        latest = self._executions.latest()
        if latest is not None and latest.is_running:
            self._executions.set_workers(latest, workers)
            return workers >= control.workers
        self._put(replace(control, workers=workers))
        return True

    def set_rate(self, rate_per_s: float, burst: int) -> None:
        """Let all workers together send so fast, once each has read it (`CONTROL_S`). Raises Missing, AwsError."""
        self._put(replace(self._control(), rate_per_s=rate_per_s, burst=burst))

    def _until_quiet(self) -> Stopped:
        outcomes = outcomes_in(self._objects, self._run_id)
        seen, now_s = _standing(outcomes), self._clock_s()
        quiet_since_s, until_s = now_s, now_s + WAIT_S
        while outcomes.unfinished and quiet_since_s + QUIET_S > now_s and now_s < until_s:
            self._sleep(LOOK_S)
            outcomes.refresh()
            now_s, before, seen = self._clock_s(), seen, _standing(outcomes)
            quiet_since_s = quiet_since_s if seen == before else now_s
        totals = outcomes.totals()
        return Stopped(
            self._run_id,
            delivered=totals.delivered,
            gone=totals.gone,
            failed=totals.failed,
            pending=outcomes.pending,
            in_doubt=totals.in_doubt,
            ended=not outcomes.unfinished or quiet_since_s + QUIET_S <= now_s,
            finished=not outcomes.unfinished,
            kind=spec.kind if (spec := read_spec(self._objects, self._run_id)) else BROADCAST,
        )

    def _control(self) -> Control:
        try:
            return Control.from_bytes(self._objects.get(self._keys.control))
        except NotFound as error:
            raise Missing(
                f"There is no distributed broadcast {self._run_id} in the bucket of this stack: runs are kept for 14 days.",
                hint=Hint(("ws", "broadcasts", "list")),
            ) from error

    def _put(self, control: Control) -> None:
        self._objects.put(self._keys.control, control.to_bytes())


def _standing(outcomes: Outcomes) -> tuple[int, int, int]:
    totals = outcomes.totals()
    return totals.ended, totals.attempts, outcomes.pending


def steering(settings: Settings, aws: Aws, run_id: str) -> Steering:
    """Of a run of the stack of `settings`. Raises UsageError when it has no distributed broadcasts."""
    require_enabled(settings)
    return Steering(bucket_of(settings, aws), Executions(settings, aws, run_id), run_id)


def delete_run_objects(settings: Settings, aws: Aws, run_id: str) -> None:
    """Delete all that the bucket has of a run. Raises AwsError."""
    bucket = Names(settings).broadcast_bucket(aws.account_id)
    delete_objects(aws.client("s3"), bucket, Keys(run_id).root)

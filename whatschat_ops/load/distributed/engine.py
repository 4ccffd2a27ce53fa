"""The command's side of a distributed load test: the objects in S3, the invocations, one report of what all workers measured.

Workers are invoked directly, not by the state machine of broadcasts: all have to begin at once, none may be retried, and there is
nothing to resume. The answer of an invocation says that a worker has ended; what it measured is in S3.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.choices import TokenVia
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LOAD_WORKER
from whatschat_ops.errors import AwsError, Missing, NotFound, OpsError, Unavailable
from whatschat_ops.load.distributed.sharing import Keys, Share, longest_s, plans_of
from whatschat_ops.load.measured import Measured, merged, report_of
from whatschat_ops.load.plan import LoadPlan
from whatschat_ops.load.report import LoadReport, WorkerFigures
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.kinds.bucket import delete_objects
from whatschat_ops.worker.bucket import LOAD_RUNS, Bucket, Objects
from whatschat_ops.worker.control import Control

LOOK_S: Final = 2.0
ANSWER_S: Final = MAX_FUNCTION_TIMEOUT_S + 30
"""An answer that has not come after the longest run of a function does not come."""


@dataclass(frozen=True, slots=True)
class FleetProgress:
    """Where the workers are together, of those that have said so."""

    workers: int
    open_sockets: int
    sent_per_s: int
    arrived_per_s: int
    refused: int
    lost: int


@dataclass
class Fleet:
    """Runs a load test on workers. `invoke` calls one with its event and waits for its end; it raises OpsError when that failed."""

    objects: Objects
    invoke: Callable[[bytes], None]
    plan: LoadPlan
    workers: int
    via: TokenVia
    make_token: Callable[[str], Secret]
    run_id: str
    clock_s: Callable[[], float] = time.monotonic
    look_s: float = LOOK_S

    def run(
        self, stop: threading.Event, progress: Callable[[FleetProgress], None] = lambda _: None
    ) -> LoadReport:
        """The whole test. A worker without figures is named in the report. Raises OpsError when all are, with the cause of the first."""
        keys = self._write()
        ends_s = self.clock_s() + longest_s(self.plan)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="load-worker") as pool:
            futures = [pool.submit(self.invoke, self._event(worker)) for worker in self._numbers]
            try:
                self._follow(keys, futures, stop, progress)
            except BaseException:
                self._stop(keys)
                raise
        return self._report(keys, futures, ends_s)

    @property
    def _numbers(self) -> range:
        return range(1, self.workers + 1)

    def _event(self, worker: int) -> bytes:
        return json.dumps({"run": self.run_id, "worker": worker}).encode()

    def _write(self) -> Keys:
        """Tokens are made here, so that no secret leaves the places where it is; they are of users of this test, and expire."""
        keys = Keys(self.run_id)
        plans = plans_of(self.plan, self.workers)
        for worker, plan in zip(self._numbers, plans, strict=True):
            names = [f"{self.run_id}-{worker}-{user}" for user in range(plan.users)]
            tokens = [self.make_token(name).reveal() for name in names]
            self.objects.put(keys.of("shares", worker), Share(plan, self.via, names, tokens).to_bytes())
        self.objects.put(keys.control, self._control(stop=False))
        return keys

    def _control(self, *, stop: bool) -> bytes:
        return Control(self.plan.connect_rate_per_s, 1, self.workers, self.workers, stop).to_bytes()

    def _stop(self, keys: Keys) -> None:
        self.objects.put(keys.control, self._control(stop=True))

    def _follow(
        self,
        keys: Keys,
        futures: Sequence[Future[None]],
        stop: threading.Event,
        progress: Callable[[FleetProgress], None],
    ) -> None:
        told = False
        while wait(futures, timeout=self.look_s).not_done:
            if stop.is_set() and not told:
                self._stop(keys)
                told = True
            with suppress(AwsError):  # only the figures on the screen
                progress(self._progress(keys))

    def _progress(self, keys: Keys) -> FleetProgress:
        found = []
        for worker in self._numbers:
            with suppress(NotFound):
                found.append(json.loads(self.objects.get(keys.of("progress", worker))))
        points = [each["point"] for each in found]
        return FleetProgress(
            len(found),
            *(sum(point[name] for point in points) for name in ("open_sockets", "sent", "arrived")),
            *(sum(each[name] for each in found) for name in ("refused", "lost")),
        )

    def _report(self, keys: Keys, futures: Sequence[Future[None]], ends_s: float) -> LoadReport:
        found: dict[int, Measured] = {}
        missing: dict[int, OpsError] = {}
        for worker, future in zip(self._numbers, futures, strict=True):
            error = future.exception()
            if error is not None and not isinstance(error, OpsError):
                raise error
            try:
                found[worker] = self._measured(keys, worker, error, ends_s)
            except OpsError as why:
                missing[worker] = error or why
        if not found:
            raise next(iter(missing.values()))
        figures = tuple(_figures(worker, found.get(worker), missing.get(worker)) for worker in self._numbers)
        return report_of(self.plan, merged(list(found.values())), figures)

    def _measured(self, keys: Keys, worker: int, error: OpsError | None, ends_s: float) -> Measured:
        """What a worker measured. The answer to its invocation may have been lost: then it is waited for as long as it may run."""
        while True:
            try:
                return Measured.from_bytes(self.objects.get(keys.of("measured", worker)))
            except NotFound as absent:
                if not isinstance(error, Unavailable) or self.clock_s() >= ends_s:
                    raise Missing(f"The worker {worker} wrote no figures.") from absent
            time.sleep(self.look_s)


def _figures(worker: int, measured: Measured | None, error: OpsError | None) -> WorkerFigures:
    if measured is None:
        return WorkerFigures(worker, missing=error.message if error else "")
    kinds = (measured.pings, measured.messages)
    return WorkerFigures(
        worker,
        opened=measured.opened,
        sent=sum(kind.sent for kind in kinds),
        arrived=sum(kind.arrived for kind in kinds),
        lost=sum(kind.lost for kind in kinds),
        cpu_share=measured.cpu_share,
        send_delay_p99_ms=measured.send_delay.latency().p99_ms,
    )


def new_run_id() -> str:
    """The id of a new run: when it began, and something random."""
    return f"{LOAD_RUNS}{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(3)}"


def bucket_of(settings: Settings, aws: Aws) -> Bucket:
    """Where the runs of the stack of `settings` are."""
    return Bucket(aws.client("s3"), Names(settings).broadcast_bucket(aws.account_id))


def forget_run(settings: Settings, aws: Aws, run_id: str) -> None:
    """Delete the objects of a run: there are tokens among them. Raises AwsError."""
    delete_objects(aws.client("s3"), Names(settings).broadcast_bucket(aws.account_id), Keys(run_id).root)


def stop_run(settings: Settings, aws: Aws, run_id: str) -> None:
    """Tell the workers of a run to end. Raises NotFound when there is no such run."""
    objects, key = bucket_of(settings, aws), Keys(run_id).control
    try:
        if not run_id.startswith(LOAD_RUNS):  # a broadcast has such an object, too
            raise NotFound(run_id)
        control = Control.from_bytes(objects.get(key))
    except NotFound as error:
        raise Missing(f"No load test {run_id} is running: its objects are deleted at its end.") from error
    objects.put(key, replace(control, stop=True).to_bytes())


def invoker(settings: Settings, aws: Aws) -> Callable[[bytes], None]:
    """Invokes a worker and waits for its end. An invocation is never repeated: the test would be another one."""
    patient = Aws(aws.target, aws.ask_code, attempts=1, read_timeout_s=ANSWER_S)
    client: Any = patient.client("lambda")
    name = Names(settings).function(LOAD_WORKER)

    def invoke(event: bytes) -> None:
        answer = client.invoke(FunctionName=name, Payload=event)
        payload = answer["Payload"].read()
        if answer.get("FunctionError"):
            said = json.loads(payload)
            raise OpsError(f"{said.get('errorType', 'Error')}: {said.get('errorMessage', '')}"[:300])

    return invoke

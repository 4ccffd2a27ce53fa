"""Which worker runs the next invocation, and when another worker is started."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.component.local.executor_functions import make_function
from whatschat_ops.local.executor.invocation import Invocation
from whatschat_ops.local.executor.pool import Pool, PoolLimits
from whatschat_ops.local.interfaces import (
    InvocationExpired,
    InvocationResult,
    InvocationThrottled,
    LambdaFunction,
)

LIMITS = PoolLimits(max_workers=4, max_waiting=3, processors=2, spawn_after_s=0.001)


class FakeWorker:
    """A worker whose process is simulated by the test."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.idle_since = 0.0
        self.was_ready = False
        self.waiting = False
        self.failed_to_start = False
        self.busy_s = 0.0
        self.invocation: Invocation | None = None
        self.stopped = False
        self.refused: list[Invocation] = []
        self.lifecycle = asyncio.create_task(asyncio.sleep(0))

    def busy_for_s(self) -> float:
        return self.busy_s

    def run(self, invocation: Invocation) -> None:
        self.invocation, self.waiting = invocation, False

    def refuse(self, invocation: Invocation) -> None:
        self.refused.append(invocation)
        invocation.finish(ANSWER)

    def stop(self) -> None:
        self.stopped = True

    def becomes_ready(self) -> None:
        self.was_ready = self.waiting = True
        self.invocation = None
        self.pool.worker_ready(self)

    def ends(self, *, failed_to_start: bool = False) -> None:
        self.waiting, self.failed_to_start = False, failed_to_start
        self.pool.worker_ended(self)


ANSWER = InvocationResult(b"", None, "r", 0.0, None, "")


class Scene:
    """A pool with fake workers and a clock that the test moves."""

    def __init__(self, limits: PoolLimits = LIMITS) -> None:
        self.now = 0.0
        self.workers: list[FakeWorker] = []
        self.finished = 0
        self.pool = Pool(make_function(), self.start, limits, lambda: self.now)

    def start(self, pool: Pool) -> FakeWorker:
        self.workers.append(FakeWorker(pool))
        return self.workers[-1]

    def submit(self, *, expires_at: float = math.inf) -> Invocation:
        answer = asyncio.get_running_loop().create_future()
        invocation = Invocation(make_function(), b"", answer, self.now, self.count, expires_at)
        self.pool.submit(invocation)
        return invocation

    def count(self, function: LambdaFunction) -> None:
        self.finished += 1

    async def wait(self) -> None:
        """Let the pool check its queue a few times, a second later by its clock."""
        self.now += 1
        await asyncio.sleep(0.02)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_first_invocation_starts_a_worker_and_the_second_waits_for_it() -> None:
    async def scenario() -> None:
        scene = Scene()
        first, second = scene.submit(), scene.submit()
        assert len(scene.workers) == 1
        scene.workers[0].becomes_ready()
        assert scene.workers[0].invocation is first
        scene.workers[0].becomes_ready()
        assert scene.workers[0].invocation is second

    play(scenario)


def test_worker_used_last_is_used_first() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        scene.submit()
        await scene.wait()
        early, late = scene.workers
        for worker in (early, late, early, late):
            worker.becomes_ready()
        invocation = scene.submit()
        assert late.invocation is invocation
        assert early.invocation is None

    play(scenario)


def test_waiting_queue_gets_workers_up_to_the_processors() -> None:
    async def scenario() -> None:
        scene = Scene()
        for _ in range(3):
            scene.submit()
        await scene.wait()
        assert len(scene.workers) == LIMITS.processors

    play(scenario)


def test_short_invocations_get_no_more_workers_than_processors() -> None:
    async def scenario() -> None:
        scene = Scene()
        for _ in range(3):
            scene.submit()
        await scene.wait()
        for worker in scene.workers:
            worker.becomes_ready()
        scene.submit()
        await scene.wait()
        assert len(scene.workers) == 2

    play(scenario)


@pytest.mark.difference(
    "Lambda: concurrency",
    aws="1,000 concurrent executions per account",
    here="8 workers per version; reserved concurrency is exact",
)
def test_long_invocations_get_workers_up_to_the_limit() -> None:
    async def scenario() -> None:
        scene = Scene(dataclasses.replace(LIMITS, max_waiting=100))
        for _ in range(20):
            scene.submit()
        for _ in range(6):
            await scene.wait()
            for worker in scene.workers:
                if not worker.was_ready:
                    worker.becomes_ready()
                worker.busy_s = 1.0
        assert len(scene.workers) == LIMITS.max_workers

    play(scenario)


@pytest.mark.difference(
    "Lambda: concurrency",
    aws="an invocation over the limit is throttled at once",
    here="4,000 invocations wait, the next is throttled",
)
def test_queue_above_its_limit_is_refused() -> None:
    async def scenario() -> None:
        scene = Scene()
        for _ in range(LIMITS.max_waiting):
            scene.submit()
        with pytest.raises(InvocationThrottled):
            scene.submit()

    play(scenario)


def test_invocation_of_a_disconnected_caller_is_dropped() -> None:
    async def scenario() -> None:
        scene = Scene()
        left, stays = scene.submit(), scene.submit()
        left.answer.cancel()
        scene.workers[0].becomes_ready()
        assert scene.workers[0].invocation is stays
        assert scene.finished == 1

    play(scenario)


def test_invocation_whose_caller_was_answered_before_its_turn_is_not_run() -> None:
    async def scenario() -> None:
        scene = Scene()
        late, stays = scene.submit(expires_at=29.0), scene.submit(expires_at=60.0)
        scene.now = 29.0
        scene.workers[0].becomes_ready()
        assert scene.workers[0].invocation is stays
        assert scene.finished == 1
        with pytest.raises(InvocationExpired):
            await late.answer

    play(scenario)


def test_running_invocation_continues_after_its_caller_was_answered() -> None:
    async def scenario() -> None:
        scene = Scene()
        running = scene.submit(expires_at=29.0)
        scene.workers[0].becomes_ready()
        scene.now = 60.0
        running.finish(ANSWER)
        assert await running.answer is ANSWER

    play(scenario)


def test_failed_start_fails_every_waiting_invocation() -> None:
    async def scenario() -> None:
        scene = Scene()
        invocations = [scene.submit(), scene.submit()]
        scene.workers[0].ends(failed_to_start=True)
        assert scene.workers[0].refused == invocations
        assert scene.pool.empty

    play(scenario)


def test_failed_start_of_another_worker_leaves_the_invocations_to_the_others() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        waiting = scene.submit()
        await scene.wait()
        good, bad = scene.workers
        good.becomes_ready()
        bad.ends(failed_to_start=True)
        assert bad.refused == []
        good.becomes_ready()
        assert good.invocation is waiting

    play(scenario)


def test_crash_with_waiting_invocations_starts_a_new_worker() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        waiting = scene.submit()
        scene.workers[0].becomes_ready()
        scene.workers[0].ends()
        assert len(scene.workers) == 2
        scene.workers[1].becomes_ready()
        assert scene.workers[1].invocation is waiting

    play(scenario)


def test_idle_worker_that_is_exiting_is_skipped() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        dying = scene.workers[0]
        dying.becomes_ready()
        dying.becomes_ready()
        dying.waiting = False
        invocation = scene.submit()
        dying.ends()
        scene.workers[1].becomes_ready()
        assert scene.workers[1].invocation is invocation

    play(scenario)


def test_idle_worker_is_stopped_after_the_idle_time_and_not_before() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        worker = scene.workers[0]
        worker.becomes_ready()
        scene.now = 10.0
        worker.becomes_ready()
        scene.now = 69.9
        scene.pool.reap(60.0)
        assert not worker.stopped
        scene.now = 70.0
        scene.pool.reap(60.0)
        assert worker.stopped

    play(scenario)


def test_busy_worker_is_never_reaped() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        scene.workers[0].becomes_ready()
        scene.now = 1e6
        scene.pool.reap(60.0)
        assert not scene.workers[0].stopped

    play(scenario)


def test_retired_pool_finishes_its_invocations_and_ends() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        last = scene.submit()
        scene.workers[0].becomes_ready()
        scene.pool.retire()
        scene.workers[0].becomes_ready()
        assert scene.workers[0].invocation is last
        assert not scene.workers[0].stopped
        scene.workers[0].becomes_ready()
        assert scene.workers[0].stopped

    play(scenario)


def test_closed_pool_cancels_waiting_invocations_and_stops_its_workers() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.submit()
        scene.workers[0].becomes_ready()
        waiting = scene.submit()
        await scene.pool.close()
        assert waiting.answer.cancelled()
        assert scene.workers[0].stopped

    play(scenario)


@pytest.mark.parametrize(
    "change",
    [
        {"code_sha256": "other"},
        {"environment": {"A": "1"}},
        {"credentials": {}},
        {"handler": "app.other"},
        {"memory_mb": 512},
        {"runtime": "python3.13"},
        {"version": "3"},
        {"log_group": "/other"},
    ],
)
def test_changed_function_needs_another_pool(change: dict[str, Any]) -> None:
    async def scenario() -> None:
        assert not Scene().pool.serves(dataclasses.replace(make_function(), **change))

    play(scenario)


def test_other_qualifier_and_timeout_are_served_by_the_same_pool() -> None:
    async def scenario() -> None:
        assert Scene().pool.serves(make_function(qualifier=":live", timeout_s=1.0))

    play(scenario)

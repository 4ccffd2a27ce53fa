"""The loop of one run: one thread, one selector, one request at a time on every connection.

    NextTargets ──▶ Work.ready ──▶ Pace ──▶ Signer ──▶ Connection ──▶ answer ──▶ verdict ──▶ results ──▶ OnResults
                        ▲                                                          │
                        └──────────────────────── Work.retry ◀────────────────────┘

All answers that are there are read, then all requests that can be are sent; the selector sleeps until an answer, a token, a
retry or the next look around. The first request goes alone, and only its target is pulled: a refusal by IAM is then met
once, not by every connection, and leaves nobody else in doubt.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from selectors import EVENT_WRITE
from typing import Final

from whatschat_ops.sender.answers import Answer
from whatschat_ops.sender.connection import Connection
from whatschat_ops.sender.counts import Counts, Latencies
from whatschat_ops.sender.failures import Troubles
from whatschat_ops.sender.keys import Keys
from whatschat_ops.sender.model import OnResults, OnUnsure, Outcome, Result, SendPolicy
from whatschat_ops.sender.pace import Pace
from whatschat_ops.sender.pool import Pool
from whatschat_ops.sender.signing import Signer
from whatschat_ops.sender.verdict import Done, Retry
from whatschat_ops.sender.work import Job, Work

LOOK_AROUND_S: Final = 0.05
"""How often time limits and `should_stop` are looked at and results handed over."""
RESULTS_AT_ONCE: Final = 512
_DELIVERED: Final = Outcome.DELIVERED  # looking it up takes 0.2 µs
IDLE_CLOSE_S: Final = 1.0
"""A connection that was idle for so long and ends without a byte was closed before the request reached the other side."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """`monotonic` for durations, `wall` for signatures (seconds since 1970)."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


class Loop:
    """Lives for one run. `counts`, `latencies` and `pace` may be read from other threads."""

    def __init__(
        self,
        *,
        policy: SendPolicy,
        clocks: Clocks,
        pool: Pool,
        signer: Signer,
        keys: Keys,
        pace: Pace,
        work: Work,
        on_results: OnResults,
        on_unsure: OnUnsure,
        should_stop: Callable[[], bool],
        troubles: Troubles,
        counts: Counts,
        latencies: Latencies,
    ) -> None:
        self._policy, self._clocks, self._pool = policy, clocks, pool
        self._signer, self._keys, self._pace, self._work = signer, keys, pace, work
        self._on_results, self._on_unsure, self._should_stop = on_results, on_unsure, should_stop
        self._counts, self._latencies = counts, latencies
        self._now = clocks.monotonic
        self._results: list[Result] = []
        self._answered: list[float] = []
        self._retried = 0
        self._told = 0
        self._troubles = troubles
        self._probing = True
        self._watchful = True
        self._stop_by_s: float | None = None
        self._look_around_at_s = 0.0
        self.in_flight = 0

    def run(self) -> None:
        """Until everything has ended, or what is in flight when it should stop."""
        try:
            while not self._is_finished():
                self._turn()
        finally:
            self.hand_over()

    def hand_over(self) -> None:
        """Hand over the results so far. They are forgotten first: what fails half-way must not be handed over twice."""
        self._tell_pace()
        self._told = 0
        latencies, self._answered = self._answered, []
        self._latencies.add(latencies)
        results, self._results = self._results, []
        if results:
            self._on_results(results)

    def _is_finished(self) -> bool:
        work = self._work
        return work.no_more and not self.in_flight and not work.ready and not work.waiting

    @property
    def _waits_for_the_first(self) -> bool:
        """Whether the first request is out and not answered."""
        return self._probing and self.in_flight > 0

    def _turn(self) -> None:
        now_s = self._now()
        self._tell_pace()
        if now_s >= self._look_around_at_s or len(self._results) >= RESULTS_AT_ONCE:
            self._look_around(now_s)
        self._pace.fill(now_s)
        if not self._waits_for_the_first:
            self._work.replenish(now_s, self._pace.rate_per_s, probing=self._probing)
        self._begin(now_s)
        for key, events in self._pool.wait(self._timeout_s()):
            connection: Connection = key.data
            if connection.opening:
                self._pool.advance(connection, self._now())
            else:
                self._on_event(connection, events)

    def _tell_pace(self) -> None:
        count = len(self._answered) - self._told
        if count:
            self._pace.answered(count, count - self._retried)
            self._told += count
            self._retried = 0

    def _look_around(self, now_s: float) -> None:
        self._look_around_at_s = now_s + LOOK_AROUND_S
        if self._keys.renew_if_due(self._clocks.wall()):
            self._signer.use(self._keys.current)
        self._pool.close_overdue(now_s)
        for connection in self._pool.overdue(now_s - self._policy.request_timeout_s):
            self._broken(connection, TimeoutError(f"no answer within {self._policy.request_timeout_s:g} s"))
        if self._stop_by_s is None and self._should_stop():
            self._stop_by_s = now_s + self._policy.request_timeout_s
            self._work.stop()
        if self._stop_by_s is not None and now_s > self._stop_by_s:
            self._work.ready.clear()
        self.hand_over()

    def _timeout_s(self) -> float:
        """Until something can be done that no event announces."""
        now_s, work, pool = self._now(), self._work, self._pool
        if self._is_finished():
            return 0.0
        until_s = self._look_around_at_s
        if work.ready and not self._waits_for_the_first:
            token_s = now_s + self._pace.wait_s()
            if pool.idle:
                until_s = min(until_s, token_s)
            elif not pool.all:
                until_s = min(until_s, max(token_s, pool.open_again_at_s))
        if work.next_due_s is not None:
            until_s = min(until_s, work.next_due_s)
        if work.ask_at_s is not None and not work.ready and not self._waits_for_the_first:
            until_s = min(until_s, work.ask_at_s)
        return max(0.0, until_s - now_s)

    def _begin(self, now_s: float) -> None:
        """Send what can be sent on idle connections, and open more when they are not enough."""
        ready, pool = self._work.ready, self._pool
        if not ready or self._waits_for_the_first:
            return
        self._signer.at(self._clocks.wall())
        for connection, job, request in self._signed():
            self._send(connection, job, request, self._now())
        if pool.idle or self._waits_for_the_first:
            return
        missing = len(ready) - pool.opening
        while missing > 0 and self._pace.tokens >= 1.0 and pool.may_open(now_s):
            pool.open(now_s)
            missing -= 1

    def _signed(self) -> list[tuple[Connection, Job, bytes]]:
        """What can be sent now. All of it is signed before any is sent: then the kernel wakes the other side once for many."""
        ready, idle = self._work.ready, self._pool.idle
        most = min(len(ready), len(idle), 1 if self._probing else len(idle))
        signed: list[tuple[Connection, Job, bytes]] = []
        while len(signed) < most and self._pace.take():
            job = ready.popleft()
            signed.append((idle.pop(), job, self._signer.request(job.connection_id)))
        return signed

    def _send(self, connection: Connection, job: Job, request: bytes, now_s: float) -> None:
        if job.attempts == 0:
            job.began_s = now_s
        job.attempts += 1
        connection.job = job
        connection.key_version = self._keys.version
        connection.idle_for_s = now_s - connection.idle_since_s
        connection.sent_s = now_s
        self._counts.attempts += 1
        self.in_flight += 1
        try:
            if not connection.send(request):
                self._pool.also_wait_to_write(connection, True)
        except OSError as error:
            self._broken(connection, error)

    def _on_event(self, connection: Connection, events: int) -> None:
        try:
            if events & EVENT_WRITE and connection.flush():
                self._pool.also_wait_to_write(connection, False)
            answer = connection.receive()
        except OSError as error:
            self._broken(connection, error)
            return
        job = connection.job
        if job is None:
            if answer is not None or not connection.is_untouched:  # nobody asked for it
                self._pool.close(connection)
            return
        if answer is None:
            return
        now_s = self._now()
        latency_s = now_s - connection.sent_s
        connection.job = None
        connection.answers += 1
        if connection.answers == 1:
            connection.keep_session()
        self.in_flight -= 1
        self._answered.append(latency_s)
        if 200 <= answer.status < 300:
            self._delivered(job, latency_s)
        else:
            self._refused(connection, job, answer, latency_s)
        connection.idle_since_s = now_s
        if answer.keep_alive:
            self._pool.idle.append(connection)
        else:
            self._pool.close(connection)

    def _delivered(self, job: Job, latency_s: float) -> None:
        self._counts.delivered += 1
        self._results.append(Result(job.number, _DELIVERED, "", job.attempts, latency_s))
        if job.attempts > 1:
            self._retried += 1
        if self._watchful:
            self._watchful = self._probing = False
            self._troubles.over()

    def _refused(self, connection: Connection, job: Job, answer: Answer, latency_s: float) -> None:
        if job.attempts > 1:
            self._retried += 1
        self._watchful = True
        elapsed_s = self._now() - job.began_s
        verdict = self._troubles.refused(answer, job, elapsed_s, connection.key_version)
        if self._troubles.has_new_keys(connection.key_version):
            self._signer.use(self._keys.current)
        self._settle(job, verdict, latency_s)

    def _broken(self, connection: Connection, error: OSError) -> None:
        """The connection is of no use any more; its request may or may not have arrived."""
        job, connection.job = connection.job, None
        self._pool.close(connection)
        if job is None:
            return
        self.in_flight -= 1
        if connection.answers and connection.is_untouched and _was_closed(connection, error):
            job.attempts -= 1
            self._is_unsure()  # unlikely to have arrived, but nothing says that it did not
            self._work.ready.appendleft(job)
            return
        now_s = self._now()
        verdict = self._troubles.broken(error, job, now_s - job.began_s)
        if isinstance(verdict, Retry):
            self._is_unsure()
        self._settle(job, verdict, now_s - connection.sent_s)

    def _is_unsure(self) -> None:
        """Somebody is sent to again who may have got the message. Told first: a kill must not find the second copy uncounted."""
        self._counts.unsure += 1
        self._on_unsure(1)

    def _settle(self, job: Job, verdict: Done | Retry, latency_s: float) -> None:
        self._probing = False
        if isinstance(verdict, Retry):
            if self._stop_by_s is None:
                self._work.retry(job, self._now() + verdict.delay_s)
            return
        if verdict.outcome is Outcome.FAILED:
            self._counts.failed += 1
        elif verdict.outcome is Outcome.GONE:
            self._counts.gone += 1
        self._results.append(Result(job.number, verdict.outcome, verdict.reason, job.attempts, latency_s))


def _was_closed(connection: Connection, error: OSError) -> bool:
    return connection.idle_for_s >= IDLE_CLOSE_S and isinstance(error, ConnectionError | ssl.SSLError)

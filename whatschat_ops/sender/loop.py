"""The loop of one run: one thread, one selector, one request at a time on every connection.

    NextTargets ──▶ Work.ready ──▶ AdaptiveRate ──▶ Signer ──▶ HttpConnection ──▶ answer ──▶ verdict ──▶ OnResults
                        ▲                                                                        │
                        └─────────────────────────────── Work.retry ◀────────────────────────────┘

In each turn all available answers are read, then as many requests as possible are sent; the selector sleeps until an answer, a
token, a retry or the next check. The first request goes alone, and only its target is pulled: a refusal by IAM is then met
once, not on every connection, and leaves no other target in doubt.
"""

from __future__ import annotations

import ssl
from selectors import EVENT_WRITE
from typing import Final

from whatschat_ops.sender.answers import Answer, is_page
from whatschat_ops.sender.connection import HttpConnection
from whatschat_ops.sender.loop_state import Parts, Phase, State
from whatschat_ops.sender.model import Outcome, Result
from whatschat_ops.sender.verdict import Done, Retry
from whatschat_ops.sender.work import Job

CHECK_EVERY_S: Final = 0.05
"""How often time limits and `should_stop` are checked and results handed over."""
RESULTS_AT_ONCE: Final = 512
_DELIVERED: Final = Outcome.DELIVERED  # looking it up takes 0.2 µs
IDLE_CLOSE_S: Final = 1.0
"""A connection that was idle for so long and ends without a byte was closed before the request reached the other side."""


class Loop:
    """Lives for one run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._now = parts.clocks.monotonic
        self._state = State()

    @property
    def in_flight(self) -> int:
        """How many requests are sent and not answered; from any thread."""
        return self._state.in_flight

    @property
    def waiting_for_retry(self) -> int:
        """How many targets wait for another attempt; from any thread."""
        return self._parts.work.waiting

    def run(self) -> None:
        """Until everything has ended, or what is in flight when it should stop."""
        try:
            while not self._is_finished():
                self._turn()
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand over the results so far. They are forgotten first: what fails half-way must not be handed over twice."""
        self._tell_rate()
        results, self._state.results = self._state.results, []
        if results:
            self._parts.on_results(results)

    def _is_finished(self) -> bool:
        work = self._parts.work
        return work.no_more and not self._state.in_flight and not work.ready and not work.waiting

    def _turn(self) -> None:
        parts, state = self._parts, self._state
        now_s = self._now()
        self._tell_rate()
        if now_s >= state.check_at_s or len(state.results) >= RESULTS_AT_ONCE:
            self._check(now_s)
        parts.rate.fill(now_s)
        if not state.waits_for_the_first:
            parts.work.replenish(now_s, parts.rate.rate_per_s, probing=state.phase is Phase.PROBING)
        self._begin(now_s)
        for key, events in parts.pool.wait(self._timeout_s()):
            connection: HttpConnection = key.data
            if connection.opening:
                parts.pool.advance(connection, self._now())
            else:
                self._on_event(connection, events)

    def _tell_rate(self) -> None:
        state = self._state
        if state.answers:
            self._parts.rate.answered(state.answers, state.answers - state.retried_answers)
            state.answers = state.retried_answers = 0

    def _check(self, now_s: float) -> None:
        """What is looked at from time to time: keys, time limits, whether to stop."""
        parts, state = self._parts, self._state
        state.check_at_s = now_s + CHECK_EVERY_S
        if parts.keys.renew_if_due(parts.clocks.wall()):
            parts.signer.use(parts.keys.current)
        timeout_s = parts.policy.request_timeout_s
        parts.pool.close_overdue(now_s)
        for connection in parts.pool.overdue(now_s - timeout_s):
            self._broken(connection, TimeoutError(f"no answer within {timeout_s:g} s"))
        if state.phase is not Phase.STOPPING and parts.should_stop():
            state.phase, state.stop_by_s = Phase.STOPPING, now_s + timeout_s
            parts.work.stop()
        if state.phase is Phase.STOPPING and now_s > state.stop_by_s:
            parts.work.ready.clear()
        self._hand_over()

    def _timeout_s(self) -> float:
        """Until something can be done that no event announces."""
        now_s, work, pool = self._now(), self._parts.work, self._parts.pool
        if self._is_finished():
            return 0.0
        until_s = self._state.check_at_s
        may_send = not self._state.waits_for_the_first
        if work.ready and may_send:
            token_s = now_s + self._parts.rate.wait_s()
            if pool.idle:
                until_s = min(until_s, token_s)
            elif not pool.all:
                until_s = min(until_s, max(token_s, pool.open_again_at_s))
        if work.next_due_s is not None:
            until_s = min(until_s, work.next_due_s)
        if work.ask_at_s is not None and not work.ready and may_send:
            until_s = min(until_s, work.ask_at_s)
        return max(0.0, until_s - now_s)

    def _begin(self, now_s: float) -> None:
        """Send what can be sent on idle connections, and open more when they are not enough."""
        parts, state = self._parts, self._state
        ready, pool = parts.work.ready, parts.pool
        if not ready or state.waits_for_the_first:
            return
        parts.signer.at(parts.clocks.wall())
        for connection, job, request in self._signed():
            self._send(connection, job, request, self._now())
        if pool.idle or state.waits_for_the_first:
            return
        missing = len(ready) - pool.opening
        while missing > 0 and parts.rate.tokens >= 1.0 and pool.may_open(now_s):
            pool.open(now_s)
            missing -= 1

    def _signed(self) -> list[tuple[HttpConnection, Job, bytes]]:
        """What can be sent now. All of it is signed before any is sent: then the kernel wakes the other side once for many."""
        parts = self._parts
        ready, idle = parts.work.ready, parts.pool.idle
        most = min(len(ready), len(idle), 1 if self._state.phase is Phase.PROBING else len(idle))
        take, sign = parts.rate.take, parts.signer.request
        signed: list[tuple[HttpConnection, Job, bytes]] = []
        while len(signed) < most and take():
            job = ready.popleft()
            signed.append((idle.pop(), job, sign(job.connection_id)))
        return signed

    def _send(self, connection: HttpConnection, job: Job, request: bytes, now_s: float) -> None:
        parts = self._parts
        if job.attempts == 0:
            job.began_s = now_s
        job.attempts += 1
        connection.job = job
        connection.key_version = parts.keys.version
        connection.idle_for_s = now_s - connection.idle_since_s
        connection.sent_s = now_s
        parts.counts.attempts += 1
        self._state.in_flight += 1
        try:
            if not connection.send(request):
                parts.pool.also_wait_to_write(connection, True)
        except OSError as error:
            self._broken(connection, error)

    def _on_event(self, connection: HttpConnection, events: int) -> None:
        pool = self._parts.pool
        try:
            if events & EVENT_WRITE and connection.flush():
                pool.also_wait_to_write(connection, False)
            answer = connection.receive()
        except OSError as error:
            self._broken(connection, error)
            return
        job = connection.job
        if job is None:
            if answer is not None or not connection.is_untouched:  # nothing was asked
                pool.close(connection)
        elif answer is not None:
            self._answered(connection, job, answer)
            if answer.keep_alive:
                pool.idle.append(connection)
            else:
                pool.close(connection)

    def _answered(self, connection: HttpConnection, job: Job, answer: Answer) -> None:
        state = self._state
        now_s = self._now()
        latency_s = now_s - connection.sent_s
        connection.job = None
        connection.idle_since_s = now_s
        connection.answers += 1
        if connection.answers == 1:
            connection.keep_session()
        state.in_flight -= 1
        state.answers += 1
        if job.attempts > 1:
            state.retried_answers += 1
        if 200 <= answer.status < 300 and not is_page(answer):
            self._delivered(job, latency_s)
        else:
            self._refused(connection, job, answer, latency_s)

    def _delivered(self, job: Job, latency_s: float) -> None:
        parts, state = self._parts, self._state
        parts.counts.delivered += 1
        state.results.append(Result(job.number, _DELIVERED, "", job.attempts, latency_s))
        if parts.failures.awaits_success:
            parts.failures.accepted()
            self._end_probing()

    def _refused(self, connection: HttpConnection, job: Job, answer: Answer, latency_s: float) -> None:
        parts = self._parts
        elapsed_s = self._now() - job.began_s
        verdict = parts.failures.refused(answer, job, elapsed_s, connection.key_version)
        if connection.key_version != parts.keys.version:
            parts.signer.use(parts.keys.current)
        self._settle(job, verdict, latency_s)

    def _broken(self, connection: HttpConnection, error: OSError) -> None:
        """The connection cannot be used any more; its request may or may not have arrived."""
        parts = self._parts
        job, connection.job = connection.job, None
        parts.pool.close(connection)
        if job is None:
            return
        self._state.in_flight -= 1
        if connection.answers and connection.is_untouched and _was_closed(connection, error):
            job.attempts -= 1
            self._note_in_doubt()  # unlikely to have arrived, but nothing says that it did not
            parts.work.ready.appendleft(job)
            return
        now_s = self._now()
        verdict = parts.failures.broken(error, job, now_s - job.began_s)
        if isinstance(verdict, Retry):
            self._note_in_doubt()
        self._settle(job, verdict, now_s - connection.sent_s)

    def _note_in_doubt(self) -> None:
        """A target that may have got the message is sent to again. Told first: a kill must not find the second copy uncounted."""
        self._parts.counts.in_doubt += 1
        self._parts.on_in_doubt(1)

    def _settle(self, job: Job, verdict: Done | Retry, latency_s: float) -> None:
        parts, state = self._parts, self._state
        self._end_probing()
        if isinstance(verdict, Retry):
            if state.phase is not Phase.STOPPING:
                parts.work.retry(job, self._now() + verdict.delay_s)
            return
        if verdict.outcome is Outcome.FAILED:
            parts.counts.failed += 1
        elif verdict.outcome is Outcome.GONE:
            parts.counts.gone += 1
        state.results.append(Result(job.number, verdict.outcome, verdict.reason, job.attempts, latency_s))

    def _end_probing(self) -> None:
        if self._state.phase is Phase.PROBING:
            self._state.phase = Phase.SENDING


def _was_closed(connection: HttpConnection, error: OSError) -> bool:
    return connection.idle_for_s >= IDLE_CLOSE_S and isinstance(error, ConnectionError | ssl.SSLError)

"""Answers other than 2xx, and broken connections: counted, reported to the adaptive rate, judged.

Some concern not one connection but the run, and raise, at the start or when many come in a row: PermissionDenied for a
refusal by IAM, NotFound for a URL that is no callback URL; CredentialsError for keys that have expired and are not renewed.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.sender.adaptive_rate import AdaptiveRate, Throttle, throttle_of
from whatschat_ops.sender.answers import Answer, error_code, error_message
from whatschat_ops.sender.keys import Keys
from whatschat_ops.sender.model import NO_ANSWER, POST, Counts, Operation, SendPolicy
from whatschat_ops.sender.pool import explain
from whatschat_ops.sender.verdict import (
    Done,
    FailedAttempt,
    Retry,
    is_temporary,
    judge,
    reason_of,
    says_expired,
    says_skewed,
)
from whatschat_ops.sender.work import Job

OF_THE_RUN: Final = frozenset({401, 403, 404, 405})
"""Answers (and redirects) that are about the caller or the URL, not about one connection."""
REFUSALS_IN_A_ROW: Final = 64
"""After this many of them without an acceptance in between, all others would be refused, too."""
SHORTEST_ID: Final = 8
"""API Gateway's have 16 characters; replacing a shorter one could change other words."""
SKEW_S: Final = 240.0
"""AWS accepts a signature for five minutes."""


class Failures:
    """Says what becomes of a target that was not delivered to.

    `awaits_success`: nothing was accepted since the start, or since the last answer other than 2xx; the loop calls
    `accepted` at the next success.
    """

    def __init__(
        self,
        policy: SendPolicy,
        counts: Counts,
        rate: AdaptiveRate,
        keys: Keys,
        *,
        wall: Callable[[], float],
        jitter: Callable[[], float],
        operation: Operation = POST,
    ) -> None:
        self._policy, self._counts, self._rate, self._keys = policy, counts, rate, keys
        self._wall, self._jitter, self._operation = wall, jitter, operation
        self._refused_in_a_row = 0
        self._ever_accepted = False
        self.awaits_success = True

    def accepted(self) -> None:
        """A message was accepted."""
        self.awaits_success = False
        self._keys_are_good()

    def _keys_are_good(self) -> None:
        self._ever_accepted = True
        self._refused_in_a_row = 0
        self._keys.accepted()

    def refused(self, answer: Answer, job: Job, elapsed_s: float, key_version: int) -> Done | Retry:
        """An answer that is not 2xx, or a web page. Raises PermissionDenied, NotFound, CredentialsError."""
        self.awaits_success = True
        code, message = error_code(answer), error_message(answer)
        if answer.status == 403 and says_expired(code, message):
            self._keys.renew_expired(key_version, self._wall())
            job.attempts -= 1  # it said nothing about this target
            return Retry(0.0)
        page = answer.status < 300  # of something else, which has accepted nothing
        if page:
            message = "a web page, which is no answer of API Gateway"
        if page or answer.status in OF_THE_RUN or 300 <= answer.status < 400:
            self._refused(answer, code, message)
        elif is_temporary(answer.status):
            self._count(answer.status, code, message, job)
        else:  # for a reason of its own
            self._keys_are_good()
        # Without the id, so that what went wrong for the same reason has the same reason.
        if len(job.connection_id) >= SHORTEST_ID:
            message = message.replace(job.connection_id, "ID")
        reason = reason_of(answer.status, code, message)
        return judge(
            FailedAttempt(404 if page else answer.status, reason),
            job.attempts,
            elapsed_s,
            self._policy,
            self._jitter(),
        )

    def broken(self, error: OSError, job: Job, elapsed_s: float) -> Done | Retry:
        """The connection broke: the message may have arrived."""
        self._counts.transport_errors += 1
        failure = FailedAttempt(0, f"{NO_ANSWER}: {explain(error)}")
        return judge(failure, job.attempts, elapsed_s, self._policy, self._jitter())

    def _count(self, status: int, code: str, message: str, job: Job) -> None:
        if status == 429:
            taken_for = self._rate.throttled(throttle_of(code, message), first=job.attempts == 1)
            if taken_for is Throttle.ACCOUNT:
                self._counts.account_throttled += 1
            else:
                self._counts.client_buffer_full += 1
        elif status >= 500:
            self._counts.server_errors += 1

    def _refused(self, answer: Answer, code: str, message: str) -> None:
        self._refused_in_a_row += 1
        if self._ever_accepted and self._refused_in_a_row < REFUSALS_IN_A_ROW:
            return
        why = reason_of(answer.status, code, message or "it gives no reason")
        skew_s = self._skew_s(answer)
        if answer.status not in (401, 403):
            raise NotFound(
                f"The endpoint is not the callback URL of a WebSocket API: {why}",
                aws_code=code,
                operation=self._operation.name,
            )
        if says_skewed(code, message) or abs(skew_s) > SKEW_S:
            raise PermissionDenied(
                f"AWS refuses the signature because this machine's clock is {abs(skew_s):.0f} s "
                f"{'ahead' if skew_s > 0 else 'behind'}: {why}",
                hint="Set the clock (for example: sudo timedatectl set-ntp true), then resume.",
                aws_code=code,
                operation=self._operation.name,
            )
        raise PermissionDenied(
            f"API Gateway refuses to {self._operation.words} connections, which needs execute-api:ManageConnections: {why}",
            aws_code=code,
            operation=self._operation.name,
        )

    def _skew_s(self, answer: Answer) -> float:
        """How far this machine's clock is ahead of the answer's Date."""
        try:
            return self._wall() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return 0.0

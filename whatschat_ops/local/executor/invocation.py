"""One invocation on its way through the executor."""

from __future__ import annotations

import asyncio
import math
import os
import time
import uuid
from collections.abc import Callable

from whatschat_ops.local.interfaces import InvocationExpired, InvocationResult, LambdaFunction


class Invocation:
    """An event for a function, and the future of its result.

    The caller may disconnect, or wait no longer than `expires_at`: an invocation that has not started is then dropped,
    a running one continues to its end, as on AWS. Times are those of the executor's clock, in seconds.
    """

    __slots__ = (
        "_client_context",
        "_on_finished",
        "answer",
        "expires_at",
        "function",
        "payload",
        "queued_at",
        "request_id",
    )

    def __init__(
        self,
        function: LambdaFunction,
        payload: bytes,
        answer: asyncio.Future[InvocationResult],
        queued_at: float,
        on_finished: Callable[[LambdaFunction], None],
        expires_at: float = math.inf,
        request_id: str | None = None,
        client_context: str | None = None,
    ) -> None:
        self.function = function
        self.payload = payload
        self.answer = answer
        self.queued_at = queued_at
        self.expires_at = expires_at
        self.request_id = request_id or str(uuid.uuid4())
        self._client_context = client_context
        self._on_finished = on_finished

    def event_headers(self) -> dict[str, str]:
        """The headers of the event in the Runtime API; the deadline counts from now."""
        now_s, trace = time.time(), os.urandom(16).hex()
        deadline_ms = int((now_s + self.function.timeout_s) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(now_s):08x}-{trace[:24]};Parent={trace[16:]};Sampled=0",
        }
        if self._client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = self._client_context
        return headers

    def is_abandoned(self, now: float) -> bool:
        """Whether the caller no longer waits."""
        return self.answer.done() or now >= self.expires_at

    def finish(self, result: InvocationResult) -> None:
        """Set the result."""
        if not self.answer.done():
            self.answer.set_result(result)
        self._on_finished(self.function)

    def expire(self) -> None:
        """End an invocation whose caller no longer waits."""
        if not self.answer.done():
            self.answer.set_exception(InvocationExpired())
        self._on_finished(self.function)

    def drop(self) -> None:
        """End an invocation that will not be run."""
        self.answer.cancel()
        self._on_finished(self.function)

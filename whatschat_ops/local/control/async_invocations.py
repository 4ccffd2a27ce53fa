"""Asynchronous invocations: retries, maximum age, destinations and dead letters, as Lambda documents them.

Sources: Lambda guide, "invocation-async-error-handling" (intervals, throttles) and "invocation-async-retain-records"
(records); the records and attributes as recorded on AWS. An event that waits for its next attempt is kept in memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from whatschat_ops.local.control.lambda_invoke import InvokeCall, current_call

RETRY_INTERVAL_S: Final = 60.0
"""Before the second attempt; twice as long before the third."""
MAX_THROTTLE_INTERVAL_S: Final = 300.0
DEFAULT_RETRIES: Final = 2
DEFAULT_MAX_AGE_S: Final = 21_600
HTTP_OK: Final = 200
HTTP_THROTTLED: Final = 429
MAX_ERROR_CHARACTERS: Final = 1024
MAX_EVENTS: Final = 8_000
"""Of all functions, that run or wait; the payloads of more would fill the memory."""
MAX_RUNNING_PER_FUNCTION: Final = 64
"""Each attempt takes a thread. For each function, so that a slow one does not hold up the others."""
DISABLED: Final = "ZeroReservedConcurrency"
"""The condition of an event whose function may not run, and below AWS's text for its dead letter."""
NOT_INVOKED: Final = "Function not invoked. Function isconfigured with zero reserved concurrent executions"

Record = Mapping[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How the events of one qualifier of a function are processed."""

    function_arn: str
    """Qualified, `$LATEST` included, as in records."""
    role_arn: str
    max_retries: int = DEFAULT_RETRIES
    max_age_s: float = DEFAULT_MAX_AGE_S
    on_success: str | None = None
    on_failure: str | None = None
    dead_letter: str | None = None
    is_disabled: bool = False
    """Its reserved concurrency is zero: Lambda sends its events to where failed ones go, and runs none."""

    @property
    def function_name(self) -> str:
        """The name, for metrics."""
        return self.function_arn.split(":")[6]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt. A throttled one did not run."""

    payload: Any = None
    function_error: str | None = None
    version: str = "$LATEST"
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event: `condition` is "Success" or the reason of the failure."""

    condition: str
    attempts: int
    last: Attempt


class Delivery(Protocol):
    """Sends records and dead letters. Called in threads; raises nothing."""

    def send_record(self, settings: EventSettings, target_arn: str, record: Record) -> None: ...
    def send_dead_letter(
        self, settings: EventSettings, target_arn: str, event: Any, attributes: Mapping[str, str]
    ) -> None: ...
    def record_dropped(self, settings: EventSettings) -> None: ...


class AsyncInvocations:
    """Processes events, each with one request id, on the event loop of the executor."""

    def __init__(
        self,
        settings_of: Callable[[Record], EventSettings],
        run: Callable[[Any, Any], Attempt],
        delivery: Delivery,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`run(function record, event)` runs one attempt; it may block."""
        self._settings_of = settings_of
        self._run = run
        self._delivery = delivery
        self._clock = clock
        self._sleep = sleep
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def use_loop(self) -> None:
        """Process events on the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def submit(self, function: Any, event: Any) -> None:
        """Queue an event for a function record of ministack. From any thread; replaces its `invoke_async_with_retry`."""
        if self._loop is None:
            raise RuntimeError("there is no event loop to process events on")
        call = current_call.get()
        if len(self._tasks) >= MAX_EVENTS:
            _refuse(function, call)
            return
        call = InvokeCall(call.request_id) if call is not None else InvokeCall()
        context = copy_context()
        context.run(current_call.set, call)

        def start(loop: asyncio.AbstractEventLoop) -> None:
            task = loop.create_task(self.process(function, event, call), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        self._loop.call_soon_threadsafe(start, self._loop)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("An event was dropped: %s", error or repr(error))

    def close(self) -> None:
        """Drop the events that wait."""
        for task in self._tasks:
            task.cancel()

    async def process(self, function: Any, event: Any, call: InvokeCall) -> None:
        """Run the event to its end, and send what the function's settings say."""
        settings = self._settings_of(function)
        running = self._running.setdefault(settings.function_arn, asyncio.Semaphore(MAX_RUNNING_PER_FUNCTION))
        outcome = await self._outcome(
            settings,
            lambda: self._run(function, event),
            lambda: self._settings_of(function).is_disabled,
            running,
        )
        target = settings.on_success if outcome.condition == "Success" else settings.on_failure
        if target is not None:
            record = record_of(settings, call.request_id, event, outcome, datetime.now(UTC))
            async with running:
                await _in_thread(lambda: self._delivery.send_record(settings, target, record))
        dead_letter = settings.dead_letter
        if outcome.condition != "Success" and dead_letter is not None:
            attributes = dead_letter_attributes(call.request_id, outcome)
            async with running:
                await _in_thread(
                    lambda: self._delivery.send_dead_letter(settings, dead_letter, event, attributes)
                )
        if (
            outcome.condition != "Success"
        ):  # also when it was sent elsewhere before (Lambda guide, "monitoring-metrics-types")
            self._delivery.record_dropped(settings)

    async def _outcome(
        self,
        settings: EventSettings,
        run: Callable[[], Attempt],
        is_disabled: Callable[[], bool],
        running: asyncio.Semaphore,
    ) -> Outcome:
        expires_at = self._clock() + settings.max_age_s
        attempts, throttles, last = 0, 0, Attempt(throttled=True)
        while True:
            if is_disabled():
                return Outcome(DISABLED, attempts, last)
            async with running:
                attempt = await _in_thread(run)
            if attempt.throttled:
                wait_s = min(2.0**throttles, MAX_THROTTLE_INTERVAL_S)
                throttles += 1
            else:
                attempts, last = attempts + 1, attempt
                if attempt.function_error is None:
                    return Outcome("Success", attempts, last)
                if attempts > settings.max_retries:
                    return Outcome("RetriesExhausted", attempts, last)
                wait_s = RETRY_INTERVAL_S * attempts
            await self._sleep(max(0.0, min(wait_s, expires_at - self._clock())))
            if self._clock() >= expires_at:
                return Outcome("EventAgeExceeded", attempts, last)


def _refuse(function: Record, call: InvokeCall | None) -> None:
    """An Invoke gets an error; an event of a service is a line in the log of the embedded AWS."""
    arn = function["config"]["FunctionArn"]
    refusal = (
        f"An event for {arn} is refused: the embedded AWS does not keep more than {MAX_EVENTS:,} events."
    )
    _log.warning(refusal)
    if call is not None:
        call.refused = refusal


def record_of(
    settings: EventSettings, request_id: str, event: Any, outcome: Outcome, now: datetime
) -> dict[str, Any]:
    """The invocation record for a destination. Without a response, if no attempt was run."""
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": settings.function_arn,
            "condition": outcome.condition,
            "approximateInvokeCount": outcome.attempts,
        },
        "requestPayload": event,
    }
    if outcome.last.throttled:
        return record
    response = {"statusCode": HTTP_OK, "executedVersion": outcome.last.version}
    if outcome.last.function_error is not None:
        response["functionError"] = outcome.last.function_error
    return {**record, "responseContext": response, "responsePayload": outcome.last.payload}


def dead_letter_attributes(request_id: str, outcome: Outcome) -> dict[str, str]:
    """The message attributes of a dead letter, whose body is the event itself."""
    last = outcome.last
    if outcome.condition == DISABLED:
        return {"RequestID": request_id, "ErrorMessage": NOT_INVOKED}
    if last.throttled:
        return {
            "RequestID": request_id,
            "ErrorCode": str(HTTP_THROTTLED),
            "ErrorMessage": "Rate Exceeded.",
        }
    document = last.payload if isinstance(last.payload, Mapping) else {}
    message = str(document.get("errorMessage") or json.dumps(last.payload))
    return {
        "RequestID": request_id,
        "ErrorCode": str(HTTP_OK),
        "ErrorMessage": message[:MAX_ERROR_CHARACTERS],
    }


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Run blocking work in a thread of its own: a pool would fill with functions that invoke others."""
    done: Future[Any] = Future()
    done.set_running_or_notify_cancel()  # a cancelled task does not cancel it: the work goes on

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001  raised where it is awaited
            done.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="whatschat-event", daemon=True).start()
    return await asyncio.wrap_future(done)

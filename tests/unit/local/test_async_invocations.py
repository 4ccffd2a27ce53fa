"""Retries, ages and records of asynchronous invocations, on a clock of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from whatschat_ops.local.control import async_invocations
from whatschat_ops.local.control.async_invocations import (
    AsyncInvocations,
    Attempt,
    EventSettings,
    Outcome,
    Record,
    dead_letter_attributes,
    record_of,
)
from whatschat_ops.local.control.lambda_invoke import InvokeCall, current_call

ARN = "arn:aws:lambda:us-east-1:000000000000:function:probe:$LATEST"
FINE = Attempt("done")
FAILED = Attempt({"errorMessage": "intended", "errorType": "Exception"}, "Unhandled")
THROTTLED = Attempt(throttled=True)


class Scene:
    """One event, whose attempts have these results: the last one for ever."""

    def __init__(self, *results: Attempt, **settings: Any) -> None:
        targets = {"on_success": "success", "on_failure": "failure", "dead_letter": "letters"}
        self.settings = EventSettings(ARN, "role", **{**targets, **settings})
        self.now = 0.0
        self.attempts: list[float] = []
        self.ids: list[str] = []
        self.records: list[tuple[str, Record]] = []
        self.letters: list[tuple[str, Any, Mapping[str, str]]] = []
        self.dropped = 0
        self._results = list(results)
        self.disabled_after: int | None = None
        self.on_letter: Callable[[], object] = lambda: None

    def send_record(self, settings: EventSettings, target_arn: str, record: Record) -> None:
        self.records.append((target_arn, record))

    def send_dead_letter(
        self, settings: EventSettings, target_arn: str, event: Any, attributes: Mapping[str, str]
    ) -> None:
        self.letters.append((target_arn, event, attributes))
        self.on_letter()

    def record_dropped(self, settings: EventSettings) -> None:
        assert settings.function_name == ARN.split(":")[6]
        self.dropped += 1

    def play(self) -> Scene:
        asyncio.run(self.invocations().process({}, {"number": 1}, InvokeCall("request-1")))
        return self

    def invocations(self) -> AsyncInvocations:
        return AsyncInvocations(
            lambda _function: replace(self.settings, is_disabled=len(self.attempts) == self.disabled_after),
            self._run,
            self,
            clock=lambda: self.now,
            sleep=self._sleep,
        )

    def _run(self, _function: Any, _event: Any) -> Attempt:
        self.attempts.append(self.now)
        call = current_call.get()
        self.ids.append(call.request_id if call else "")
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    @property
    def condition(self) -> str:
        [(_, record)] = self.records
        return str(record["requestContext"]["condition"])


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html")
def test_failing_event_is_retried_after_one_minute_and_after_two_more() -> None:
    scene = Scene(FAILED).play()
    assert scene.attempts == [0.0, 60.0, 180.0]
    assert scene.condition == "RetriesExhausted"
    [(target, record)] = scene.records
    assert (target, record["requestContext"]["approximateInvokeCount"]) == ("failure", 3)
    assert [target for target, _, _ in scene.letters] == ["letters"]
    assert scene.dropped == 1


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html")
def test_event_that_succeeds_at_last_is_a_success() -> None:
    scene = Scene(FAILED, FINE).play()
    assert scene.attempts == [0.0, 60.0]
    assert [target for target, _ in scene.records] == ["success"]
    assert scene.condition == "Success"
    assert (scene.letters, scene.dropped) == ([], 0)


@pytest.mark.aws(
    "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html; recorded: the text"
)
@pytest.mark.parametrize("attempts", [0, 1])
def test_event_of_a_function_without_concurrency_is_not_run(attempts: int) -> None:
    scene = Scene(FAILED)
    scene.disabled_after = attempts
    scene.play()
    assert len(scene.attempts) == attempts
    assert scene.condition == "ZeroReservedConcurrency"
    assert scene.records[0][1]["requestContext"]["approximateInvokeCount"] == attempts
    [(_, event, attributes)] = scene.letters
    assert (event, set(attributes)) == ({"number": 1}, {"RequestID", "ErrorMessage"})
    assert "zero reserved concurrent executions" in attributes["ErrorMessage"]


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html")
@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_number_of_retries_is_the_functions(retries: int, attempts: int) -> None:
    assert len(Scene(FAILED, max_retries=retries).play().attempts) == attempts


@pytest.mark.aws("recorded: test_maxeventage of localstack/localstack, one attempt and EventAgeExceeded")
def test_event_that_is_too_old_for_its_next_attempt_is_dropped_at_its_age() -> None:
    scene = Scene(FAILED, max_age_s=60.0).play()
    assert (scene.attempts, scene.now) == ([0.0], 60.0)
    assert scene.condition == "EventAgeExceeded"
    [(_, record)] = scene.records
    assert record["responsePayload"] == FAILED.payload


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html")
def test_throttled_event_waits_ever_longer_and_uses_no_attempt() -> None:
    throttles = [THROTTLED] * 11
    scene = Scene(*throttles, FINE).play()
    waits = [later - earlier for earlier, later in zip(scene.attempts, scene.attempts[1:], strict=False)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    [(_, record)] = scene.records
    assert record["requestContext"]["approximateInvokeCount"] == 1


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html")
def test_event_that_was_throttled_for_its_whole_age_has_no_response() -> None:
    scene = Scene(THROTTLED, max_age_s=100.0).play()
    assert scene.condition == "EventAgeExceeded"
    [(_, record)] = scene.records
    assert "responsePayload" not in record
    assert scene.letters[0][2] == {
        "RequestID": "request-1",
        "ErrorCode": "429",
        "ErrorMessage": "Rate Exceeded.",
    }


@pytest.mark.aws(
    "recorded: `requestId` of the record and of the handler's context are one (localstack/localstack)"
)
def test_all_attempts_record_and_letter_have_the_id_of_the_request() -> None:
    scene = Scene(FAILED)

    async def scenario() -> None:
        invocations = scene.invocations()
        invocations.use_loop()
        done = asyncio.Event()
        scene.on_letter = partial(asyncio.get_running_loop().call_soon_threadsafe, done.set)
        current_call.set(InvokeCall("request-1", client_context="{}"))
        invocations.submit({}, {"number": 1})
        await asyncio.wait_for(done.wait(), 60)

    asyncio.run(scenario())
    [(_, record)] = scene.records
    assert scene.ids == ["request-1"] * 3
    assert record["requestContext"]["requestId"] == "request-1"
    assert scene.letters[0][1:] == (
        {"number": 1},
        {"RequestID": "request-1", "ErrorCode": "200", "ErrorMessage": "intended"},
    )


class Blocked(Scene):
    """Attempts that end when the test releases them."""

    def __init__(self) -> None:
        super().__init__(FINE, on_success=None)
        self.released = threading.Event()
        self.running = self.most_running = 0
        self._lock = threading.Lock()

    def _run(self, _function: Any, _event: Any) -> Attempt:
        with self._lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        self.released.wait(60)
        with self._lock:
            self.running -= 1
        return super()._run(_function, _event)

    def submit(self, events: int) -> InvokeCall:
        """Submit them before the first one ends; the call is that of an Invoke."""
        call = InvokeCall("request-1")

        async def scenario() -> None:
            invocations = self.invocations()
            invocations.use_loop()
            current_call.set(call)
            for number in range(events):
                invocations.submit({"config": {"FunctionArn": ARN}}, {"number": number})
                await asyncio.sleep(0)  # the task begins
                await asyncio.sleep(0)
            self.released.set()
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

        asyncio.run(scenario())
        return call


@pytest.mark.difference(
    "Lambda: events of a function",
    aws="run as many at once as the concurrency of the function and of the account allow",
    here="64 at once; the others wait",
)
def test_events_of_a_function_run_in_a_limited_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_invocations, "MAX_RUNNING_PER_FUNCTION", 2)
    scene = Blocked()
    scene.submit(6)
    assert scene.most_running <= 2
    assert len(scene.attempts) == 6


@pytest.mark.difference(
    "Lambda: queued events",
    aws="are kept until their maximum age, however many they are",
    here="8,000 are kept; an Invoke with one more is refused with InvalidParameterValueException, an event of a service is dropped with a warning",
)
def test_event_over_the_number_that_is_kept_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(async_invocations, "MAX_EVENTS", 3)
    scene = Blocked()
    call = scene.submit(4)
    assert len(scene.attempts) == 3
    assert (
        call.refused == f"An event for {ARN} is refused: the embedded AWS does not keep more than 3 events."
    )
    assert call.refused in caplog.text


def test_nothing_is_sent_without_a_destination() -> None:
    scene = Scene(FAILED, on_failure=None, dead_letter=None).play()
    assert (scene.records, scene.letters) == ([], [])


@pytest.mark.difference(
    "Lambda",
    aws="keeps an event that waits for its next attempt for up to six hours, whatever happens",
    here="drops it when the embedded AWS stops",
)
def test_waiting_event_is_dropped_when_the_service_stops() -> None:
    scene = Scene(FAILED)

    async def scenario() -> None:
        waiting = asyncio.Event()

        async def sleep(_seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        invocations = AsyncInvocations(
            lambda _function: scene.settings, scene._run, scene, clock=lambda: 0.0, sleep=sleep
        )
        invocations.use_loop()
        invocations.submit({}, {})
        await asyncio.wait_for(waiting.wait(), 60)
        invocations.close()
        remaining = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*remaining, return_exceptions=True)

    asyncio.run(scenario())
    assert (len(scene.attempts), scene.records, scene.letters) == (1, [], [])


@pytest.mark.aws("https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html")
def test_error_message_of_a_dead_letter_is_cut_to_1_kb() -> None:
    long = Attempt({"errorMessage": "x" * 2000}, "Unhandled")
    attributes = dead_letter_attributes("r", Outcome("RetriesExhausted", 1, long))
    assert len(attributes["ErrorMessage"]) == 1024


def test_record_has_the_time_in_milliseconds() -> None:
    settings = EventSettings(ARN, "role")
    now = datetime(2026, 11, 28, 20, 0, 0, 123_456, tzinfo=UTC)
    record = record_of(settings, "r", {}, Outcome("Success", 1, FINE), now)
    assert record["timestamp"] == "2026-11-28T20:00:00.123Z"

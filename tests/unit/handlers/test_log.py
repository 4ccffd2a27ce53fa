"""The log line of an event: one, whatever happens, and nothing in it that a log must not hold."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import pytest

from whatschat_ops.handlers import log as log_module
from whatschat_ops.handlers.log import MAX_RECIPIENTS, Log, line_of
from whatschat_ops.handlers.protocol import size_bytes
from whatschat_ops.handlers.user_ids import hashed_user_id

EVENT = {"requestContext": {"connectionId": "R0oXAdfD0kwCH6w=", "routeKey": "$default"}}
KEYS = [
    "level",
    "event",
    "outcome",
    "requestId",
    "connectionId",
    "route",
    "bytesIn",
    "bytesOut",
    "deliveries",
]


class LambdaContext:
    aws_request_id = "request"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:default:live"

    def __init__(self, left_ms: int = 10_000) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def only_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    return line


def test_line_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with line_of("default", EVENT, LambdaContext()) as log:
        log.received(7)
        log.posted("a", 10, "delivered")
        log.posted("b", 10, "gone")
        log.posted("c", 10, "too_large")
        log.user("alice")
        log.ends("delivered", event="message:send")
    line = only_line(capsys)
    assert set(line) == {*KEYS, "userId", "recipients", "unreached", "latencyMs", "coldStart", "remainingMs"}
    assert (line["level"], line["event"], line["userId"]) == ("INFO", "message:send", "alice")
    assert (line["bytesIn"], line["bytesOut"], line["remainingMs"]) == (7, 10, 10_000)
    assert line["deliveries"] == {"sent": 1, "gone": 1, "failed": 1}
    assert line["unreached"] == {"b": "gone", "c": "too_large"}


def test_only_the_first_event_of_a_process_is_a_cold_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_module, "_is_cold", True)
    for _ in range(2):
        with line_of("default", EVENT, LambdaContext()):
            pass
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["coldStart"] for line in lines] == [True, False]


@pytest.mark.parametrize("error", [KeyError("eyJ.a.token"), RecursionError("content"), SystemExit("content")])
def test_event_that_raises_has_one_line_with_the_type_of_the_error_only(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), line_of("default", EVENT, LambdaContext()) as log:
        log.ends("delivered")
        raise error
    line = only_line(capsys)
    assert (line["level"], line["outcome"], line["reason"]) == ("ERROR", "failed", type(error).__name__)


@pytest.mark.parametrize("event", [None, [], "text", {}, {"requestContext": None}, {"requestContext": {}}])
def test_event_of_no_gateway_has_a_line(event: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with line_of("default", event, LambdaContext()):
        pass
    assert only_line(capsys)["connectionId"] == ""


def test_event_that_takes_too_long_has_one_line_before_its_function_is_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGALRM)
    written = threading.Event()

    class Context(LambdaContext):
        def get_remaining_time_in_millis(self) -> int:
            if self.left_ms == 190:
                written.set()
            self.left_ms, left_ms = 190, self.left_ms
            return left_ms

    with line_of("default", EVENT, Context(201)):
        assert written.wait(60)
    line = only_line(capsys)
    assert (line["level"], line["outcome"], line["remainingMs"]) == ("ERROR", "unfinished", 190)
    assert signal.getsignal(signal.SIGALRM) is before


def test_event_in_another_thread_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        with line_of("default", EVENT, LambdaContext(0)):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert only_line(capsys)["outcome"] == "done"


def test_recipients_over_the_limit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("default", "request", "a")
    for number in range(MAX_RECIPIENTS + 3):
        log.posted(f"c{number}", 1, "delivered")
    log.posted("c0", 1, "delivered")
    log.write(0, cold_start=False)
    line = only_line(capsys)
    assert (len(line["recipients"]), line["recipientsOmitted"]) == (MAX_RECIPIENTS, 3)
    assert (line["deliveries"]["sent"], line["bytesOut"]) == (MAX_RECIPIENTS + 4, MAX_RECIPIENTS + 4)


def test_token_in_a_clients_reason_is_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("disconnect", "request", "a")
    log.closed(1000, "bye eyJhbGciOi.eyJ1c2Vy.c2ln \x1b[31m")
    log.write(0, cold_start=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert json.loads(out)["reason"] == "bye *** \x1b[31m"


def test_hashed_user_id_can_be_computed_by_who_knows_the_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_USER_IDS", "hashed")
    monkeypatch.setenv("CONNECTIONS_TABLE", "connections")
    with line_of("connect", EVENT, LambdaContext()) as log:
        log.user("alice")
    hashed = hashed_user_id("alice", "123456789012", "eu-west-1", "connections")
    assert only_line(capsys)["userId"] == hashed == "sha256:79ec436b47ab5393"
    assert hashed_user_id("alice", "123456789012", "eu-west-1", "other") != hashed


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_level_of_the_function_leaves_out_what_is_below_it(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet, failed = (Log("default", "request", "a", level=level) for _ in range(2))
    failed.problem("GetItem: ThrottlingException")
    for log in (quiet, failed):
        log.write(0, cold_start=False)
    assert only_line(capsys)["reason"] == "GetItem: ThrottlingException"


@pytest.mark.parametrize(
    ("body", "is_base64", "size"),
    [
        (None, False, 0),
        ("", True, 0),
        ("abc", False, 3),
        ("né\ud800", False, 6),
        ("aGk=", True, 2),
        ("aGlo", True, 3),
    ],
)
def test_size_of_a_message_is_that_of_its_bytes(body: str | None, is_base64: bool, size: int) -> None:
    assert size_bytes(body, is_base64) == size

"""The $default route on hand-written fakes: who gets what, and what is left in the table."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handlers.chat import NOW_S, SENT_AT_MS, Chat
from whatschat_ops.handlers.delivery import CONCURRENCY, Delivering, UserOutcome, in_parallel, user_outcome
from whatschat_ops.handlers.limits import MAX_MESSAGE_BYTES
from whatschat_ops.handlers.log import Log
from whatschat_ops.handlers.management_api import PostOutcome
from whatschat_ops.handlers.protocol import ErrorCode


def receipt(**counts: int) -> dict[str, Any]:
    zero = {"recipients": 1, "delivered": 0, "offline": 0, "failed": 0, "connections": 0}
    return {"type": "message:sent", "id": "m1", "timestamp": SENT_AT_MS, **zero, **counts}


def test_ping_is_one_post_and_no_read() -> None:
    chat = Chat()
    chat.send(type="ping", id=1)
    assert chat.got == {"a1": [{"type": "pong", "timestamp": SENT_AT_MS, "id": 1}]}
    assert chat.table.reads == 0


def test_unknown_type_is_echoed() -> None:
    chat = Chat()
    chat.send(type="typing", chat="c")
    assert chat.got == {"a1": [{"type": "echo", "original": {"type": "typing", "chat": "c"}}]}


def test_message_reaches_every_connection_of_every_recipient() -> None:
    chat = Chat()
    chat.send(type="message:send", id="m1", recipients=["bob", "carol"], text="hi")
    received = {
        "type": "message:received",
        "id": "m1",
        "from": "alice",
        "userId": "alice",
        "timestamp": SENT_AT_MS,
        "text": "hi",
    }
    assert chat.got == {
        "b1": [received],
        "b2": [received],
        "c1": [received],
        "a1": [receipt(recipients=2, delivered=2, connections=3)],
    }


def test_message_without_id_gets_the_gateways() -> None:
    chat = Chat()
    chat.send(type="message:send", recipients=["carol"])
    assert chat.got["c1"][0]["id"] == chat.got["a1"][0]["id"] == "gateway-id"


def test_sender_is_whom_the_table_says() -> None:
    chat = Chat()
    forged: dict[str, Any] = {"from": "bob", "userId": "bob"}
    chat.send(type="message:send", recipients=["carol"], **forged)
    assert (chat.got["c1"][0]["from"], chat.got["c1"][0]["userId"]) == ("alice", "alice")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "message:send", "id": 3, "recipients": ["bob"]},
        {"type": "call:offer", "id": 3, "targetUserId": "bob"},
        {"type": "typing", "id": 3, "to": "bob"},
    ],
)
def test_connection_without_a_row_may_not_send(message: dict[str, Any]) -> None:
    chat = Chat()
    chat.send("stranger", **message)
    assert list(chat.got) == ["stranger"]
    assert [(m["type"], m["code"], m["id"]) for m in chat.got["stranger"]] == [("error", "not_connected", 3)]


def test_offline_recipient_is_counted() -> None:
    chat = Chat()
    chat.send(type="message:send", id="m1", recipients=["nobody", "carol"])
    assert chat.got["a1"] == [receipt(recipients=2, delivered=1, offline=1, connections=1)]


def test_gone_connection_loses_its_row_and_is_no_error() -> None:
    chat = Chat(b1=PostOutcome.GONE)
    chat.send(type="message:send", id="m1", recipients=["bob"])
    assert chat.table.deleted == ["b1"]
    assert chat.got["a1"] == [receipt(delivered=1, connections=1)]


def test_user_whose_connections_are_all_gone_is_offline() -> None:
    chat = Chat(b1=PostOutcome.GONE, b2=PostOutcome.GONE)
    chat.send(type="message:send", id="m1", recipients=["bob"])
    assert sorted(chat.table.deleted) == ["b1", "b2"]
    assert chat.got["a1"] == [receipt(offline=1)]


def test_failed_post_and_failed_query_are_counted_and_do_not_stop_the_others() -> None:
    chat = Chat(b1=PostOutcome.FAILED, b2=PostOutcome.FAILED)
    chat.table.failing_users = {"dave"}
    chat.send(type="message:send", id="m1", recipients=["dave", "bob", "carol"])
    assert chat.got["c1"][0]["type"] == "message:received"
    assert chat.got["a1"] == [receipt(recipients=3, delivered=1, failed=2, connections=1)]
    assert chat.table.deleted == []


def test_failing_clean_up_is_logged_and_does_not_fail_the_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chat = Chat(b1=PostOutcome.GONE)
    chat.table.fails = True
    log = Log("default", "request", "a1")
    delivering = Delivering(chat.table, chat.management, time.monotonic() + 10, log)
    delivery = delivering.deliver(["bob"], b"{}", NOW_S)
    assert delivery.by_user == {"bob": UserOutcome.DELIVERED}
    assert delivery.posts[PostOutcome.GONE] == 1
    log.posted("a1", 2, "delivered")
    log.write(9_000, cold_start=False)
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["reason"]) == ("ERROR", "DeleteItem: InternalServerError")
    assert line["deliveries"] == {"sent": 2, "gone": 1, "failed": 0}
    assert line["unreached"] == {"b1": "gone"}


def test_failing_table_is_told_to_the_sender() -> None:
    chat = Chat()
    chat.table.fails = True
    chat.send(type="message:send", id="m1", recipients=["bob"])
    assert [(m["code"], m["id"]) for m in chat.got["a1"]] == [("internal_error", "m1")]


def test_message_that_grows_over_the_limit_is_refused() -> None:
    chat = Chat()
    chat.send(type="message:send", id="m1", recipients=["bob"], text="x" * (MAX_MESSAGE_BYTES - 70))
    assert list(chat.got) == ["a1"]
    assert [(m["code"], m["id"]) for m in chat.got["a1"]] == [("message_too_large", "m1")]


def test_refusal_of_the_gateway_for_size_is_told_to_the_sender() -> None:
    chat = Chat(c1=PostOutcome.TOO_LARGE)
    chat.send(type="message:send", id="m1", recipients=["carol"])
    assert [m["code"] for m in chat.got["a1"]] == ["message_too_large"]


def test_echo_that_does_not_fit_becomes_an_error() -> None:
    chat = Chat()
    chat.send(type="blob", data="x" * (MAX_MESSAGE_BYTES - 30))
    assert [m["code"] for m in chat.got["a1"]] == ["message_too_large"]


def test_signal_reaches_every_connection_of_the_target_and_is_not_acknowledged() -> None:
    chat = Chat()
    chat.send(type="call:ice-candidate", targetUserId="bob", candidate={"sdpMid": "0"})
    relayed = {
        "type": "call:ice-candidate",
        "targetUserId": "bob",
        "candidate": {"sdpMid": "0"},
        "from": "alice",
        "userId": "alice",
        "timestamp": SENT_AT_MS,
    }
    assert chat.got == {"b1": [relayed], "b2": [relayed]}


def test_signal_to_nobody_is_an_error() -> None:
    chat = Chat()
    chat.send(type="call:offer", id=9, targetUserId="nobody")
    assert [(m["code"], m["id"]) for m in chat.got["a1"]] == [("target_offline", 9)]


def test_signal_that_fails_is_an_error() -> None:
    chat = Chat(c1=PostOutcome.FAILED)
    chat.send(type="call:offer", targetUserId="carol")
    assert [m["code"] for m in chat.got["a1"]] == ["delivery_failed"]


def test_signal_to_several_users_reports_those_that_failed_and_not_those_offline() -> None:
    chat = Chat(c1=PostOutcome.FAILED)
    chat.send(type="call:end", participants=["alice", "bob", "carol", "nobody"])
    assert [(m["code"], m["message"]) for m in chat.got["a1"]] == [
        ("delivery_failed", "1 of 3 users could not be reached")
    ]

    chat = Chat()
    chat.send(type="call:end", participants=["alice", "bob", "nobody"])
    assert sorted(chat.got) == ["b1", "b2"]

    chat.send(type="call:end", participants=["alice", "nobody", "dave"])
    assert [(m["code"], m["message"]) for m in chat.got["a1"]] == [
        ("target_offline", "the users have no live connection")
    ]


def test_call_that_only_the_sender_is_left_in_ends_without_an_answer() -> None:
    chat = Chat()
    chat.send(type="call:end", callId="c", participants=["alice"])
    assert chat.got == {}


def test_sender_that_is_gone_is_fine() -> None:
    chat = Chat(a1=PostOutcome.GONE)
    chat.send(type="message:send", recipients=["carol"])
    assert list(chat.got) == ["c1"]


def test_no_post_begins_when_the_time_is_nearly_over() -> None:
    chat = Chat()
    chat.send(type="message:send", id="m1", recipients=["bob", "carol"], seconds_left=0.5)
    assert chat.got == {"a1": [receipt(recipients=2, failed=2)]}


def test_logs_hold_no_content(capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat()
    chat.send(type="message:send", recipients=["bob"], text="a secret")
    chat.send(type="call:offer", targetUserId="bob", sdp="a secret")
    chat.send(type="other", text="a secret")
    chat.send_body("a secret")
    out = capsys.readouterr().out
    assert "a secret" not in out
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("message:send", "delivered"),
        ("call:offer", "delivered"),
        ("echo", "delivered"),
        ("refused", "refused"),
    ]
    assert lines[0]["userId"] == "alice"
    assert [line["recipients"] for line in lines] == [["b1", "b2", "a1"], ["b1", "b2"], ["a1"], ["a1"]]
    assert (lines[3]["reason"], lines[3]["bytesIn"]) == ("bad_json", 0)
    assert {line["connectionId"] for line in lines} == {"a1"}


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_body_gets_exactly_one_answer(body: str) -> None:
    chat = Chat()
    chat.send_body(body)
    assert list(chat.got) == ["a1"]
    assert len(chat.got["a1"]) == 1


@pytest.mark.parametrize(
    ("posts", "outcome"),
    [
        ([], UserOutcome.OFFLINE),
        ([PostOutcome.GONE], UserOutcome.OFFLINE),
        ([PostOutcome.GONE, PostOutcome.FAILED], UserOutcome.FAILED),
        ([PostOutcome.FAILED, PostOutcome.DELIVERED, PostOutcome.GONE], UserOutcome.DELIVERED),
    ],
)
def test_outcome_for_a_user(posts: list[PostOutcome], outcome: UserOutcome) -> None:
    assert user_outcome(posts) is outcome


def test_parallel_work_is_bounded_ordered_and_finished() -> None:
    lock, all_at_once = threading.Lock(), threading.Barrier(CONCURRENCY, timeout=60)
    running, most = 0, 0

    def work(item: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if item < CONCURRENCY:
            all_at_once.wait()
        with lock:
            running -= 1
        return item * 2

    assert in_parallel(work, range(100)) == [item * 2 for item in range(100)]
    assert most == CONCURRENCY
    assert running == 0


PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = [
    (sender, json.loads(text))
    for sender, text in re.findall(r"```json (client|server)\n(.*?)\n```", PROTOCOL)
]


def test_documented_messages_are_what_is_sent() -> None:
    chat = Chat()
    del chat.table.users["c1"]  # in the example carol is offline
    documented = [message for sender, message in EXAMPLES if sender == "server"]
    for sender, message in EXAMPLES:
        if sender == "client":
            chat.send_body(json.dumps(message))
    chat.send(type="message:send", id="m-2", recipients=[str(number) for number in range(101)])
    sent = [message for messages in chat.got.values() for message in messages]
    assert [message for message in documented if message not in sent] == []
    assert [message for message in sent if message not in documented] == []


def test_every_error_code_is_documented() -> None:
    errors = PROTOCOL.partition("## Errors")[2].partition("## Environment")[0]
    assert set(get_args(ErrorCode)) == set(re.findall(r"^\| `(\w+)` \|", errors, re.MULTILINE))

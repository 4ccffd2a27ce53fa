"""Messages: what they ask for, and what is sent for them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.handlers import protocol
from whatschat_ops.handlers.protocol import Deliver, Echo, Ping, Refused, parse_message
from whatschat_ops.handlers.routing import RESERVED_TYPES, ROUTES, route_of


def parse(**message: Any) -> protocol.Command:
    return parse_message(json.dumps(message))


def test_ping_is_recognised_with_and_without_id() -> None:
    assert parse(type="ping") == Ping(None)
    assert parse(type="ping", id=7) == Ping(7)


def test_unknown_type_is_echoed_whole() -> None:
    assert parse(type="typing", chatId="c") == Echo({"type": "typing", "chatId": "c"})


def deliver(**message: Any) -> Deliver:
    command = parse(**message)
    assert isinstance(command, Deliver)
    return command


def test_recipients_of_a_message_are_named_once_each_and_not_shown() -> None:
    command = deliver(
        type="message:send", id="m1", recipients=["bob", "eve", "bob"], text="hi", data={"a": 1}
    )
    assert (command.id, command.recipients("alice")) == ("m1", ("bob", "eve"))
    assert protocol.delivered(command, "m1", "alice", 2) == {
        "type": "message:received",
        "id": "m1",
        "from": "alice",
        "userId": "alice",
        "timestamp": 2,
        "text": "hi",
        "data": {"a": 1},
    }


def test_single_recipient_and_message_id_are_other_names() -> None:
    command = deliver(type="message:send", messageId=5, recipientId="bob")
    assert (command.id, command.recipients("alice")) == (5, ("bob",))
    assert set(protocol.delivered(command, 5, "alice", 2)) == {"type", "id", "from", "userId", "timestamp"}


@pytest.mark.parametrize("kind", ["message:send", "call:offer", "typing"])
def test_sender_and_time_in_a_message_are_replaced(kind: str) -> None:
    forged = {"from": "mallory", "userId": "mallory", "initiatorId": "mallory", "timestamp": 1}
    command = deliver(type=kind, to="bob", text="hi", **forged)
    received = protocol.delivered(command, "id", "alice", 2)
    assert {name: received[name] for name in forged} == {
        "from": "alice",
        "userId": "alice",
        "initiatorId": "alice",
        "timestamp": 2,
    }


def test_signal_is_delivered_as_it_is_but_for_its_sender_and_time() -> None:
    command = deliver(type="call:offer", targetUserId="bob", sdp="v=0", **{"from": "mallory"})
    assert command.recipients("alice") == ("bob",)
    assert protocol.delivered(command, "new", "alice", 2) == {
        "type": "call:offer",
        "targetUserId": "bob",
        "sdp": "v=0",
        "from": "alice",
        "userId": "alice",
        "timestamp": 2,
    }


@pytest.mark.parametrize(
    ("message", "users"),
    [
        # An own field of the type decides alone, as it did before there were others.
        ({"type": "message:send", "recipients": ["bob"], "to": ["not", "an", "id"]}, ["bob"]),
        ({"type": "message:send", "recipients": ["bob"], "recipientId": "eve"}, ["bob"]),
        ({"type": "message:send", "recipientId": "bob", "to": "eve"}, ["bob"]),
        ({"type": "message:send", "recipients": None, "recipientId": "bob"}, ["bob"]),
        ({"type": "message:send", "to": "bob"}, ["bob"]),
        ({"type": "call:end", "targetUserId": "bob", "participants": [{"id": 1}]}, ["bob"]),
        ({"type": "call:answer", "targetUserId": "bob", "initiatorId": "eve"}, ["bob"]),
        ({"type": "call:answer", "initiatorId": "bob"}, ["bob"]),
        ({"type": "call:reject", "initiatorId": "bob"}, ["bob"]),
        # Elsewhere initiatorId is no address.
        ({"type": "call:incoming", "targetUserId": "bob", "initiatorId": "eve"}, ["bob"]),
        ({"type": "poll", "to": "bob", "initiatorId": "eve"}, ["bob"]),
        # The common fields count together; a participant that is the sender does not get it.
        ({"type": "poll", "to": "bob", "targetUserId": "eve", "recipients": ["dan"]}, ["bob", "eve", "dan"]),
        ({"type": "poll", "participants": ["bob", "alice", "eve"]}, ["bob", "eve"]),
        ({"type": "poll", "to": "alice", "participants": ["alice", "bob"]}, ["alice", "bob"]),
        # `to: "server"` names no user; another field may.
        ({"type": "poll", "to": "server", "recipients": ["bob"]}, ["bob"]),
        ({"type": "poll", "targetUserId": "server"}, ["server"]),
        ({"type": "poll", "to": "علی\u200cرضا"}, ["علی\u200cرضا"]),
    ],
)
def test_users_of_a_message(message: dict[str, Any], users: list[str]) -> None:
    assert list(deliver(**message).recipients("alice")) == users


@pytest.mark.parametrize(
    "message",
    [
        {"type": "poll"},
        {"type": "poll", "to": "server"},
        {"type": "poll", "to": None},
        {"type": "poll", "recipients": []},
        {"type": "poll", "initiatorId": "bob"},
        {"type": "poll", "recipientId": "bob"},
        {"type": "chime:create-meeting", "to": "server", "data": {}},
    ],
)
def test_message_that_names_no_user_is_echoed(message: dict[str, Any]) -> None:
    assert parse(**message) == Echo(message)


def test_names_in_all_fields_count_together() -> None:
    half = [f"user-{number}" for number in range(50)]
    assert len(deliver(type="poll", recipients=half, participants=half).recipients("alice")) == 50
    command = parse(type="poll", recipients=half, participants=half, to="bob")
    assert isinstance(command, Refused)
    assert command.code == "too_many_recipients"


@pytest.mark.parametrize("kind", RESERVED_TYPES)
def test_type_of_the_server_is_refused_with_and_without_a_user(kind: str) -> None:
    for address in ({}, {"to": "bob"}, {"to": "server"}, {"recipients": ["bob"]}):
        command = parse(type=kind, id=4, **address)
        assert command == Refused("reserved_type", f"only the server sends {kind}", 4)


@pytest.mark.parametrize(
    ("message", "who"),
    [
        ({"type": "message:send", "chatId": "c", "content": "hi"}, "a chat"),
        ({"type": "message:read", "messageId": "m", "chatId": "c"}, "a chat"),
        ({"type": "message:typing", "chatId": "c", "isTyping": True}, "a chat"),
        ({"type": "message:reaction", "messageId": "m", "emoji": "!"}, "everyone who knows the sender"),
        ({"type": "user:status", "status": "away"}, "everyone who knows the sender"),
        ({"type": "status:create", "content": "hi"}, "everyone who knows the sender"),
        ({"type": "user_status", "data": {"status": "away"}}, "everyone who knows the sender"),
    ],
)
def test_message_for_a_chat_is_undeliverable_without_a_user(message: dict[str, Any], who: str) -> None:
    command = parse(**message)
    assert isinstance(command, Refused)
    assert command.code == "undeliverable"
    assert command.reason.startswith(f"it is meant for {who}")
    assert deliver(**message, to="bob").recipients("alice") == ("bob",)


def test_every_type_has_one_route() -> None:
    named = [kind for route in ROUTES for kind in route.types]
    assert len(named) == len(set(named))
    assert all(route_of(kind) is route for route in ROUTES for kind in route.types if "*" not in kind)
    assert route_of("call:something-new") is route_of("call:offer")
    assert route_of("call") is route_of("something-new") is route_of("") is ROUTES[-1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "bad_json"),
        ("", "bad_json"),
        ("hello", "bad_json"),
        ("[" * 100_000, "bad_json"),
        ('{"type":"x","n":NaN}', "bad_json"),
        ('{"type":"x","n":-Infinity}', "bad_json"),
        ('{"type":"x","n":1e999}', "bad_json"),
        ('{"type":"x","n":' + "9" * 5000 + "}", "bad_json"),
        ("null", "bad_message"),
        ("[1]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type":5}', "bad_message"),
        ('{"type":""}', "bad_message"),
        ('{"type":"call:' + "x" * 64 + '","targetUserId":"bob"}', "bad_message"),
        ('{"type":"ping","id":{}}', "bad_message"),
        ('{"type":"ping","id":true}', "bad_message"),
        ('{"type":"message:send"}', "bad_message"),
        ('{"type":"message:send","recipients":[]}', "bad_message"),
        ('{"type":"message:send","recipients":"bob"}', "bad_message"),
        ('{"type":"message:send","recipients":["bob",7]}', "bad_message"),
        ('{"type":"message:send","recipients":["\\ud800"]}', "bad_message"),
        ('{"type":"message:send","recipientId":null}', "bad_message"),
        ('{"type":"call:offer"}', "bad_message"),
        ('{"type":"call:offer","targetUserId":""}', "bad_message"),
        ('{"type":"call:offer","initiatorId":"bob"}', "bad_message"),
        ('{"type":"call:offer","to":"server"}', "bad_message"),
        ('{"type":"call:end","participants":[]}', "bad_message"),
        ('{"type":"call:end","participants":"bob"}', "bad_message"),
        ('{"type":"typing","to":7}', "bad_message"),
        ('{"type":"typing","to":["bob"]}', "bad_message"),
        ('{"type":"typing","to":"bob\\u0000"}', "bad_message"),
        (
            json.dumps({"type": "message:send", "recipients": [str(n) for n in range(101)]}),
            "too_many_recipients",
        ),
    ],
)
def test_malformed_message_is_refused(body: str | None, code: str) -> None:
    command = parse_message(body)
    assert isinstance(command, Refused)
    assert command.code == code


def test_refusal_names_the_message_it_refuses() -> None:
    command = parse(type="message:send", id="m1", recipients="bob")
    assert isinstance(command, Refused)
    assert command.id == "m1"
    assert protocol.error(command.code, command.reason, command.id) == {
        "type": "error",
        "code": "bad_message",
        "message": "recipients must be a list of user ids",
        "id": "m1",
    }


def test_base64_body_is_decoded() -> None:
    assert parse_message(base64.b64encode(b'{"type":"ping"}').decode(), is_base64=True) == Ping(None)
    assert isinstance(parse_message("no base64!", is_base64=True), Refused)
    assert isinstance(parse_message(base64.b64encode(b"\xff\xfe").decode(), is_base64=True), Refused)


def test_text_is_sent_as_utf_8_without_spaces() -> None:
    assert protocol.encode({"a": "é🙂", "b": 1}) == '{"a":"é🙂","b":1}'.encode()


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    assert protocol.encode({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'


@given(st.binary())
def test_any_bytes_give_a_command(data: bytes) -> None:
    for command in (
        parse_message(data.decode("latin-1")),
        parse_message(base64.b64encode(data).decode(), is_base64=True),
        parse_message(data.decode("latin-1"), is_base64=True),
    ):
        assert isinstance(command, Ping | Echo | Deliver | Refused)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["id", "messageId", "recipients", "recipientId", "targetUserId", "to", "participants", "from", "text"]
)
types = st.sampled_from(["ping", "message:send", "call:offer", "user_status", "other"])


@given(types | json_values, st.dictionaries(keys, json_values | st.lists(st.text(min_size=1), max_size=3)))
def test_whatever_is_sent_on_can_be_read_by_any_json_parser(kind: Any, fields: dict[str, Any]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    match parse(**{**fields, "type": kind}):
        case Ping(id=message_id):
            message = protocol.pong(message_id, 1)
        case Echo(original=original):
            message = protocol.echo(original)
        case Refused(code=code, reason=reason, id=message_id):
            message = protocol.error(code, reason, message_id)
        case Deliver() as command:
            message = protocol.delivered(command, "id", "alice", 1)
            assert message["from"] == message["userId"] == "alice"
    assert json.loads(protocol.encode(message), parse_constant=refuse) == message

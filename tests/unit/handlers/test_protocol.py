"""Messages: what they ask for, and what is sent for them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.handlers import protocol
from whatschat_ops.handlers.protocol import Echo, Ping, Refused, SendMessage, Signal, parse_message


def parse(**message: Any) -> protocol.Command:
    return parse_message(json.dumps(message))


def test_ping_is_recognised_with_and_without_id() -> None:
    assert parse(type="ping") == Ping(None)
    assert parse(type="ping", id=7) == Ping(7)


def test_unknown_type_is_echoed_whole() -> None:
    assert parse(type="typing", chatId="c") == Echo({"type": "typing", "chatId": "c"})


def test_message_is_split_into_recipients_and_content() -> None:
    command = parse(type="message:send", id="m1", recipients=["bob", "eve", "bob"], text="hi", data={"a": 1})
    assert command == SendMessage("m1", ("bob", "eve"), {"text": "hi", "data": {"a": 1}})


def test_single_recipient_and_message_id_are_other_names() -> None:
    assert parse(type="message:send", messageId=5, recipientId="bob") == SendMessage(5, ("bob",), {})


def test_sender_and_time_in_a_message_are_not_content() -> None:
    command = parse(type="message:send", recipients=["bob"], **{"from": "mallory"}, timestamp=1, text="hi")
    assert isinstance(command, SendMessage)
    received = protocol.message_received(command, "id", "alice", 2)
    assert received == {"type": "message:received", "id": "id", "from": "alice", "timestamp": 2, "text": "hi"}


def test_signal_is_relayed_as_it_is_but_for_its_sender() -> None:
    command = parse(type="call:offer", targetUserId="bob", sdp="v=0", **{"from": "mallory"})
    assert isinstance(command, Signal)
    assert command.target_user_id == "bob"
    assert protocol.signal_received(command, "alice") == {
        "type": "call:offer",
        "targetUserId": "bob",
        "sdp": "v=0",
        "from": "alice",
    }


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
        assert isinstance(command, Ping | Echo | SendMessage | Signal | Refused)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["id", "messageId", "recipients", "recipientId", "targetUserId", "from", "text"])
types = st.sampled_from(["ping", "message:send", "call:offer", "other"])


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
        case SendMessage() as command:
            message = protocol.message_received(command, "id", "alice", 1)
            assert message["from"] == "alice"
        case Signal() as signal:
            message = protocol.signal_received(signal, "alice")
            assert message["from"] == "alice"
    assert json.loads(protocol.encode(message), parse_constant=refuse) == message

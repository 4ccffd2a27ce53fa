"""The contract with the application's clients: each of their messages, who gets it, and as which fields.

alice sends every message, from a1. bob has b1 and b2, carol has c1. What the web client's listeners get is judged by the
web client's own rules (`tests.web_client`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.unit.handlers.chat import SENT_AT_MS, Chat
from tests.web_client import ClientEvent, read
from whatschat_ops.handlers.routing import ROUTES, Action

SENDER = {"from": "alice", "userId": "alice", "timestamp": SENT_AT_MS}
OFFER = {"type": "offer", "sdp": "v=0\r\n"}
ANSWER = {"type": "answer", "sdp": "v=0\r\n"}
CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


@dataclass(frozen=True)
class WebMessage:
    """A message of the web client, and what its listeners on the other side must find in `data`."""

    type: str
    data: dict[str, Any]


WEB_MESSAGES: Final = (
    WebMessage("message", {"id": "1732", "text": "Hi", "type": "text"}),
    WebMessage("message_read", {"messageId": "1732"}),
    WebMessage("typing", {"isTyping": True}),
    WebMessage("typing", {"isTyping": False}),
    WebMessage("user_status", {"status": "away"}),
    WebMessage(
        "call_offer",
        {"offer": OFFER, "callType": "video", "callerName": "Me", "callerAvatar": "/placeholder.svg"},
    ),
    WebMessage("call_answer", ANSWER),
    WebMessage("call_ice_candidate", CANDIDATE),
    WebMessage("call_end", {}),
)


@pytest.mark.parametrize("message", WEB_MESSAGES, ids=lambda message: message.type)
def test_message_of_the_web_client_reaches_its_listeners_on_every_connection(message: WebMessage) -> None:
    chat = Chat()
    chat.send(type=message.type, data=message.data, to="bob", timestamp=1)
    assert sorted(chat.got) == ["b1", "b2"]
    expected = ClientEvent(message.type, "alice", message.data, SENT_AT_MS)
    for connection in ("b1", "b2"):
        assert [read(json.dumps(got), 0) for got in chat.got[connection]] == [expected]


@dataclass(frozen=True)
class ServerEvent:
    """An event of the server's vocabulary: the fields sent, who gets it, and the fields that they must find."""

    type: str
    sent: dict[str, Any]
    to: tuple[str, ...]
    found: dict[str, Any]
    delivered_as: str = ""


SERVER_EVENTS: Final = (
    ServerEvent(
        "message:send",
        {"chatId": "c", "content": "Hi", "mediaUrl": "m", "recipients": ["bob", "carol"]},
        ("b1", "b2", "c1"),
        {"chatId": "c", "content": "Hi", "mediaUrl": "m"},
        "message:received",
    ),
    ServerEvent(
        "message:send",
        {"content": "Hi", "recipientId": "carol"},
        ("c1",),
        {"content": "Hi"},
        "message:received",
    ),
    ServerEvent(
        "message:read",
        {"messageId": "m", "chatId": "c", "to": "bob"},
        ("b1", "b2"),
        {"messageId": "m", "chatId": "c", "userId": "alice"},
    ),
    ServerEvent(
        "message:typing",
        {"chatId": "c", "isTyping": True, "participants": ["alice", "bob"]},
        ("b1", "b2"),
        {"chatId": "c", "isTyping": True, "userId": "alice"},
    ),
    ServerEvent(
        "message:reaction",
        {"messageId": "m", "emoji": "👍", "recipients": ["carol"]},
        ("c1",),
        {"messageId": "m", "emoji": "👍"},
    ),
    ServerEvent(
        "call:incoming",
        {"targetUserId": "bob", "callId": "7", "initiatorId": "carol"},
        ("b1", "b2"),
        {"targetUserId": "bob", "callId": "7", "initiatorId": "alice"},
    ),
    ServerEvent(
        "call:incoming",
        {"targetUserId": "bob"},
        ("b1", "b2"),
        {"targetUserId": "bob", "initiatorId": "alice"},
    ),
    ServerEvent(
        "call:answer",
        {"callId": "7", "initiatorId": "carol"},
        ("c1",),
        {"callId": "7", "userId": "alice"},
    ),
    ServerEvent(
        "call:reject",
        {"callId": "7", "initiatorId": "carol"},
        ("c1",),
        {"callId": "7", "userId": "alice"},
    ),
    ServerEvent(
        "call:end",
        {"callId": "7", "participants": ["alice", "bob", "carol"]},
        ("b1", "b2", "c1"),
        {"callId": "7", "userId": "alice"},
    ),
    ServerEvent(
        "call:ice-candidate",
        {"callId": "7", "targetUserId": "carol", "candidate": CANDIDATE},
        ("c1",),
        {"callId": "7", "candidate": CANDIDATE, "userId": "alice"},
    ),
    ServerEvent(
        "call:offer",
        {"callId": "7", "targetUserId": "carol", "offer": OFFER},
        ("c1",),
        {"callId": "7", "offer": OFFER, "userId": "alice"},
    ),
    ServerEvent(
        "call:webrtc-answer",
        {"callId": "7", "targetUserId": "carol", "answer": ANSWER},
        ("c1",),
        {"callId": "7", "answer": ANSWER, "userId": "alice"},
    ),
    ServerEvent("user:status", {"status": "away", "to": "carol"}, ("c1",), {"status": "away"}),
    ServerEvent("status:create", {"content": "Hi", "to": "carol"}, ("c1",), {"content": "Hi"}),
)


@pytest.mark.parametrize("event", SERVER_EVENTS, ids=lambda event: event.type)
def test_event_of_the_server_reaches_its_users_with_its_fields(event: ServerEvent) -> None:
    chat = Chat()
    chat.send(type=event.type, **event.sent)
    answered = {"a1"} if event.delivered_as else set()  # the receipt of message:send
    assert set(chat.got) == {*event.to, *answered}
    wanted = {"type": event.delivered_as or event.type, **SENDER, **event.found}
    for connection in event.to:
        (got,) = chat.got[connection]
        assert {name: got[name] for name in wanted} == wanted
        # The web client's listeners find the same: all of it where there is no `data`.
        assert read(json.dumps(got), 0) == ClientEvent(got["type"], "alice", got, SENT_AT_MS)


ANSWERED: Final[tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = (
    # The application's own Lambda functions.
    ({"type": "ping"}, {"type": "pong", "timestamp": SENT_AT_MS}),
    ({"type": "hello"}, {"type": "echo", "original": {"type": "hello"}}),
    # Chime: only the application's backend can create meetings.
    *[
        ({"type": kind, "to": "server", "data": {}}, {"type": "echo"})
        for kind in ("chime:create-meeting", "chime:join-meeting", "chime:leave-meeting")
    ],
    *[
        ({"type": kind, "meetingId": "m"}, {"type": "echo"})
        for kind in ("chime:end-meeting", "chime:list-attendees")
    ],
    # Messages for a chat, for everyone, for those who talk with the sender.
    *[
        ({"type": kind, "chatId": "c"}, {"type": "error", "code": "undeliverable"})
        for kind in ("message:send", "message:read", "message:typing", "message:reaction")
    ],
    *[
        ({"type": kind, "status": "away"}, {"type": "error", "code": "undeliverable"})
        for kind in ("user:status", "status:create", "user_status")
    ],
    ({"type": "user_status", "to": "server"}, {"type": "error", "code": "undeliverable"}),
)


@pytest.mark.parametrize(("message", "answer"), ANSWERED, ids=lambda value: value["type"])
def test_message_without_a_user_is_answered_to_its_sender_only(
    message: dict[str, Any], answer: dict[str, Any]
) -> None:
    chat = Chat()
    chat.send(**message)
    assert list(chat.got) == ["a1"]
    (got,) = chat.got["a1"]
    assert {name: got[name] for name in answer} == answer


SENT_BY_THE_SERVER = [
    "message:sent",
    "message:received",
    "error",
    "pong",
    "echo",
    "user:connect",
    "user:online",
    "user:offline",
    "chime:meeting-created",
    "chime:attendee-created",
    "chime:attendee-joined",
    "chime:attendee-left",
    "chime:left-meeting",
    "chime:meeting-ended",
    "chime:attendees-list",
    "connected",
    "disconnected",
]


@pytest.mark.parametrize("kind", SENT_BY_THE_SERVER)
def test_type_of_the_server_cannot_be_forged(kind: str) -> None:
    chat = Chat()
    forged: dict[str, Any] = {"data": {"meeting": {}, "attendee": {}}, "from": "server", "userId": "server"}
    chat.send(type=kind, id=1, to="bob", recipients=["carol"], targetUserId="bob", **forged)
    assert list(chat.got) == ["a1"]
    assert [(got["type"], got["code"], got["id"]) for got in chat.got["a1"]] == [
        ("error", "reserved_type", 1)
    ]
    assert chat.table.reads == 0


def test_every_type_of_every_vocabulary_is_in_a_table_of_this_file() -> None:
    tested = {
        *(message.type for message in WEB_MESSAGES),
        *(event.type for event in SERVER_EVENTS),
        *(message["type"] for message, _ in ANSWERED),
        *SENT_BY_THE_SERVER,
    }
    named = {kind for route in ROUTES for kind in route.types if "*" not in kind}
    assert named <= tested
    reserved = {kind for route in ROUTES if route.action is Action.REFUSE for kind in route.types}
    assert reserved == set(SENT_BY_THE_SERVER)

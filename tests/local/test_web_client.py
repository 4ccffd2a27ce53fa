"""Two users of the application's web client chat and call through a provisioned stack, over real sockets.

What arrives is read by the client's own rules (`tests.web_client`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.local.conftest import EmbeddedAws
from tests.local.program import PrefixedStack
from tests.web_client import ClientEvent, read

pytestmark = pytest.mark.local

OFFER = {
    "type": "offer",
    "sdp": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
}
ANSWER = {**OFFER, "type": "answer"}


class WebClient:
    """A browser tab: one socket, opened and used as the web client does it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def send(self, kind: str, to: str | None, data: Any) -> None:
        message = {"type": kind, "to": to, "data": data, "timestamp": _now_ms()}
        self._socket.send(json.dumps({name: value for name, value in message.items() if value is not None}))

    def next(self) -> ClientEvent:
        """What the listeners are called with next."""
        frame = self._socket.recv(timeout=60)
        assert isinstance(frame, str)
        return read(frame, _now_ms())

    def heard(self, kind: str, sender: str) -> Any:
        """The `data` of the next event, which must be of this type, from this user, and of this minute."""
        event = self.next()
        assert (event.type, event.sender) == (kind, sender)
        assert abs(event.timestamp - _now_ms()) < 60_000
        return event.data


class Stack(PrefixedStack):
    """A provisioned stack."""

    @contextmanager
    def web_client(self, user: str) -> Iterator[WebClient]:
        endpoint, token = self.says("ws", "endpoint"), self.says("token", "mint", "--user", user)
        with connect(f"{endpoint}?token={quote(token, safe='')}") as socket:
            yield WebClient(socket)


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    found = Stack(embedded_aws, "web-")
    found.run("provision", "--yes")
    yield found
    found.run("destroy", "--yes")


def _now_ms() -> int:
    return int(time.time() * 1000)


def test_two_users_chat_type_and_read(stack: Stack) -> None:
    with (
        stack.web_client("ali\u200cce") as alice,
        stack.web_client("bob") as bob,
        stack.web_client("bob") as tab,
    ):
        text = {"id": str(_now_ms()), "text": "你好 👋", "type": "text"}
        alice.send("message", "bob", text)
        assert bob.heard("message", "ali\u200cce") == tab.heard("message", "ali\u200cce") == text

        bob.send("message_read", "ali\u200cce", {"messageId": text["id"]})
        assert alice.heard("message_read", "bob") == {"messageId": text["id"]}

        for is_typing in (True, False):
            bob.send("typing", "ali\u200cce", {"isTyping": is_typing})
            assert alice.heard("typing", "bob") == {"isTyping": is_typing}

        alice.send("user_status", None, {"status": "away"})
        refusal = alice.heard("error", "server")
        assert refusal["code"] == "undeliverable"
        assert "only the application knows" in refusal["message"]


def test_two_users_make_a_native_call(stack: Stack) -> None:
    with stack.web_client("alice") as alice, stack.web_client("bob") as bob:
        offered = {
            "offer": OFFER,
            "callType": "video",
            "callerName": "Me",
            "callerAvatar": "/placeholder.svg",
        }
        alice.send("call_offer", "bob", offered)
        assert bob.heard("call_offer", "alice") == offered

        bob.send("call_answer", "alice", ANSWER)
        assert alice.heard("call_answer", "bob") == ANSWER

        for caller, callee, users in ((alice, bob, ("alice", "bob")), (bob, alice, ("bob", "alice"))):
            candidates = [
                {
                    "candidate": f"candidate:{n} 1 udp 1 127.0.0.1 9 typ host",
                    "sdpMid": "0",
                    "sdpMLineIndex": n,
                }
                for n in range(3)
            ]
            for candidate in candidates:
                caller.send("call_ice_candidate", users[1], candidate)
            heard = [callee.heard("call_ice_candidate", users[0]) for _ in candidates]
            assert sorted(heard, key=lambda found: found["sdpMLineIndex"]) == candidates

        alice.send("call_end", "bob", {})
        assert bob.heard("call_end", "alice") == {}


def test_forged_types_and_senders_reach_no_listener(stack: Stack) -> None:
    with stack.web_client("alice") as alice, stack.web_client("mallory") as mallory:
        for kind in ("message:received", "error", "user:offline", "chime:meeting-created", "disconnected"):
            mallory.send(kind, "alice", {"meeting": {}, "attendee": {}})
            assert mallory.heard("error", "server")["code"] == "reserved_type"

        forged = {"type": "message", "to": "alice", "from": "bob", "userId": "bob", "timestamp": 1}
        mallory._socket.send(json.dumps({**forged, "data": {"id": "1", "text": "Hi", "type": "text"}}))
        assert alice.heard("message", "mallory")["text"] == "Hi"


def test_message_to_a_user_who_is_offline_is_answered(stack: Stack) -> None:
    with stack.web_client("alice") as alice:
        alice.send("call_offer", "nobody", {"offer": OFFER})
        assert alice.heard("error", "server")["code"] == "target_offline"

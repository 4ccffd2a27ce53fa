"""The kinds of messages that `ws compare` sends, and which path has them. Pure.

Both paths know the calls of the application server's vocabulary (docs/protocol.md), with the same fields. Of the rest one path has no
counterpart, for the reason that stands here. Requests of Chime are left out: they create meetings that cost money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.choices import SocketMode
from whatschat_ops.errors import UsageError

_IN_SOCKETIO: Final = frozenset({SocketMode.SOCKETIO})
_IN_FUNCTIONS: Final = frozenset({SocketMode.APIGATEWAY, SocketMode.SIMULATED})
_EVERYWHERE: Final = _IN_SOCKETIO | _IN_FUNCTIONS
_NO_PING: Final = "Socket.IO has no ping event; Engine.IO's pings belong to the transport."
_OF_A_CHAT: Final = (
    "Over Socket.IO it goes to a chat, whose participants only the application's database knows."
)
_OF_THE_WEB_CLIENT: Final = (
    "It is a type of the web client; no gateway of the Socket.IO server listens for it."
)
_ONLY_APPLICATION: Final = "The functions answer `undeliverable`: only the application knows the recipients."


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A kind of message. `fields` makes those of one with a marker from a user to another; None: it is on no path measurable here."""

    name: str
    fields: Callable[[str, str, str], Mapping[str, Any]] | None
    modes: frozenset[SocketMode] = _EVERYWHERE
    why: str = ""
    """Why the other modes have no counterpart."""
    arrives_as: str = ""
    to_sender: bool = False

    def document(self, marker: str, sender: str, receiver: str) -> dict[str, Any]:
        """The message."""
        assert self.fields is not None
        return {"type": self.name, **self.fields(marker, sender, receiver)}


def _call(field: str, value: object) -> Callable[[str, str, str], Mapping[str, Any]]:
    return lambda marker, _, receiver: {"callId": marker, "targetUserId": receiver, field: value}


def _answer(marker: str, _: str, receiver: str) -> Mapping[str, Any]:
    return {"callId": marker, "initiatorId": receiver}


def _end(marker: str, sender: str, receiver: str) -> Mapping[str, Any]:
    return {"callId": marker, "participants": [sender, receiver]}


def _of_web_client(data: Mapping[str, Any]) -> Callable[[str, str, str], Mapping[str, Any]]:
    return lambda marker, _, receiver: {"to": receiver, "data": {**data, "messageId": marker}}


KINDS: Final = {
    kind.name: kind
    for kind in (
        MessageKind("call:incoming", _call("callType", "voice")),
        MessageKind("call:offer", _call("offer", {"type": "offer", "sdp": "v=0"})),
        MessageKind("call:webrtc-answer", _call("answer", {"type": "answer", "sdp": "v=0"})),
        MessageKind("call:ice-candidate", _call("candidate", {"candidate": "candidate:1", "sdpMid": "0"})),
        MessageKind("call:answer", _answer),
        MessageKind("call:reject", _answer),
        MessageKind("call:end", _end),
        MessageKind(
            "ping", lambda marker, *_: {"id": marker}, _IN_FUNCTIONS, _NO_PING, "pong", to_sender=True
        ),
        MessageKind(
            "message:send",
            lambda marker, _, receiver: {"id": marker, "recipients": [receiver], "content": "Hello"},
            _IN_FUNCTIONS,
            _OF_A_CHAT,
            "message:received",
        ),
        MessageKind(
            "message", _of_web_client({"text": "Hello", "type": "text"}), _IN_FUNCTIONS, _OF_THE_WEB_CLIENT
        ),
        MessageKind("message_read", _of_web_client({}), _IN_FUNCTIONS, _OF_THE_WEB_CLIENT),
        MessageKind("typing", _of_web_client({"isTyping": True}), _IN_FUNCTIONS, _OF_THE_WEB_CLIENT),
        *(
            MessageKind(name, None, _IN_SOCKETIO, _ONLY_APPLICATION)
            for name in ("message:read", "message:typing", "message:reaction", "user:status", "status:create")
        ),
    )
}


def chosen(names: list[str]) -> tuple[MessageKind, ...]:
    """The kinds of these names, all when there are none. Raises UsageError."""
    if unknown := [name for name in names if name not in KINDS]:
        raise UsageError(f"{unknown[0]} is not a kind of message to compare. They are {', '.join(KINDS)}.")
    return tuple(KINDS[name] for name in dict.fromkeys(names)) or tuple(KINDS.values())

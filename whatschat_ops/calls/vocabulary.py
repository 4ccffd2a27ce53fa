"""How a call is signalled: the messages of the application's web client, and those of its server (docs/protocol.md).

Pure: a `Signal` becomes the message that is sent, and what arrives becomes a `Signal` again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from whatschat_ops.choices import CallVocabulary

Json = Mapping[str, Any]


class Kind(StrEnum):
    """What a signal says."""

    OFFER = "offer"
    ANSWER = "answer"
    CANDIDATE = "candidate"
    END = "end"


@dataclass(frozen=True, slots=True)
class Signal:
    """One message of a call. `content` is what WebRTC takes: a session description, a candidate; empty for an end."""

    kind: Kind
    content: Json


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender, recipient and call of a message. The web client's messages have no place for the call's id."""

    vocabulary: CallVocabulary
    sender: str
    target: str
    call_id: str


_TYPES: Final[Mapping[CallVocabulary, Mapping[Kind, str]]] = {
    CallVocabulary.WEB: {
        Kind.OFFER: "call_offer",
        Kind.ANSWER: "call_answer",
        Kind.CANDIDATE: "call_ice_candidate",
        Kind.END: "call_end",
    },
    CallVocabulary.SERVER: {
        Kind.OFFER: "call:offer",
        Kind.ANSWER: "call:webrtc-answer",
        Kind.CANDIDATE: "call:ice-candidate",
        Kind.END: "call:end",
    },
}


def message_of(signal: Signal, envelope: Envelope, now_ms: int) -> dict[str, Any]:
    """The message that carries a signal, as the vocabulary's program sends it."""
    kind = _TYPES[envelope.vocabulary][signal.kind]
    if envelope.vocabulary is CallVocabulary.WEB:
        data: Json = signal.content
        if signal.kind is Kind.OFFER:
            who = {"callType": "voice", "callerName": envelope.sender, "callerAvatar": ""}
            data = {"offer": signal.content, **who}
        return {"type": kind, "to": envelope.target, "data": data, "timestamp": now_ms}
    message = {"type": kind, "callId": envelope.call_id}
    if signal.kind is Kind.END:
        return {**message, "participants": [envelope.sender, envelope.target]}
    return {**message, "targetUserId": envelope.target, signal.kind.value: signal.content}


def signal_of(message: Json, envelope: Envelope) -> Signal | None:
    """The signal in a message that the sender of `envelope` received from its target; None when it has none of this call."""
    if message.get("from", message.get("userId")) != envelope.target:
        return None
    types = _TYPES[envelope.vocabulary]
    kind = next((kind for kind, name in types.items() if name == message.get("type")), None)
    if kind is None:
        return None
    if envelope.vocabulary is CallVocabulary.WEB:
        data = message.get("data")
        content = data.get("offer") if kind is Kind.OFFER and isinstance(data, dict) else data
    elif message.get("callId") != envelope.call_id:
        return None
    else:
        content = message.get(kind.value)
    return Signal(kind, content if isinstance(content, dict) else {})


def padded(message: dict[str, Any], size_bytes: int, encoded_bytes: int) -> dict[str, Any]:
    """The message with a `callerAvatar` that makes its `encoded_bytes` into `size_bytes`, as a picture in a data: URL does."""
    holder = message["data"] if isinstance(message.get("data"), dict) else message
    spare = size_bytes - encoded_bytes - (0 if "callerAvatar" in holder else len('"callerAvatar":"",'))
    holder["callerAvatar"] = "x" * max(0, spare)
    return message


def refusal_of(message: Json) -> str | None:
    """What a server's error says, with its code; None for any other message.

    The functions' errors have the type `error` and a code (docs/protocol.md). API Gateway's own have no type: `message`,
    `connectionId` and `requestId` (API Gateway developer guide, "WebSocket API route responses", recorded answers).
    """
    if message.get("type") == "error":
        return f"{message.get('code', 'error')}: {message.get('message', 'no reason given')}"
    if "type" not in message and isinstance(message.get("message"), str):
        return f"API Gateway: {message['message']}"
    return None

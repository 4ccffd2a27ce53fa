"""The messages between clients and the `default` function (docs/protocol.md has an example of each).

Takes a message's body and gives a command; takes what happened and gives the messages to send. Pure. Any body at
all gives a command: one that cannot be understood is `Refused`, which tells the sender why.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from .limits import MAX_TYPE_CHARACTERS, MAX_USER_ID_CHARACTERS, is_user_id

MAX_RECIPIENTS: Final = 100
MAX_MESSAGE_ID_CHARACTERS: Final = 128

MessageId = str | int
ErrorCode = Literal[
    "bad_json",
    "bad_message",
    "too_many_recipients",
    "message_too_large",
    "not_connected",
    "target_offline",
    "delivery_failed",
    "internal_error",
]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer with a pong."""

    id: MessageId | None


@dataclass(frozen=True, slots=True)
class Echo:
    """A type we do not know: send it back."""

    original: Json


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Deliver `content` (all other fields of the message) to every live connection of the recipients."""

    id: MessageId | None
    recipients: tuple[str, ...]
    content: Json


@dataclass(frozen=True, slots=True)
class Signal:
    """Relay call signalling, as it is, to every live connection of one user."""

    id: MessageId | None
    target_user_id: str
    message: Json


@dataclass(frozen=True, slots=True)
class Refused:
    """Answer with an error; nothing else happens."""

    code: ErrorCode
    reason: str
    id: MessageId | None = None


Command = Ping | Echo | SendMessage | Signal | Refused


class _Bad(Exception):
    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def parse_message(body: str | None, is_base64: bool = False) -> Command:
    """What the sender of `body` wants."""
    message_id: MessageId | None = None
    try:
        message = _parse_object(body, is_base64)
        message_id = _message_id(message)
        return _command(message, message_id)
    except _Bad as bad:
        return Refused(bad.code, bad.reason, message_id)


def _command(message: Json, message_id: MessageId | None) -> Command:
    kind = message.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARACTERS:
        raise _Bad("bad_message", f"type must be a string of 1 to {MAX_TYPE_CHARACTERS} characters")
    if kind == "ping":
        return Ping(message_id)
    if kind == "message:send":
        content = {key: value for key, value in message.items() if key not in _ENVELOPE}
        return SendMessage(message_id, _recipients(message), content)
    if kind.startswith("call:"):
        return Signal(message_id, _user_id(message.get("targetUserId"), "targetUserId"), message)
    return Echo(message)


_ENVELOPE: Final = frozenset({"type", "id", "messageId", "recipients", "recipientId", "from", "timestamp"})
"""Fields of message:send that are ours to read or to set; the others are its content."""


def _parse_object(body: str | None, is_base64: bool) -> Json:
    try:
        text = base64.b64decode(body or "", validate=True).decode() if is_base64 else body or ""
        message = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, TypeError, RecursionError):
        raise _Bad("bad_json", "the message is not JSON") from None
    if not isinstance(message, dict):
        raise _Bad("bad_message", "the message must be a JSON object")
    return message


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity: Python would read and write them, and no JavaScript client could read them."""
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _message_id(message: Json) -> MessageId | None:
    value = message.get("id")
    if value is None:
        value = message.get("messageId")
    is_id = isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID_CHARACTERS
    if value is None or is_id or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _Bad(
        "bad_message", f"id must be a number or a string of 1 to {MAX_MESSAGE_ID_CHARACTERS} characters"
    )


def _recipients(message: Json) -> tuple[str, ...]:
    recipients = message.get("recipients")
    if recipients is None and "recipientId" in message:
        recipients = [message["recipientId"]]
    if not isinstance(recipients, list) or not recipients:
        raise _Bad("bad_message", "recipients must be a list of user ids")
    if len(recipients) > MAX_RECIPIENTS:
        raise _Bad(
            "too_many_recipients", f"a message can have {MAX_RECIPIENTS} recipients, not {len(recipients)}"
        )
    return tuple(dict.fromkeys(_user_id(recipient, "recipients") for recipient in recipients))


def _user_id(value: object, field: str) -> str:
    if is_user_id(value):
        return value
    raise _Bad(
        "bad_message", f"{field} must hold user ids: strings of 1 to {MAX_USER_ID_CHARACTERS} characters"
    )


def encode(message: Mapping[str, Any]) -> bytes:
    """JSON as UTF-8, without spaces: API Gateway meters bytes."""
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can express
        return json.dumps(message, separators=(",", ":")).encode()


def pong(message_id: MessageId | None, now_ms: int) -> Json:
    """The answer to a ping."""
    return _with_id({"type": "pong", "timestamp": now_ms}, message_id)


def echo(original: Json) -> Json:
    """The answer to an unknown type."""
    return {"type": "echo", "original": original}


def error(code: ErrorCode, reason: str, message_id: MessageId | None = None) -> Json:
    """Why a message was not carried out."""
    return _with_id({"type": "error", "code": code, "message": reason}, message_id)


def message_received(command: SendMessage, message_id: MessageId, sender: str, now_ms: int) -> Json:
    """What the recipients of a message get. Who sent it, and when, is never taken from the message."""
    return {
        **command.content,
        "type": "message:received",
        "id": message_id,
        "from": sender,
        "timestamp": now_ms,
    }


def signal_received(command: Signal, sender: str) -> Json:
    """What the target of call signalling gets."""
    return {**command.message, "from": sender}


def message_sent(message_id: MessageId, now_ms: int, counts: Mapping[str, int]) -> Json:
    """The receipt for the sender of a message."""
    return {"type": "message:sent", "id": message_id, "timestamp": now_ms, **counts}


def _with_id(message: Json, message_id: MessageId | None) -> Json:
    return message if message_id is None else {**message, "id": message_id}

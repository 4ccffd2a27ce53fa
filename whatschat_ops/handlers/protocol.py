"""The messages between clients and the `default` function (docs/protocol.md has an example of each).

Parses a message into a command, by the table in `routing`, and builds the messages to send. Pure. Every body gives a
command: an invalid one is `Refused`, with the reason for the sender.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from .limits import MAX_TYPE_CHARACTERS, MAX_USER_ID_CHARACTERS, is_user_id
from .routing import LIST_FIELDS, SERVER, Action, Route, WithoutUser, route_of

MAX_RECIPIENTS: Final = 100
MAX_MESSAGE_ID_CHARACTERS: Final = 128

MessageId = str | int
ErrorCode = Literal[
    "bad_json",
    "bad_message",
    "reserved_type",
    "undeliverable",
    "too_many_recipients",
    "message_too_large",
    "not_connected",
    "target_offline",
    "delivery_failed",
    "internal_error",
    "meeting_not_found",
    "not_allowed",
    "too_many_meetings",
    "chime_limit",
    "chime_busy",
    "chime_failed",
]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """Respond with a pong."""

    id: MessageId | None


@dataclass(frozen=True, slots=True)
class Echo:
    """There is no user to deliver it to: send it back."""

    original: Json


@dataclass(frozen=True, slots=True)
class Deliver:
    """Deliver the message to every live connection of some users, as its route says."""

    id: MessageId | None
    message: Json
    route: Route
    named: tuple[str, ...]
    participants: tuple[str, ...] = ()
    """Users who get it unless they are the sender: the sender is a participant, too."""

    @property
    def type(self) -> str:
        """The message as the client sent it."""
        return str(self.message["type"])

    def recipients(self, sender: str) -> tuple[str, ...]:
        """The users to deliver to, each once."""
        others = (user for user in self.participants if user != sender)
        return tuple(dict.fromkeys((*self.named, *others)))


@dataclass(frozen=True, slots=True)
class Signal:
    """Serve a message about a meeting of Chime (`signalling`)."""

    id: MessageId | None
    message: Json

    @property
    def type(self) -> str:
        """For example `chime:join-meeting`."""
        return str(self.message["type"])

    def field(self, name: str) -> Any:
        """A field of the message: the web client has it in `data`, the server's vocabulary beside it."""
        data = self.message.get("data")
        inside = data.get(name) if isinstance(data, dict) else None
        return self.message.get(name) if inside is None else inside


@dataclass(frozen=True, slots=True)
class Refused:
    """Respond with an error."""

    code: ErrorCode
    reason: str
    id: MessageId | None = None


Command = Ping | Echo | Deliver | Signal | Refused


class _Bad(Exception):
    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def parse_message(body: str | None, is_base64: bool = False, *, signalling: bool = False) -> Command:
    """The command in a message. With `signalling`, messages about meetings are a `Signal`, whatever users they name."""
    message_id: MessageId | None = None
    try:
        message = _parse_object(body, is_base64)
        message_id = _message_id(message)
        return _command(message, message_id, signalling)
    except _Bad as bad:
        return Refused(bad.code, bad.reason, message_id)


def _command(message: Json, message_id: MessageId | None, signalling: bool) -> Command:
    kind = message.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARACTERS:
        raise _Bad("bad_message", f"type must be a string of 1 to {MAX_TYPE_CHARACTERS} characters")
    route = route_of(kind)
    if route.action is Action.PONG:
        return Ping(message_id)
    if route.action is Action.REFUSE:
        raise _Bad("reserved_type", f"only the server sends {kind}")
    if signalling and route.about_meetings:
        return Signal(message_id, message)
    for fields in route.addresses:
        users = {field: _users(message, field) for field in fields}
        if any(users.values()):
            return _deliver(message, message_id, route, users)
    return _without_user(message, route)


def _deliver(
    message: Json, message_id: MessageId | None, route: Route, users: dict[str, list[str]]
) -> Deliver:
    count = sum(map(len, users.values()))
    if count > MAX_RECIPIENTS:
        raise _Bad("too_many_recipients", f"a message can have {MAX_RECIPIENTS} recipients, not {count}")
    participants = tuple(users.pop("participants", ()))
    named = dict.fromkeys(user for of_field in users.values() for user in of_field)
    return Deliver(message_id, message, route, tuple(named), participants)


def _without_user(message: Json, route: Route) -> Command:
    fields = [field for group in route.addresses for field in group]
    names = ", ".join(dict.fromkeys(fields))
    if route.without_user is WithoutUser.UNDELIVERABLE or route.undeliverable_with in message:
        raise _Bad("undeliverable", f"it is meant for {route.meant_for}; name users in one of {names}")
    if route.without_user is WithoutUser.BAD_MESSAGE:
        raise _Bad("bad_message", f"it names no user; one of {names} must")
    return Echo(message)


def _users(message: Json, field: str) -> list[str]:
    """The users in an address field; none when it is absent, empty, or means the functions."""
    value = message.get(field)
    if value is None or (field == "to" and value == SERVER):
        return []
    if field in LIST_FIELDS and not isinstance(value, list):
        raise _Bad("bad_message", f"{field} must be a list of user ids")
    return list(_user_ids(value if field in LIST_FIELDS else [value], field))


def _user_ids(values: list[Any], field: str) -> Iterator[str]:
    for value in values:
        if not is_user_id(value):
            rule = f"strings of 1 to {MAX_USER_ID_CHARACTERS} characters, no control characters"
            raise _Bad("bad_message", f"{field} must hold user ids: {rule}")
        yield value


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
    """NaN and Infinity: Python accepts them, but no JavaScript client can parse them."""
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


def size_bytes(body: str | None, is_base64: bool) -> int:
    """The size of a message as the client sent it; of base64, from its length."""
    if not body:
        return 0
    if is_base64:
        return len(body) * 3 // 4 - body[-2:].count("=")
    return len(body) if body.isascii() else len(body.encode("utf-8", "surrogatepass"))


def encode(message: Mapping[str, Any]) -> bytes:
    """JSON as UTF-8, without spaces: API Gateway meters bytes."""
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can express
        return json.dumps(message, separators=(",", ":")).encode()


def pong(message_id: MessageId | None, now_ms: int) -> Json:
    """The response to a ping."""
    return _with_id({"type": "pong", "timestamp": now_ms}, message_id)


def echo(original: Json) -> Json:
    """The response to a message that names no user."""
    return {"type": "echo", "original": original}


def error(code: ErrorCode, reason: str, message_id: MessageId | None = None) -> Json:
    """Why a message was refused."""
    return _with_id({"type": "error", "code": code, "message": reason}, message_id)


def delivered(command: Deliver, message_id: MessageId | None, sender: str, now_ms: int) -> Json:
    """The message for the recipients. Its sender and its time are never taken from the message."""
    route = command.route
    message = {
        **{field: value for field, value in command.message.items() if field not in route.hidden},
        "type": route.delivered_as or command.type,
        "from": sender,
        "userId": sender,
        "timestamp": now_ms,
    }
    if route.names_initiator or "initiatorId" in message:
        message["initiatorId"] = sender
    return _with_id(message, message_id if route.has_receipt else None)


def message_sent(message_id: MessageId | None, now_ms: int, counts: Mapping[str, int]) -> Json:
    """The receipt for the sender of a message."""
    return _with_id({"type": "message:sent", "timestamp": now_ms, **counts}, message_id)


def served(
    kind: str,
    data: Json,
    now_ms: int,
    *,
    message_id: MessageId | None = None,
    sender: str | None = None,
    beside: Json | None = None,
) -> Json:
    """An answer or an event about a meeting: the web client reads `data`, the server's vocabulary the same fields beside it.

    `sender` is the user whose message led to an event.
    """
    named = {} if sender is None else {"from": sender, "userId": sender}
    message = {**(beside or {}), **data, "type": kind, "data": data, **named, "timestamp": now_ms}
    return _with_id(message, message_id)


def _with_id(message: Json, message_id: MessageId | None) -> Json:
    return message if message_id is None else {**message, "id": message_id}

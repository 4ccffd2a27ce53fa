"""What happens to a client's message, as data: one row for some types, read by `protocol` and by docs/protocol.md.

Three vocabularies meet here: that of the application's web client (`message`, `typing`, `call_offer`), that of its
server (the names of its Socket.IO events: `message:send`, `call:offer`), and that of its own Lambda functions
(`ping`, `message:send`). Who is in a chat, or who talks with others, is in the application's database only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SERVER: Final = "server"
"""The value of `to` that means the functions themselves, never a user."""

LIST_FIELDS: Final = frozenset({"recipients", "participants"})
"""Address fields that hold a list of user ids; every other one holds one user id."""

ADDRESSES: Final = ("to", "targetUserId", "recipients", "participants")
"""The address fields of every type: all users in them get the message."""

RESERVED_TYPES: Final = (
    "message:sent",
    "message:received",
    "echo",
    "error",
    "pong",
    "connected",
    "disconnected",
    "user:connect",
    "user:online",
    "user:offline",
    "chime:meeting-created",
    "chime:meeting-ended",
    "chime:attendee-created",
    "chime:attendee-joined",
    "chime:attendee-left",
    "chime:attendees-list",
    "chime:left-meeting",
)
"""Types that only the server sends, or that the web client raises itself about its own connection: from another user
they would be forged."""


class Vocabulary(StrEnum):
    """The program that sends it."""

    WEB = "web client"
    SERVER = "server"
    FUNCTIONS = "functions"


class Action(StrEnum):
    """What the function does with a message."""

    PONG = "pong"
    REFUSE = "refuse"
    """Refuse with `reserved_type`."""
    DELIVER = "deliver"


class WithoutUser(StrEnum):
    """The response to a message for delivery that names no user."""

    ECHO = "echo"
    BAD_MESSAGE = "bad_message"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to messages of `types`; a type that ends in `*` is a prefix."""

    types: tuple[str, ...]
    vocabularies: tuple[Vocabulary, ...] = ()
    action: Action = Action.DELIVER
    own_addresses: tuple[str, ...] = ()
    """Fields before ADDRESSES: the first one that names a user decides alone."""
    without_user: WithoutUser = WithoutUser.ECHO
    meant_for: str = ""
    """Why a message without a user is undeliverable, where it can be."""
    undeliverable_with: str | None = None
    """The field that makes a message without a user undeliverable, where `without_user` alone does not."""
    delivered_as: str = ""
    """The type that recipients get, if it differs."""
    hidden: frozenset[str] = frozenset()
    """Fields that recipients do not get."""
    has_receipt: bool = False
    """The sender gets a receipt; otherwise only an error when a user could not be reached."""
    about_meetings: bool = False
    """With `chime.signalling` the function serves it itself (`signalling`)."""
    names_initiator: bool = False
    """Recipients get the sender as `initiatorId`, too, even if the message has no such field."""

    @property
    def addresses(self) -> tuple[tuple[str, ...], ...]:
        """Groups of address fields: the first group that names a user decides who gets the message."""
        return (*((field,) for field in self.own_addresses), ADDRESSES)


_CHAT: Final = "a chat, and only the application knows who is in it"
_EVERYONE: Final = "everyone who knows the sender, and only the application knows who that is"

ROUTES: Final = (
    Route(("ping",), (Vocabulary.FUNCTIONS,), Action.PONG),
    Route(RESERVED_TYPES, (Vocabulary.SERVER,), Action.REFUSE),
    Route(
        ("message:send",),
        (Vocabulary.FUNCTIONS, Vocabulary.SERVER),
        own_addresses=("recipients", "recipientId"),
        without_user=WithoutUser.BAD_MESSAGE,
        meant_for=_CHAT,
        undeliverable_with="chatId",
        delivered_as="message:received",
        hidden=frozenset({"messageId", "recipients", "recipientId"}),
        has_receipt=True,
    ),
    Route(
        ("message:read", "message:typing"),
        (Vocabulary.SERVER,),
        without_user=WithoutUser.UNDELIVERABLE,
        meant_for=_CHAT,
    ),
    Route(
        ("message:reaction", "user:status", "status:create"),
        (Vocabulary.SERVER,),
        without_user=WithoutUser.UNDELIVERABLE,
        meant_for=_EVERYONE,
    ),
    Route(
        ("user_status",),
        (Vocabulary.WEB,),
        without_user=WithoutUser.UNDELIVERABLE,
        meant_for=_EVERYONE,
    ),
    Route(
        ("call:incoming",),
        (Vocabulary.SERVER,),
        own_addresses=("targetUserId",),
        without_user=WithoutUser.BAD_MESSAGE,
        names_initiator=True,
    ),
    Route(
        ("call:answer", "call:reject"),
        (Vocabulary.SERVER,),
        own_addresses=("targetUserId", "initiatorId"),
        without_user=WithoutUser.BAD_MESSAGE,
    ),
    Route(
        ("call:end", "call:offer", "call:webrtc-answer", "call:ice-candidate", "call:*"),
        (Vocabulary.SERVER,),
        own_addresses=("targetUserId",),
        without_user=WithoutUser.BAD_MESSAGE,
    ),
    Route(
        (
            "message",
            "message_read",
            "typing",
            "call_offer",
            "call_answer",
            "call_ice_candidate",
            "call_end",
        ),
        (Vocabulary.WEB,),
    ),
    Route(
        (
            "chime:create-meeting",
            "chime:join-meeting",
            "chime:leave-meeting",
            "chime:end-meeting",
            "chime:list-attendees",
        ),
        (Vocabulary.WEB, Vocabulary.SERVER),
        about_meetings=True,
    ),
    Route(("*",)),
)
"""In order of the page; a type belongs to the row that names it, else to the row with its longest beginning."""


def _rows() -> Iterator[tuple[str, Route]]:
    return ((pattern, route) for route in ROUTES for pattern in route.types)


_EXACT: Final[Mapping[str, Route]] = {pattern: route for pattern, route in _rows() if "*" not in pattern}
_PREFIXES: Final = sorted(
    ((pattern[:-1], route) for pattern, route in _rows() if pattern.endswith("*")),
    key=lambda row: -len(row[0]),
)


def route_of(kind: str) -> Route:
    """The row for messages of this type; every type has one."""
    return _EXACT.get(kind) or next(route for prefix, route in _PREFIXES if kind.startswith(prefix))

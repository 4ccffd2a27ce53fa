"""The mode `simulated`: an echo in this process, for clients and scripts. Nothing leaves the machine.

It speaks the vocabularies of the built-in functions (docs/protocol.md): a message to a user who has a socket in the same
`Simulation` is delivered there; one to any other user comes back as if that user had sent it. Chime requests get meetings and
attendees that exist nowhere. Every message from here has `"simulated": true`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from whatschat_ops.choices import SocketMode
from whatschat_ops.sockets.adapter import Adapter, Inbox
from whatschat_ops.sockets.close_codes import NORMAL

URL: Final = "simulated:"
NOTE: Final = "Simulated: messages are answered by this process, nothing leaves the machine."

_USER_FIELDS: Final = ("to", "targetUserId", "recipientId", "recipients", "participants")
_ANSWERS_TO_INITIATOR: Final = {"call:answer", "call:reject"}


@dataclass(slots=True)
class Simulation:
    """The users who have sockets here. `now_ms` is the time that messages get."""

    now_ms: Callable[[], int] = lambda: int(time.time() * 1000)
    _sockets: dict[str, list[SimulatedSocket]] = field(default_factory=dict)

    def connect(self, user: str) -> SimulatedSocket:
        """A socket of this user."""
        made = SimulatedSocket(self, user)
        self._sockets.setdefault(user, []).append(made)
        return made

    def leave(self, gone: SimulatedSocket) -> None:
        """Forget a closed socket."""
        mine = self._sockets.get(gone.user, [])
        if gone in mine:
            mine.remove(gone)

    def take(self, sender: SimulatedSocket, text: str) -> None:
        """Answer a message, or deliver it."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not isinstance(document.get("type"), str):
            self._answer(sender, _error("bad_message", "the message is not a JSON object with a type", {}))
        elif document["type"] == "ping":
            self._answer(sender, {"type": "pong", **_id(document)})
        elif document["type"].startswith("chime:"):
            self._answer(sender, _chime(document, sender.user))
        elif users := users_of(document, sender.user):
            self._deliver(sender, document, users)
        else:
            self._answer(sender, {"type": "echo", "original": document})

    def _deliver(self, sender: SimulatedSocket, document: Mapping[str, Any], users: list[str]) -> None:
        is_send = document["type"] == "message:send"
        received = {key: value for key, value in document.items() if key != "recipients" or not is_send}
        received["type"] = "message:received" if is_send else document["type"]
        reached = 0
        for user in users:
            sockets = self._sockets.get(user, [])
            for each in sockets:
                self._answer(each, {**received, "from": sender.user, "userId": sender.user})
            if not sockets:  # the echo
                self._answer(sender, {**received, "from": user, "userId": user})
            reached += len(sockets) or 1
        if is_send:
            counts = {"recipients": len(users), "delivered": len(users), "offline": 0, "failed": 0}
            self._answer(sender, {"type": "message:sent", **_id(document), **counts, "connections": reached})

    def _answer(self, to: SimulatedSocket, document: Mapping[str, Any]) -> None:
        answer = {**document, "timestamp": self.now_ms(), "simulated": True}
        to.put(json.dumps(answer, ensure_ascii=False))


class SimulatedSocket(Inbox):
    """One end of a connection to a `Simulation`."""

    def __init__(self, simulation: Simulation, user: str) -> None:
        super().__init__()
        self.user = user
        self._simulation = simulation

    async def send(self, message: str | list[str]) -> None:
        """Send a message. Raises ConnectionClosed."""
        if self.close_code is not None:
            raise self.closed()
        self._simulation.take(self, message if isinstance(message, str) else "".join(message))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it."""
        self._simulation.leave(self)
        self.end(code, reason)


@dataclass(frozen=True, slots=True)
class Simulated(Adapter):
    """Opens sockets of one user to a simulation."""

    mode: ClassVar[SocketMode] = SocketMode.SIMULATED
    user: str = "simulated-user"
    simulation: Simulation = field(default_factory=Simulation)

    async def __call__(self) -> SimulatedSocket:
        """A socket."""
        return self.simulation.connect(self.user)


def users_of(document: Mapping[str, Any], sender: str) -> list[str]:
    """The users that a message names; as a participant, the sender is left out."""
    fields = _USER_FIELDS + (("initiatorId",) if document["type"] in _ANSWERS_TO_INITIATOR else ())
    named: list[Any] = []
    for name in fields:
        value = document.get(name)
        users = value if isinstance(value, list) else [value]
        named += [user for user in users if not (name == "participants" and user == sender)]
    return [user for user in dict.fromkeys(named) if isinstance(user, str) and user not in ("", "server")]


def _chime(document: Mapping[str, Any], user: str) -> dict[str, Any]:
    data = document.get("data")
    given = data if isinstance(data, dict) else document
    attendee = {"AttendeeId": str(uuid.uuid4()), "ExternalUserId": user, "JoinToken": "simulated"}
    if document["type"] == "chime:create-meeting":
        meeting = {"MeetingId": str(uuid.uuid4()), "ExternalMeetingId": given.get("externalMeetingId")}
        return {"type": "chime:meeting-created", "data": {"meeting": meeting, "attendee": attendee}}
    if document["type"] == "chime:join-meeting":
        meeting = {"MeetingId": given.get("meetingId")}
        return {"type": "chime:attendee-created", "data": {"meeting": meeting, "attendee": attendee}}
    return _error("not_simulated", f"{document['type']} is not simulated", document)


def _error(code: str, message: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": message, **_id(document)}


def _id(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("id", document.get("messageId"))
    return {} if found is None else {"id": found}

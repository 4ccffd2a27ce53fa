"""The mode `simulated`: an echo in this process, for clients and scripts. Nothing leaves the machine.

Messages go through the rules of the built-in functions (`handlers.protocol`): one to a user who has a socket in the same
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
from whatschat_ops.handlers import protocol
from whatschat_ops.handlers.chime_ids import of_new_meeting, of_user
from whatschat_ops.sockets.adapter import Adapter, Inbox
from whatschat_ops.sockets.close_codes import NORMAL

URL: Final = "simulated:"
NOTE: Final = "Simulated: messages are answered by this process, nothing leaves the machine."


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
        match protocol.parse_message(text, signalling=True):
            case protocol.Ping(id=message_id):
                self._answer(sender, protocol.pong(message_id, self.now_ms()))
            case protocol.Echo(original=original):
                self._answer(sender, protocol.echo(original))
            case protocol.Refused(code=code, reason=reason, id=message_id):
                self._answer(sender, protocol.error(code, reason, message_id))
            case protocol.Signal() as signal:
                self._answer(sender, _chime(signal, sender.user, self.now_ms()))
            case protocol.Deliver() as command:
                self._deliver(sender, command)

    def _deliver(self, sender: SimulatedSocket, command: protocol.Deliver) -> None:
        has_receipt, now_ms = command.route.has_receipt, self.now_ms()
        message_id = str(uuid.uuid4()) if has_receipt and command.id is None else command.id
        reached, users = 0, command.recipients(sender.user)
        for user in users:
            sockets = self._sockets.get(user, [])
            for each in sockets:
                self._answer(each, protocol.delivered(command, message_id, sender.user, now_ms))
            if not sockets:  # the echo
                self._answer(sender, protocol.delivered(command, message_id, user, now_ms))
            reached += len(sockets) or 1
        if has_receipt:
            counts = {"recipients": len(users), "delivered": len(users), "offline": 0, "failed": 0}
            receipt = protocol.message_sent(message_id, now_ms, {**counts, "connections": reached})
            self._answer(sender, receipt)

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


def _chime(signal: protocol.Signal, user: str, now_ms: int) -> dict[str, Any]:
    """The answer to its sender, with the fields of the functions' answer, as far as there is no Chime."""

    def served(kind: str, data: dict[str, Any], beside: dict[str, Any] | None = None) -> dict[str, Any]:
        return protocol.served(kind, data, now_ms, message_id=signal.id, beside=beside)

    attendee = {"attendeeId": str(uuid.uuid4()), "externalUserId": of_user(user), "joinToken": "simulated"}
    given = {"meetingId": signal.field("meetingId")}
    match signal.type:
        case "chime:create-meeting":
            external = signal.field("externalMeetingId") or of_new_meeting(user, now_ms)
            meeting = {"meetingId": str(uuid.uuid4()), "externalMeetingId": external}
            return served("chime:meeting-created", {"meeting": meeting, "attendee": attendee}, meeting)
        case "chime:join-meeting":
            return served("chime:attendee-created", {"meeting": given, "attendee": attendee})
        case "chime:leave-meeting":
            return served("chime:left-meeting", {**given, "attendeeId": signal.field("attendeeId")})
    refused = {"type": "error", "code": "not_simulated", "message": f"{signal.type} is not simulated"}
    return refused if signal.id is None else {**refused, "id": signal.id}

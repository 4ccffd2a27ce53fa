"""A call inside this process: each message goes through the rules of the `default` function and on to the other user.

No AWS, no socket, no media: it shows what the vocabulary's messages become, and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.calls.vocabulary import Envelope, Kind, Signal, message_of, signal_of
from whatschat_ops.choices import CallVocabulary
from whatschat_ops.handlers import protocol

NOTE: Final = "Simulated: nothing left this process. No API, no function and no media were tested."

SIGNALS: Final = (
    Signal(Kind.OFFER, {"type": "offer", "sdp": "v=0\r\n"}),
    Signal(Kind.ANSWER, {"type": "answer", "sdp": "v=0\r\n"}),
    Signal(
        Kind.CANDIDATE,
        {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0},
    ),
    Signal(Kind.END, {}),
)


@dataclass(frozen=True, slots=True)
class SimulatedMessage:
    """One message and what became of it: `delivered`, `echo`, or `refused` with the code."""

    type: str
    to: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SimulatedReport:
    """A call in which nothing left the process. `ok`: every signal of the call arrived as it was sent."""

    mode: str
    vocabulary: str
    users: Mapping[str, str]
    ok: bool
    messages: tuple[SimulatedMessage, ...]
    note: str = NOTE


def simulate(
    vocabulary: CallVocabulary, caller: str, callee: str, call_id: str, now_ms: int
) -> SimulatedReport:
    """Send every message of the vocabulary that a call and a chat have from one user to the other."""
    there = Envelope(vocabulary, caller, callee, call_id)
    back = Envelope(vocabulary, callee, caller, call_id)
    arrived = []
    shown = []
    for signal in SIGNALS:
        message = message_of(signal, there, now_ms)
        delivered, outcome = _through_default(message, caller, now_ms)
        arrived.append(delivered is not None and signal_of(delivered, back) == signal)
        shown.append(SimulatedMessage(message["type"], callee, outcome))
    for message in _others(there, now_ms):
        _, outcome = _through_default(message, caller, now_ms)
        shown.append(SimulatedMessage(message["type"], str(message.get("to", callee)), outcome))
    users = {"caller": caller, "callee": callee}
    return SimulatedReport("simulated", vocabulary.value, users, all(arrived), tuple(shown))


def _through_default(
    message: Mapping[str, Any], sender: str, now_ms: int
) -> tuple[Mapping[str, Any] | None, str]:
    """What the recipient gets (None: nothing), and the outcome in words."""
    match protocol.parse_message(protocol.encode(message).decode()):
        case protocol.Deliver() as command:
            return protocol.delivered(command, command.id, sender, now_ms), "delivered"
        case protocol.Refused(code=code):
            return None, f"refused: {code}"
        case protocol.Ping():
            return None, "pong"
        case _:
            return None, "echo"


def _others(envelope: Envelope, now_ms: int) -> Iterator[dict[str, Any]]:
    """The rest of the vocabulary, as its program sends it."""
    if envelope.vocabulary is CallVocabulary.WEB:
        to_user: dict[str, Any] = {
            "message": {"id": "1", "text": "Hi", "type": "text"},
            "message_read": {"messageId": "1"},
            "typing": {"isTyping": True},
        }
        to_server = {
            "chime:create-meeting": {"externalMeetingId": f"call-{envelope.target}-{now_ms}"},
            "chime:join-meeting": {"meetingId": envelope.call_id},
            "chime:leave-meeting": {"meetingId": envelope.call_id, "attendeeId": envelope.call_id},
        }
        for kind, data in to_user.items():
            yield {"type": kind, "to": envelope.target, "data": data, "timestamp": now_ms}
        yield {"type": "user_status", "data": {"status": "online"}, "timestamp": now_ms}
        for kind, data in to_server.items():
            yield {"type": kind, "to": "server", "data": data, "timestamp": now_ms}
        return
    yield {"type": "call:incoming", "targetUserId": envelope.target, "callId": envelope.call_id}
    yield {"type": "call:answer", "callId": envelope.call_id, "initiatorId": envelope.target}
    yield {"type": "call:reject", "callId": envelope.call_id, "initiatorId": envelope.target}
    yield {"type": "message:send", "recipients": [envelope.target], "content": "Hi"}
    yield {"type": "message:typing", "chatId": "1", "isTyping": True}

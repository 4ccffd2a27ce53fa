"""A load test over Socket.IO: its messages travel as `call:ice-candidate`.

That is the event which the application server passes from one user to another without its database and without a chat, so
that the users of a test need not exist there. A ping is a candidate to the sender's own user. No event has a receipt.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from whatschat_ops.sockets.adapter import Socket

EVENT: Final = "call:ice-candidate"
_numbers = itertools.count(1)


class CandidateSocket:
    """A Socket.IO socket of `user`, for the texts of `schedule` and the answers that the runner counts."""

    def __init__(self, socket: Socket, user: str) -> None:
        self._socket, self._user = socket, user
        self._tag = next(_numbers)
        """Tells the pings of this socket from those of the user's other ones."""

    @property
    def close_code(self) -> int | None:
        """The code it was closed with, once it is closed."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason it was closed with, once it is closed."""
        return self._socket.close_reason

    async def send(self, message: str | list[str]) -> None:
        """Send a ping or a message of the test. Raises ConnectionClosed."""
        document = json.loads(message if isinstance(message, str) else "".join(message))
        is_ping = document["type"] == "ping"
        data = {
            "callId": [self._tag if is_ping else 0, document["id"]],
            "targetUserId": self._user if is_ping else document["recipients"][0],
            "candidate": document.get("filling") or document.get("content"),
        }
        await self._socket.send(json.dumps({"type": EVENT, "data": data}))

    async def recv(self) -> str | bytes:
        """The next answer. Raises ConnectionClosed."""
        while True:
            text = await self._socket.recv()
            document = json.loads(text)
            match document["type"], document["data"]:
                case "call:ice-candidate", {"callId": [0, number]}:
                    return _answer("message:received", number)
                case "call:ice-candidate", {"callId": [self._tag, number]}:
                    return _answer("pong", number)
                case "call:ice-candidate", _:
                    continue
                case _:
                    return text

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it."""
        await self._socket.close(code, reason)


def _answer(kind: str, number: Any) -> str:
    return json.dumps({"type": kind, "id": number})

"""Which socket sends what, and when. Pure: numbers in, times and texts out.

The schedule is open: a slow server does not slow down the senders, so waiting shows up as latency, not as fewer
messages. Turn n is due n / (sockets / interval) seconds after the start, spread evenly over the sockets.
"""

from __future__ import annotations

import json
from typing import Final

from whatschat_ops.choices import Traffic
from whatschat_ops.load.plan import LoadPlan

_FILLING: Final = "x"


def due_s(turn: int, plan: LoadPlan) -> float:
    """When a turn is due, in seconds after the start of the steady phase."""
    return turn * plan.interval_s / plan.sockets


def turns(plan: LoadPlan) -> int:
    """How many turns there are: those that are due before the end."""
    exact = plan.duration_s * plan.sockets / plan.interval_s
    return int(exact) if exact == int(exact) else int(exact) + 1


def socket_of(turn: int, plan: LoadPlan) -> int:
    """The socket of a turn."""
    return turn % plan.sockets


def is_ping(turn: int, plan: LoadPlan) -> bool:
    """Whether a ping is sent at this turn. With mixed traffic every socket alternates between the two."""
    if plan.traffic is Traffic.MIXED:
        return (turn % plan.sockets + turn // plan.sockets) % 2 == 0
    return plan.traffic is Traffic.PING


def user_of(socket: int, plan: LoadPlan) -> int:
    """The number of the user that a socket belongs to."""
    return socket % plan.users


def recipient(turn: int, plan: LoadPlan) -> int:
    """The number of the user that receives the message of this turn: another one each round, the sender only if there is no other."""
    sender = user_of(socket_of(turn, plan), plan)
    if plan.users == 1:
        return sender
    return (sender + 1 + turn // plan.sockets % (plan.users - 1)) % plan.users


def ping_text(number: int, size_bytes: int) -> str:
    """A ping of this size."""
    return _filled({"type": "ping", "id": number}, "filling", size_bytes)


def message_text(number: int, user_id: str, size_bytes: int) -> str:
    """A message to a user, of this size."""
    document = {"type": "message:send", "id": number, "recipients": [user_id]}
    return _filled(document, "content", size_bytes)


def _filled(document: dict[str, object], field: str, size_bytes: int) -> str:
    """The document as ASCII text of `size_bytes`, filled up in one field; a little larger if it does not fit."""
    empty = json.dumps({**document, field: ""}, separators=(",", ":"))
    filling = _FILLING * max(1, size_bytes - len(empty))
    return f'{empty[:-2]}{filling}"}}'

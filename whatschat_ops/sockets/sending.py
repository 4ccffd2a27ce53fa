"""`message:send` as a client sends it: one message to some users, and its receipt (docs/protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.choices import SocketMode
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.sockets.adapter import Socket
from whatschat_ops.sockets.client import request


@dataclass(frozen=True, slots=True)
class Receipt:
    """The fields of `message:sent`: users by outcome, and connections delivered to; None where the server sent none.

    `mode`: what took the message; `simulated` means that it went nowhere.
    """

    message_id: str
    recipients: int | None
    delivered: int | None
    offline: int | None
    failed: int | None
    connections: int | None
    mode: SocketMode = SocketMode.APIGATEWAY


_REJECTIONS: Final = ("error", "exception")
"""The second is what Nest's Socket.IO gateways send for a WsException."""


class MessageRejected(OpsError):
    """The application does not accept the message."""

    code = "rejected"


async def send_message(
    connection: Socket,
    recipients: Sequence[str],
    content: str,
    *,
    message_id: str,
    timeout_s: float,
    mode: SocketMode = SocketMode.APIGATEWAY,
) -> Receipt:
    """Send `content` to `recipients` (in the mode socketio: to the one chat that is named) and wait for the receipt.

    Raises MessageRejected when the application responds with an error, TimedOut when it does not respond in time.
    """
    text = message_text(recipients, content, message_id=message_id, mode=mode)
    answer = _document(
        await request(
            connection, text, is_answer=lambda body: is_answer(body, message_id), timeout_s=timeout_s
        )
    )
    if answer["type"] in _REJECTIONS:
        raise MessageRejected(f"The message was rejected: {_reason(answer)}.")
    counts = {
        name: answer.get(name) if isinstance(answer.get(name), int) else None
        for name in ("recipients", "delivered", "offline", "failed", "connections")
    }
    return Receipt(message_id=message_id, mode=mode, **counts)


def message_text(recipients: Sequence[str], content: str, *, message_id: str, mode: SocketMode) -> str:
    """`message:send` as the mode's server reads it. Raises UsageError in the mode socketio unless one chat is named."""
    if mode is SocketMode.SOCKETIO:
        message = _to_chat(recipients, content)
    else:
        message = {"id": message_id, "recipients": list(dict.fromkeys(recipients)), "content": content}
    return json.dumps({"type": "message:send", **message}, ensure_ascii=False)


def _to_chat(recipients: Sequence[str], content: str) -> dict[str, Any]:
    if len(recipients) != 1:
        raise UsageError("In the mode socketio a message goes to one chat: give its id with one --to.")
    return {"data": {"chatId": recipients[0], "content": content, "type": "text"}}


def _reason(answer: Mapping[str, Any]) -> str:
    data = answer.get("data")
    given = data if isinstance(data, dict) else answer
    return str(given.get("message", "no reason given"))


def is_answer(body: str, message_id: str) -> bool:
    """Whether `body` answers the message with this id. An error of API Gateway itself has no id."""
    document = _document(body)
    if document.get("type") in ("message:sent", *_REJECTIONS):
        return bool(document.get("id", message_id) == message_id)
    return False


def _document(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

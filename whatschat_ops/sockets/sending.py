"""`message:send` as a client sends it: one message to some users, and its receipt (docs/protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whatschat_ops.errors import OpsError
from whatschat_ops.sockets.client import Socket, request


@dataclass(frozen=True, slots=True)
class Receipt:
    """The fields of `message:sent`: users by outcome, and connections delivered to; None where the server sent none."""

    message_id: str
    recipients: int | None
    delivered: int | None
    offline: int | None
    failed: int | None
    connections: int | None


class MessageRejected(OpsError):
    """The application does not accept the message."""

    code = "rejected"


async def send_message(
    connection: Socket, recipients: Sequence[str], content: str, *, message_id: str, timeout_s: float
) -> Receipt:
    """Send `content` to `recipients` and wait for the receipt.

    Raises MessageRejected when the application responds with an error, TimedOut when it does not respond in time.
    """
    message = {
        "type": "message:send",
        "id": message_id,
        "recipients": list(dict.fromkeys(recipients)),
        "content": content,
    }
    text = json.dumps(message, ensure_ascii=False)
    answer = _document(
        await request(
            connection, text, is_answer=lambda body: is_answer(body, message_id), timeout_s=timeout_s
        )
    )
    if answer["type"] == "error":
        raise MessageRejected(f"The message was rejected: {answer.get('message', 'no reason given')}.")
    counts = {
        name: answer.get(name) if isinstance(answer.get(name), int) else None
        for name in ("recipients", "delivered", "offline", "failed", "connections")
    }
    return Receipt(message_id=message_id, **counts)


def is_answer(body: str, message_id: str) -> bool:
    """Whether `body` answers the message with this id. An error of API Gateway itself has no id."""
    document = _document(body)
    if document.get("type") in ("message:sent", "error"):
        return bool(document.get("id", message_id) == message_id)
    return False


def _document(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}

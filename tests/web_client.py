"""What the application's web client makes of a text frame: the judge of what our functions send to it.

Written from the rules of the client's WebSocket adapter (mode `apigateway`), not from our functions, so that a test
fails when the two drift apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClientEvent:
    """What the listeners for `type` are called with."""

    type: str
    sender: Any
    data: Any
    timestamp: Any


def read(frame: str, now_ms: int) -> ClientEvent:
    """The event that the client raises for a text frame.

    A frame that does not look like JSON, or is not, becomes a chat message from "server". Of a JSON object with a `type`
    the client keeps four things, and takes the whole object for the data when there is no `data`; JavaScript's `||` decides
    what "no" means, so an empty text and 0 count as missing, an empty object does not.
    """
    try:
        document = json.loads(frame) if frame.startswith(("{", "[")) else None
    except ValueError:
        return _chat_message(frame[:100], now_ms)
    if document is None:
        return _chat_message(frame, now_ms)
    assert isinstance(document, dict), "the client finds no listener for a list"
    assert document.get("type"), "the client finds no listener for a message without a type"
    return ClientEvent(
        document["type"],
        _first_true(document.get("from"), document.get("userId"), "server"),
        _first_true(document.get("data"), document),
        _first_true(document.get("timestamp"), now_ms),
    )


def _chat_message(text: str, now_ms: int) -> ClientEvent:
    return ClientEvent("message", "server", {"id": str(now_ms), "text": text, "type": "text"}, now_ms)


def _first_true(*values: Any) -> Any:
    """JavaScript's `a || b || c`: objects are true, empty or not."""
    true = (value for value in values if isinstance(value, dict | list) or value)
    return next(true, values[-1])

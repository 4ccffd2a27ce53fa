"""The state of a service as JSON, in pieces that are small."""

from __future__ import annotations

import json
from typing import Any

from whatschat_ops.local.control.saved_state import json_pieces


class Scoped:
    """What ministack's own dictionaries are: json cannot write them."""

    def to_json(self) -> dict[str, Any]:
        return {"items": {f"key-{number}": {"none": {"connectionId": {"S": "ü"}}} for number in range(100)}}


def _default(value: Any) -> Any:
    if isinstance(value, Scoped):
        return value.to_json()
    raise TypeError(type(value).__name__)


def test_pieces_are_what_json_would_write_at_once() -> None:
    document = {
        "format": 1,
        "payload": {
            "scoped": Scoped(),
            "list": [1, [], {"a": None}],
            "empty": {},
            "keys": {1: "x", None: True},
        },
        "text": 'a "quoted" text',
    }
    pieces = list(json_pieces(document, _default))
    assert "".join(pieces) == json.dumps(document, default=_default)
    assert max(map(len, pieces)) < 100

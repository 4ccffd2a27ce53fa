"""What is sent: one text, checked before anything is posted.

WhatsChat's clients understand JSON objects with a `type` (docs/protocol.md), so anything else is refused unless it is
meant (`text=True`). `kind` wraps what was given as the application's own messages are: the fields of an object stand
beside `type`, a text is its `content`. An `id` lets a client drop a message that arrives twice. What the user wrote is
sent as it was written: fields are added to the text, which is not rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.handlers.limits import MAX_TYPE_CHARACTERS
from whatschat_ops.message_size import check_size, metered_messages

_EXAMPLE = Hint(("ws", "broadcast", "--type", "notice", "Back in 5 minutes"))


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is posted. `message_id` is "" when it carries none."""

    data: bytes = field(repr=False)
    message_id: str
    warnings: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Its size in UTF-8."""
        return len(self.data)

    @property
    def metered(self) -> int:
        """How many messages AWS bills for each delivery."""
        return metered_messages(len(self.data))


def compose(given: str, new_id: str | None, *, kind: str | None = None, text: bool = False) -> Message:
    """The message that `given` means.

    `new_id` is added as `id` to an object that has none; None: no id is added. With `text`, what was given is text
    whatever it looks like. Raises UsageError when it is empty, not JSON or too big.
    """
    if not given.strip():
        raise UsageError("The message is empty.", hint=_EXAMPLE)
    if text and kind is None:
        return _sized(given, "", ())
    body = None if text else _object(given, required=kind is None)
    if kind is not None:
        given, body = _wrapped(given, body, _checked_type(kind))
    fields = body or {}
    if new_id is not None and "id" not in fields:
        given, fields = with_field(given, "id", new_id), {**fields, "id": new_id}
    known = fields.get("id", "")
    return _sized(given, known if isinstance(known, str) else json.dumps(known), tuple(_warnings(fields)))


def with_field(document: str, name: str, value: Any) -> str:
    """The text of a JSON object with one more field at its end; all else stays as it was written."""
    head = document.rstrip()[:-1]
    comma = "" if head.rstrip().endswith("{") else ","
    return f"{head.rstrip()}{comma}{_json(name)}:{_json(value)}}}"


def _wrapped(given: str, body: Mapping[str, Any] | None, kind: str) -> tuple[str, Mapping[str, Any]]:
    if body is None:
        wrapped: Mapping[str, Any] = {"type": kind, "content": given}
        return _json(wrapped), wrapped
    if "type" not in body:
        inner = given.strip()[1:].lstrip()
        comma = "" if inner == "}" else ","
        return f'{{"type":{_json(kind)}{comma}{inner}', {"type": kind, **body}
    if body["type"] != kind:
        raise UsageError(
            f"--type says {kind!r}, but the message has a type already: {_shortened(_json(body['type']))}.",
            hint="Leave one of them out.",
        )
    return given, body


def object_or_text(text: str) -> Mapping[str, Any] | list[Any] | str:
    """A message for a document in JSON, which holds objects and not JSON in strings: parsed, else the text as it is."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict | list) else text


def _object(given: str, *, required: bool) -> Mapping[str, Any] | None:
    """The JSON object that `given` is. Without `required`, what does not begin like one is text: None."""
    if not required and given.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(given, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _not_json(given, f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # NaN; a number or a nesting beyond all measure
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _not_json(given, reason) from error
    if not isinstance(value, dict):
        raise UsageError(
            f"The message is JSON, but not an object: {_shortened(given)}. WhatsChat's clients read objects with a type.",
            hint="Put it into an object, or send it as text with --text.",
        )
    return value


def _not_json(given: str, why: str) -> UsageError:
    if given.lstrip()[0] in "[{":
        hint = Hint(text="Correct the JSON, or send it as text with --text.")
    else:
        words = given if len(given) <= 60 and given.isprintable() else "..."
        hint = Hint(
            ("ws", "broadcast", "--type", "notice", words), "Add --text to send it as it is, or a type"
        )
    return UsageError(f"The message is not JSON ({why}): {_shortened(given)}", hint=hint)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _checked_type(kind: str) -> str:
    if not 0 < len(kind) <= MAX_TYPE_CHARACTERS or not kind.strip():
        raise UsageError(f"--type needs a name of 1 to {MAX_TYPE_CHARACTERS} characters.", hint=_EXAMPLE)
    return kind


def _warnings(fields: Mapping[str, Any]) -> list[str]:
    kind = fields.get("type")
    if isinstance(kind, str) and 0 < len(kind) <= MAX_TYPE_CHARACTERS:
        return []
    return ["The message has no type that WhatsChat's clients could go by (docs/protocol.md)."]


def _sized(given: str, message_id: str, warnings: tuple[str, ...]) -> Message:
    try:
        data = given.encode()
    except UnicodeEncodeError as error:  # bytes of the command line that are no text
        raise UsageError(f"The message is not UTF-8 text ({error.reason}).") from error
    check_size(data)
    return Message(data, message_id, warnings)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."

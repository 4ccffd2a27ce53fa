"""The border that everything a command shows passes: what is secret in it, by its type, its shape or its name, is replaced here.

Results pass as values (`hidden`), before they are laid out, so that no column cuts a secret into pieces that nothing recognises.
All other text passes as text, in the streams themselves (`Redacting`), which nothing that prints can go around.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, TextIO, TypeVar, cast

from whatschat_ops.redaction import REDACTED, is_secret_name, is_secret_value, redact

T = TypeVar("T")

_LABELS: Final = ("name", "key", "field", "variable", "parameter", "parameterkey")
"""Fields that name what the fields beside them hold: {"Key": "API_TOKEN", "Value": "..."}."""
_VALUES: Final = ("value", "parametervalue", "old", "new", "before", "after", "expected", "found", "default")


class Redacting:
    """A stream of text in which secrets are replaced, unless they are to be shown. Everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.show_secrets = False

    def write(self, text: str) -> int:
        """Write the text without its secrets. Raises TypeError for anything else: Click tries what a stream takes."""
        if not isinstance(text, str):
            raise TypeError(f"a stream of text takes no {type(text).__name__}")
        self.stream.write(text if self.show_secrets else redact(text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write the lines without their secrets."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def redacting(stream: TextIO) -> TextIO:
    """The stream, redacting."""
    return stream if isinstance(stream, Redacting) else cast(TextIO, Redacting(stream))


def unwrapped(stream: TextIO) -> TextIO:
    """The stream behind the border, for what has passed it as values."""
    return stream.stream if isinstance(stream, Redacting) else stream


def set_shown(stream: TextIO, shown: bool) -> None:
    """Whether the stream shows secrets from now on."""
    if isinstance(stream, Redacting):
        stream.show_secrets = shown


@contextlib.contextmanager
def redacted_streams() -> Iterator[None]:
    """While a command runs, nothing that prints goes around the border: libraries, warnings and tracebacks neither."""
    with (
        contextlib.redirect_stdout(redacting(sys.stdout)),
        contextlib.redirect_stderr(redacting(sys.stderr)),
    ):
        yield


def hidden(value: T) -> T:
    """A result without its secrets: a copy of what has some, the very object if it has none.

    Of records (dataclasses, structs, named tuples), mappings and lists of them; `Secret` hides itself.
    """
    return cast(T, _hidden(value, ""))


def _hidden(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, Enum) else _text(value, name)
    if isinstance(value, PurePath):
        return value if (text := redact(str(value))) == str(value) else type(value)(text)
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        shown = _fields(dict(zip(value._fields, value, strict=True)))
        return type(value)(**shown)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _items(value, name)
    if isinstance(value, type) or not (names := _field_names(value)):
        return value
    return _record(value, {field: getattr(value, field) for field in names})


def _text(value: str, name: str) -> str:
    return REDACTED if is_secret_name(name) and is_secret_value(value) else redact(value)


def _record(value: Any, fields: dict[str, Any]) -> Any:
    shown = _fields(fields)
    changed = {name: item for name, item in shown.items() if item is not fields[name]}
    if not changed:
        return value
    if not dataclasses.is_dataclass(value):
        import msgspec

        return msgspec.structs.replace(value, **changed)
    copy = object.__new__(type(value))
    for name, item in (fields | changed).items():
        object.__setattr__(copy, name, item)
    return copy


def _mapping(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    shown: dict[Any, Any] = {}
    for key, item in _fields(value).items():
        label = _hidden(key, "")
        while label in shown and label is not key:  # two tokens are two entries
            label = f"{label}'"
        shown[label] = item
    same = len(shown) == len(value) and all(
        one is other and shown[one] is value[other] for one, other in zip(shown, value, strict=True)
    )
    return value if same else shown


def _items(value: Any, name: str) -> Any:
    shown = [_hidden(item, name) for item in value]
    if all(one is other for one, other in zip(shown, value, strict=True)):
        return value
    return shown if isinstance(value, (set, frozenset)) else type(value)(shown)


def _fields(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """The values, each hidden by its own name, or by what a field beside it says that it is."""
    labels = (item for name, item in fields.items() if str(name).lower() in _LABELS and isinstance(item, str))
    label = next((item for item in labels if is_secret_name(item)), None)
    return {
        name: _hidden(item, label if label and str(name).lower() in _VALUES else str(name))
        for name, item in fields.items()
    }


def _field_names(value: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value))
    return tuple(getattr(value, "__struct_fields__", ()))  # msgspec

"""The JSON Schema of what a command prints, from the types of its results: as `Output.encode` writes them.

A description is the text under a field (or in its `msgspec.Meta`), and the docstring of a class.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import inspect
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Final

import msgspec

from tests.json_output.results import RESULTS, Lines
from whatschat_ops.errors import Hint
from whatschat_ops.redaction import Secret

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY: Final = Path(__file__).parents[2] / "whatschat_ops" / "schemas"
TIME: Final = {"type": "string", "format": "date-time", "description": "A time, in UTC."}
_SCALARS: Final[Mapping[Any, Mapping[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    datetime: TIME,
    date: {"type": "string", "format": "date"},
    Hint: {"type": "string", "description": "What to do next, in words, with the command if there is one."},
    Secret: {"type": "string", "description": "Hidden unless --show-secrets is given."},
}
_IS_TIME: Final = re.compile("at|time|since|.+_at")
"""Fields that hold a time, also where it is kept as text, unless they say what else they hold."""
_DECIMAL: Final = {
    "type": "string",
    "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
    "description": "An exact decimal number.",
}


def file_of(command: str) -> Path:
    """The schema of a command: `ws broadcast` is in `ws-broadcast.json`."""
    return DIRECTORY / f"{command.replace(' ', '-')}.json"


def files() -> dict[Path, str]:
    """Every schema as it is published."""
    return {
        file_of(command): f"{json.dumps(schema_of(command), indent=2, ensure_ascii=False)}\n"
        for command in RESULTS
    }


def schema_of(command: str) -> dict[str, Any]:
    """The JSON Schema of what a command prints with --json."""
    made = Schemas()
    shapes = [_shape(made, shape) for shape in RESULTS[command]]
    title = {"error": "An error", "version": "whatschat-ops --version --json"}.get(
        command, f"whatschat-ops {command} --json"
    )
    whole = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    definitions = {"$defs": dict(sorted(made.definitions.items()))} if made.definitions else {}
    return {"$schema": DIALECT, "title": title, **whole, **definitions}


def _shape(made: Schemas, shape: Any) -> dict[str, Any]:
    if not isinstance(shape, Lines):
        return made.of(shape)
    return {"description": "One line of the output.", **made.of(shape.type)}


class Schemas:
    """Schemas of types, and the definitions that they refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._kinds: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type. Raises TypeError for one that no result may have."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return self._annotated(*arguments)
        if kind is Any or kind is object:
            return {}
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if origin is not None or kind in (list, tuple, dict):
            return self._container(origin or kind, arguments)
        return self._named(kind)

    def _named(self, kind: Any) -> dict[str, Any]:
        if kind in _SCALARS:
            return dict(_SCALARS[kind])
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if issubclass(kind, Decimal):
            return dict(_DECIMAL)
        if issubclass(kind, PurePath):
            return {"type": "string"}
        if issubclass(kind, Enum):
            return self._defined(kind, self._enumeration)
        if dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct):
            return self._defined(kind, self._record)
        raise TypeError(f"no result may hold a {kind}")

    def _defined(self, kind: Any, make: collections.abc.Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"two types are called {name}: {kind} and {self._kinds[name]}")
        if name not in self.definitions:
            self.definitions[name] = {}  # a type that holds itself ends here
            self.definitions[name] = make(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _enumeration(self, kind: type[Enum]) -> dict[str, Any]:
        return {**_described(kind), "enum": [member.value for member in kind]}

    def _record(self, kind: Any) -> dict[str, Any]:
        hints = _hints(kind)
        names = _field_names(kind)
        return {
            **_described(kind),
            "type": "object",
            "properties": {name: self._field(kind, name, hints[name]) for name in names},
            "required": names,
            "additionalProperties": False,
        }

    def _field(self, kind: Any, name: str, hint: Any) -> dict[str, Any]:
        made = self.of(hint)
        if text := _texts(kind).get(name):
            return {**made, "description": text}
        if _IS_TIME.fullmatch(name) and made.get("type") in ("string", ["string", "null"]):
            return {**TIME, "type": made["type"]}
        return made

    def _annotated(self, kind: Any, *metas: Any) -> dict[str, Any]:
        texts = [meta.description for meta in metas if getattr(meta, "description", None)]
        return {**self.of(kind), **({"description": texts[0]} if texts else {})}

    def _union(self, kinds: Iterable[Any]) -> dict[str, Any]:
        made: list[dict[str, Any]] = []
        for each in kinds:
            schema = self.of(each)
            if schema not in made:
                made.append(schema)
        if not all(made):
            return {}
        if len(made) == 2 and {"type": "null"} in made:
            (other,) = (each for each in made if each != {"type": "null"})
            if isinstance(other.get("type"), str):
                return {**other, "type": [other["type"], "null"]}
        return made[0] if len(made) == 1 else {"anyOf": made}

    def _container(self, origin: Any, arguments: Sequence[Any]) -> dict[str, Any]:
        if issubclass(origin, collections.abc.Mapping):
            value = self.of(arguments[1]) if arguments else {}
            return {"type": "object", **({"additionalProperties": value} if value else {})}
        if issubclass(origin, tuple) and arguments[-1:] != (...,):
            items = [self.of(each) for each in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        item = self.of(arguments[0]) if arguments else {}
        return {"type": "array", **({"items": item} if item else {})}


def _field_names(kind: Any) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind.__struct_fields__)


def _hints(kind: type) -> dict[str, Any]:
    """The types of the fields, also of those that are imported for the type checker only."""
    names = {
        name: value
        for each in reversed(kind.__mro__)
        for name, value in _checked_names(each.__module__).items()
    }
    return typing.get_type_hints(kind, localns=names, include_extras=True)


@cache
def _checked_names(module: str) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING`."""
    names: dict[str, Any] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module, "exec"), names)
    return names


@cache
def _tree(module: str) -> ast.Module:
    """The syntax tree of a module; an empty one of what is not written in Python (a base class of msgspec)."""
    file = getattr(sys.modules[module], "__file__", None) or ""
    return ast.parse(Path(file).read_text(encoding="utf-8") if file.endswith(".py") else "")


def _described(kind: type) -> dict[str, str]:
    text = inspect.cleandoc(kind.__doc__ or "")
    return {"description": _one_line(text)} if text and not text.startswith(f"{kind.__name__}(") else {}


@cache
def _texts(kind: type) -> dict[str, str]:
    """Field -> the text under it, of a class and of those that it extends."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        for node in ast.walk(_tree(each.__module__)):
            if isinstance(node, ast.ClassDef) and node.name == each.__name__:
                found |= _texts_in(node)
    return found


def _texts_in(node: ast.ClassDef) -> dict[str, str]:
    pairs = zip(node.body, node.body[1:], strict=False)
    return {
        ast.unparse(field.target): _one_line(text.value.value)
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _one_line(text: str) -> str:
    """A text of the source on one line, in the words of JSON."""
    return re.sub(r"\bNone\b", "null", " ".join(textwrap.dedent(text).split()))

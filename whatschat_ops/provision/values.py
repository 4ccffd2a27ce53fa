"""Values that are not known before something else exists, and how they become known. Pure.

A desired field may hold, at any depth of dictionaries, lists and tuples, a `Reference` to an output or field of
another resource, a `Text` with references in it, or a `Digest` of a whole tree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct


class Unknown:
    """A value that only exists after apply."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN: Final = Unknown()


class Reference(Struct, frozen=True):
    """The output or field `attribute` of the resource at `address`."""

    address: str
    attribute: str


class Text(Struct, frozen=True):
    """Strings and references, to be joined."""

    parts: tuple[str | Reference, ...]


class Digest(Struct, frozen=True):
    """The first 16 hex digits of the SHA-256 of a tree's canonical JSON, once all of it is known."""

    tree: Any


def text(*parts: str | Reference) -> str | Text:
    """The joined string; a `Text` if a part is not known yet."""
    strings = [part for part in parts if isinstance(part, str)]
    return "".join(strings) if len(strings) == len(parts) else Text(parts)


def references(value: Any) -> Iterator[Reference]:
    """Every reference in a value, at any depth."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Text):
        yield from (part for part in value.parts if isinstance(part, Reference))
    elif isinstance(value, Digest):
        yield from references(value.tree)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references(item)


def resolve(value: Any, lookup: Callable[[Reference], Any]) -> Any:
    """`value` with its references replaced by what `lookup` says, which may be UNKNOWN.

    A dictionary or list keeps its shape with UNKNOWN inside; a Text or Digest of something unknown is UNKNOWN.
    """
    if isinstance(value, Reference):
        return lookup(value)
    if isinstance(value, Text):
        parts = [lookup(part) if isinstance(part, Reference) else part for part in value.parts]
        return UNKNOWN if UNKNOWN in parts else "".join(str(part) for part in parts)
    if isinstance(value, Digest):
        tree = resolve(value.tree, lookup)
        return digest(tree) if is_known(tree) else UNKNOWN
    if isinstance(value, Mapping):
        return {key: resolve(item, lookup) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(resolve(item, lookup) for item in value)
    return value


def is_known(value: Any) -> bool:
    """Whether no UNKNOWN is in a resolved value."""
    if isinstance(value, Mapping):
        return all(is_known(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_known(item) for item in value)
    return not isinstance(value, Unknown)


def digest(tree: Any) -> str:
    """The digest of a tree of JSON values; key order does not matter."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]

"""The contract of a resource kind: facts about its fields, and four verbs.

A kind never decides: it does not compare, order or retry as a whole. It reads what is there, and creates, updates
or deletes one thing when it is told to. Every verb may be repeated after a crash.
"""

# ruff: noqa: ARG002 - what a kind may say of a change is given all of it
from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from msgspec import Struct, field

from whatschat_ops.errors import Hint

NOTHING: Mapping[str, Any] = MappingProxyType({})


def contains(live: Any, desired: Any) -> bool:
    """Whether every key of `desired` is in `live` with the same value; others may add keys of their own."""
    return isinstance(live, Mapping) and all(
        key in live and live[key] == value for key, value in desired.items()
    )


class Field(Struct, frozen=True):
    """What is true of one field of a kind.

    `replaces`: a change cannot be made in place, and why. `sensitive`: never shown. `input_only`: handed to create
    and update but not compared (the bytes of a zip, next to their hash). `matches(live, desired)` decides whether a
    change is needed. `steady`: a change leaves the kind's volatile outputs as they are.
    """

    replaces: str | None = None
    sensitive: bool = False
    input_only: bool = False
    matches: Callable[[Any, Any], bool] = operator.eq
    steady: bool = False


class Live(Struct, frozen=True):
    """A thing as it is in the world.

    `id` is what a person would look for (an ARN, an id). `fields` are comparable with the desired ones, `outputs`
    are what only the world knows. `owner` is the value of the owner's tag, None when there is none. `protected` says
    why it must not be deleted lightly. `held` says why a person's hand is on it: while that is so a change is refused,
    and `release` says how to end that. `note` is what a person should know before it is changed, `state` what is going on
    with it now, which a plan does not depend on.
    """

    id: str
    fields: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    outputs: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    owner: str | None = None
    protected: str | None = None
    held: str | None = None
    release: Hint | None = None
    note: str | None = None
    state: str | None = None


class Obstacle(Struct, frozen=True):
    """Why a change cannot be made now, and what to do about it."""

    reason: str
    hint: Hint


class Kind(ABC):
    """One kind of resource. Instances must be safe to use from several threads."""

    name: ClassVar[str]
    """Short name, the first half of every address: `table`, `route`."""
    identity: ClassVar[tuple[str, ...]]
    """The fields that find it. What they refer to contains it: inside something new, it is new."""
    fields: ClassVar[Mapping[str, Field]]
    """Every field, in the order in which a plan shows them."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Outputs that an update may change."""
    tagged: ClassVar[bool] = True
    """Whether it carries its owner's tag. If not, it belongs to whoever owns what contains it."""
    goes_with: ClassVar[str | None] = None
    """The kind of what contains it, if AWS deletes the one with the other: then no call of its own is made."""
    kept: ClassVar[str | None] = None
    """Why it is never deleted, if so."""
    note: ClassVar[str | None] = None
    """What a person should know before it is created."""
    holds_data: ClassVar[bool] = False
    """Whether deleting it loses data."""

    def require_declared(self, address: str, given: Mapping[str, Any]) -> None:
        """Raise TypeError unless `given` are fields of this kind, the identity among them: a mistake in our own code."""
        unknown = [name for name in given if name not in self.fields]
        missing = [name for name in self.identity if name not in given]
        if unknown or missing:
            what = [f"unknown: {', '.join(unknown)}"] * bool(unknown)
            what += [f"missing: {', '.join(missing)}"] * bool(missing)
            raise TypeError(
                f"{address}: wrong fields ({'; '.join(what)}). A {self.name} has {', '.join(self.fields)}."
            )

    @abstractmethod
    def read(self, identity: Mapping[str, Any]) -> Live | None:
        """The thing with that identity, or None. A refusal (403) is an error, never None."""

    @abstractmethod
    def create(self, desired: Mapping[str, Any]) -> Live:
        """Make it, with its owner's tag in the same call, and return when it can be used."""

    def obstacle(self, live: Live, changed: frozenset[str]) -> Obstacle | None:
        """Why these fields cannot be changed in place now, if so. Makes no call."""
        return None

    def effect(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> str | None:
        """What a person should know before these fields are changed in place. Makes no call."""
        return None

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        """Change the fields named in `changed`, and return when it can be used."""
        raise NotImplementedError(
            f"{self.name}: {sorted(changed)} of {live.id} cannot change to {sorted(desired)}"
        )

    def delete(self, live: Live) -> None:
        """Delete it and return when it is gone. Already gone is no error."""
        raise NotImplementedError(f"{self.name}: {live.id} cannot be deleted")

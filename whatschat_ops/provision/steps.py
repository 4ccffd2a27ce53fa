"""The plan as data: frozen steps that are printed, serialised and applied alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from whatschat_ops.errors import Blocked, Hint
from whatschat_ops.provision.kind import NOTHING, Live
from whatschat_ops.provision.values import Reference, references


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NO_OP = "no-op"
    BLOCKED = "blocked"
    """It cannot be done; the step's reason says why, and the plan cannot be applied."""


CHANGING = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)


class Ownership(Struct, frozen=True):
    """Whose resources these are: `owner` is the tag's value. `adopt` takes over what carries no owner's tag."""

    owner: str
    adopt: bool = False
    delete_data: bool = False
    """Whether something protected may be deleted."""


class Resource(Struct, frozen=True, dict=True):
    """Something that is wanted: a kind (by name), a logical name, and its fields.

    `after` adds dependencies that no reference expresses. The address is `kind.name`. No slots: what it depends on is asked
    many times in a plan, and found out once.
    """

    kind: str
    name: str
    fields: Mapping[str, Any]
    after: frozenset[str] = frozenset()
    kept: str | None = None
    """Why it stays although it is not wanted, if so."""

    @property
    def address(self) -> str:
        """Its name in plans, references and events, for example `table.connections`."""
        return f"{self.kind}.{self.name}"

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """Addresses of what must be there first."""
        return self.after | {reference.address for reference in references(self.fields)}

    def containers(self, identity: tuple[str, ...]) -> frozenset[str]:
        """Addresses that its identity refers to: what it lives in."""
        return frozenset(
            reference.address for name in identity for reference in references(self.fields.get(name))
        )


class FieldChange(Struct, frozen=True):
    """One field's old and new value. `replaces` is the reason why it forces a replacement."""

    field: str
    old: Any
    new: Any
    sensitive: bool = False
    replaces: str | None = None


class Step(Struct, frozen=True):
    """What happens to one resource. `after`: addresses of the steps that must end well before it starts."""

    action: Action
    resource: Resource
    live: Live | None = None
    changes: tuple[FieldChange, ...] = ()
    reason: str | None = None
    note: str | None = None
    after: frozenset[str] = frozenset()
    hint: Hint | None = None
    """For a blocked step: what to do."""
    kept: str | None = None
    """Why something that is not wanted stays."""
    loses_data: bool = False
    """Whether what is in it is lost."""
    warnings: tuple[str, ...] = ()
    """What it changes for others who use the same thing."""
    goes_with: str | None = None
    """For a step that deletes: the address of what contains it, whose own deletion is enough."""

    @property
    def address(self) -> str:
        """The address of its resource."""
        return self.resource.address


class Plan(Struct, frozen=True):
    """Steps in an order in which they may be done one after the other.

    `known` holds, by address, every value that is known before apply; `owner` is whose resources these are.
    """

    steps: tuple[Step, ...]
    known: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: NOTHING)
    owner: str = ""

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def changing(self) -> tuple[Step, ...]:
        """The steps that write."""
        return tuple(step for step in self.steps if step.action in CHANGING)

    @property
    def blocked(self) -> tuple[Step, ...]:
        """The steps that make the plan impossible."""
        return tuple(step for step in self.steps if step.action is Action.BLOCKED)

    def count(self, action: Action) -> int:
        """How many steps have that action."""
        return sum(step.action is action for step in self.steps)

    def require_possible(self) -> None:
        """Raise Blocked, naming every blocked step, unless there is none."""
        blocked = self.blocked
        if blocked:
            raise Blocked(
                "\n".join(f"{step.address}: {step.reason}" for step in blocked),
                hint=blocked[0].hint,
            )


def lookup_in(outputs: Mapping[str, Mapping[str, Any]], reference: Reference) -> Any:
    """The value of a reference among known outputs. A KeyError is a mistake in the resource list."""
    return outputs[reference.address][reference.attribute]

"""Settings -> the resources of the stack. Pure: no call is made here, so the whole stack can be read and tested as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from whatschat_ops.provision import Resource
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.parts import (
    audit,
    broadcast,
    chime,
    connections,
    handlers,
    lock,
    monitoring,
    websocket,
)
from whatschat_ops.stack.parts.blueprint import Blueprint, Part

PARTS: Final[tuple[Part, ...]] = (
    connections.PART, chime.PART, lock.PART, audit.PART, handlers.PART, websocket.PART, broadcast.PART,
    monitoring.PART,
)  # fmt: skip
_ORDER: Final = {name: number for number, name in enumerate(KINDS)}


class StackResources(Struct, frozen=True):
    """`wanted` with these settings; `unwanted` would be there with others (access logs that were switched off).

    `kept` is made by other commands than `provision`, which leaves it alone.
    """

    wanted: tuple[Resource, ...]
    unwanted: tuple[Resource, ...] = ()
    kept: tuple[Resource, ...] = ()

    @property
    def all(self) -> tuple[Resource, ...]:
        """Everything that the stack may consist of."""
        return (*self.wanted, *self.unwanted, *self.kept)


def stack_resources(blueprint: Blueprint, parts: Sequence[Part] = PARTS) -> StackResources:
    """Every resource of the stack, or of some parts of it, kind by kind."""
    wanted = (resource for part in parts for resource in part.resources(blueprint))
    return StackResources(
        tuple(sorted(wanted, key=lambda resource: _ORDER[resource.kind])),
        tuple(resource for part in parts for resource in part.unwanted(blueprint)),
        tuple(resource for part in parts for resource in part.kept(blueprint)),
    )

"""The guide's phases, and the two shares of each service that they are made of. Pure.

A service has a share for what is new (phases 1 and 3) and one for all of it (phases 2 and 4): for a user in both, a call that
is running is offered again through Chime, or the old path takes no new socket. Whoever is in the second is in the first.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct

from whatschat_ops.migration.cohort import Service


class Phase(IntEnum):
    """0 is before the migration. Each phase includes those before it, of the same service."""

    NONE = 0
    NEW_CALLS = 1
    ALL_CALLS = 2
    NEW_SOCKETS = 3
    ALL_SOCKETS = 4

    @property
    def service(self) -> Service:
        """The service that it moves."""
        return Service.CHIME if self <= Phase.ALL_CALLS else Service.WEBSOCKET

    @property
    def is_all(self) -> bool:
        """Whether it is the second of its service."""
        return self in (Phase.ALL_CALLS, Phase.ALL_SOCKETS)

    @property
    def meaning(self) -> str:
        """What it does for a user in its share."""
        return MEANINGS[self]


MEANINGS: Final = {
    Phase.NONE: "Calls are native, sockets are those of the old server.",
    Phase.NEW_CALLS: "New calls of the cohort go to Chime.",
    Phase.ALL_CALLS: "Re-offers and calls without a meeting go to Chime too; no running call is cut.",
    Phase.NEW_SOCKETS: "New sockets of the cohort go to API Gateway.",
    Phase.ALL_SOCKETS: "The old server refuses new sockets of the cohort; those that are open drain.",
}


class Shares(Struct, frozen=True):
    """Of one service, in percent of the users: `new` of what begins, `all` of what was there. `all` is at most `new`."""

    new: int = 0
    all: int = 0

    @property
    def mode(self) -> str:
        """`off`, `new` or `all`: the furthest that any user is."""
        return "all" if self.all else "new" if self.new else "off"

    @property
    def share(self) -> int:
        """That of the mode."""
        return self.all or self.new

    def mode_of(self, bucket: int) -> str:
        """The mode of the users of a bucket (0 to 99)."""
        return "all" if bucket < self.all else "new" if bucket < self.new else "off"

"""The state of a migration as data, and the decisions about it: a new state, or Blocked with the reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.phases import Phase, Shares

SCHEMA: Final = 1
LONGEST_CLAUSE: Final = 200


class Place(Struct, frozen=True):
    """Where a migration is: the shares of both services. `drained`: the operator said that the old path is empty."""

    chime: Shares = field(default_factory=Shares)
    websocket: Shares = field(default_factory=Shares)
    drained: bool = False

    def of(self, service: Service) -> Shares:
        """The shares of a service."""
        return self.chime if service is Service.CHIME else self.websocket

    @property
    def phase(self) -> Phase:
        """The furthest phase that any user is in."""
        return next((phase for phase in reversed(Phase) if self.share(phase)), Phase.NONE)

    def share(self, phase: Phase) -> int:
        """The share of a phase, in percent; 0 of phase 0."""
        if phase is Phase.NONE:
            return 0
        shares = self.of(phase.service)
        return shares.all if phase.is_all else shares.new

    @property
    def words(self) -> str:
        """`phase 2: 10 %`, or that of each service: `phase 2: 100 %, phase 3: 10 %`."""
        last = [
            max((phase for phase in Phase if self._is_in(phase, service)), default=None)
            for service in Service
        ]
        words = [f"phase {phase.value}: {self.share(phase)} %" for phase in last if phase]
        return ", ".join([*words, *(["drained"] if self.drained else [])]) or "phase 0"

    def _is_in(self, phase: Phase, service: Service) -> bool:
        return phase.service is service and self.share(phase) > 0


class Hold(Struct, frozen=True):
    """Why no step may be made: an operator's word, or the verdict of a gate, which the next check that passes lifts."""

    reason: str
    by_gate: bool = False

    @property
    def clause(self) -> str:
        """The reason as part of a sentence: one line of at most `LONGEST_CLAUSE` characters, without its full stop."""
        return " ".join(self.reason.split())[:LONGEST_CLAUSE].rstrip(".")


class MigrationState(Struct, frozen=True):
    """The row. `serial` counts the changes (0: none yet); `trail` are the places before, the last one first to go back to."""

    serial: int = 0
    place: Place = field(default_factory=Place)
    hold: Hold | None = None
    trail: tuple[Place, ...] = ()

    @property
    def phase(self) -> Phase:
        """The furthest phase that any user is in."""
        return self.place.phase

    def mode_of(self, service: Service, bucket: int) -> str:
        """`off`, `new` or `all`, of the users of a bucket (0 to 99)."""
        return self.place.of(service).mode_of(bucket)

    def document(self, stack: str) -> Mapping[str, object]:
        """What the parameter holds: all that a reader needs."""
        return {
            "schema": SCHEMA,
            "serial": self.serial,
            "stack": stack,
            "phase": self.phase.value,
            "drained": self.place.drained,
            "chime": {"new": self.place.chime.new, "all": self.place.chime.all},
            "websocket": {"new": self.place.websocket.new, "all": self.place.websocket.all},
        }

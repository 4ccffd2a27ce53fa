"""What `watch` shows at one moment, as data: its JSON is the contract of `--json` and of recordings. Pure.

A value of None was not measured; `unknown` says why. Times are in UTC; `points` has one value a minute, oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

Points = tuple[float | None, ...]


class Level(StrEnum):
    """How a figure is to be read."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


class Mark(Struct, frozen=True):
    """What happened at a moment: a deploy, a step of a migration, an alarm."""

    at: datetime
    what: str


class Tile(Struct, frozen=True, omit_defaults=True):
    """One figure with what explains it.

    `points` end at `until`; `before` are those of as long before. `command` is the one that looks closer, without the name of the program. `lines` and
    `points` of a tile that is unknown are the last ones that were read.
    """

    name: str
    value: float | None = None
    unit: str = ""
    level: Level = Level.OK
    unknown: str = ""
    lines: tuple[str, ...] = ()
    points: Points = ()
    before: Points = ()
    until: datetime | None = None
    command: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()

    def failed(self, why: str) -> Tile:
        """The tile while its source fails."""
        return replace(self, value=None, level=Level.UNKNOWN, unknown=why)


class Snapshot(Struct, frozen=True, omit_defaults=True):
    """All tiles at one moment."""

    at: datetime
    stack: str
    region: str
    tiles: tuple[Tile, ...]

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Of all tiles, oldest first."""
        return tuple(sorted({mark for tile in self.tiles for mark in tile.marks}, key=lambda mark: mark.at))

    def named(self, name: str) -> Tile | None:
        """The tile of that name."""
        return next((tile for tile in self.tiles if tile.name == name), None)


def worst(levels: Iterable[Level]) -> Level:
    """The one that matters most."""
    order = list(Level)
    return max(levels, key=order.index, default=Level.OK)


def changed(new: Snapshot, old: Snapshot | None) -> Iterator[Tile]:
    """The tiles that are not as they were."""
    before = {tile.name: tile for tile in old.tiles} if old else {}
    return (tile for tile in new.tiles if before.get(tile.name) != tile)

"""Snapshots that tests show, record and replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from whatschat_ops.watch import tiles
from whatschat_ops.watch.snapshot import Level, Mark, Snapshot, Tile

START = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
RISING = tuple(float(value) for value in range(60))
DEPLOY = Mark(START - timedelta(minutes=30), "lambda deploy")


def tile(name: str, value: float | None, **values: object) -> Tile:
    """A tile with the command of its name."""
    return Tile(name, value=value, command=tiles.COMMANDS[name], **values)  # type: ignore[arg-type]


FINE = Snapshot(
    START,
    "whatschat-local",
    "us-east-1",
    (
        tile(tiles.CONNECTIONS, 12.0, unit="open", points=RISING, before=(59.0,) * 60, until=START),
        tile(tiles.MESSAGES, 3.4, unit="/min", points=RISING, until=START, lines=("340 in the hour",)),
        tile(tiles.ERRORS, 0.0, unit="in 5 min", points=RISING, until=START),
        tile(tiles.LATENCY, 12.0, unit="ms p99", points=RISING, until=START),
        tile(tiles.ALARMS, 0.0, unit="firing"),
        tile(tiles.BROADCASTS, 0.0, unit="running"),
        tile(tiles.MEETINGS, 0.0, unit="open"),
        tile(tiles.DRIFT, 0.0, unit="resources"),
        tile(tiles.COST, 0.0123, unit="$/h"),
        tile(tiles.CHANGES, 1.0, unit="in 2 h", marks=(DEPLOY,), lines=("02:30 lambda deploy",)),
    ),
)


def changed(snapshot: Snapshot, minutes: int, **tiles_: Tile) -> Snapshot:
    """The snapshot so many minutes later, with other tiles (by name in lower case)."""
    changed_tiles = tuple(tiles_.get(each.name.lower(), each) for each in snapshot.tiles)
    return replace(snapshot, at=snapshot.at + timedelta(minutes=minutes), tiles=changed_tiles)


_ERRORS = tile(
    tiles.ERRORS,
    40.0,
    unit="in 5 min",
    level=Level.BAD,
    lines=("integration 40",),
    points=RISING,
    until=START,
)
RED = changed(FINE, 1, errors=_ERRORS)
LOST = changed(FINE, 2, messages=tile(tiles.MESSAGES, 3.4).failed("GetMetricData: Could not connect"))
NIGHT = (FINE, RED, LOST, *(changed(FINE, minutes) for minutes in range(3, 30)))
"""Half an hour: it goes wrong after a minute, and cannot be read after two."""

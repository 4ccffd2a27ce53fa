"""Snapshots as lines of text, for pipes and dumb terminals: one line each, and one for each tile that changed and is not well. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from whatschat_ops.watch.snapshot import Level, Snapshot, Tile, changed
from whatschat_ops.watch.text import clock, lines_of, printable, value_of


def lines(new: Snapshot, old: Snapshot | None) -> Iterator[str]:
    """What there is to say after `old`."""
    yield f"{clock(new.at, seconds=True)}  " + "  ".join(
        f"{tile.name.lower()} {value_of(tile)}" for tile in new.tiles
    )
    for tile in changed(new, old):
        was = old.named(tile.name) if old else None
        if tile.level is not Level.OK:
            yield from _said(tile) if was is None or _is_news(tile, was) else ()
        elif was is not None and was.level is not Level.OK:
            yield f"          ok {tile.name.lower()}"
    for mark in new.marks:
        if old is not None and mark not in old.marks:
            yield f"          mark {clock(mark.at, seconds=True)} {printable(mark.what)}"


def _is_news(tile: Tile, was: Tile) -> bool:
    """Of a chart its numbers, which the line has, are none."""
    return (tile.level, tile.unknown) != (was.level, was.unknown) or (
        not tile.points and tile.lines != was.lines
    )


def _said(tile: Tile) -> Iterator[str]:
    for line in lines_of(tile)[:2]:
        yield f"          {tile.level} {tile.name.lower()}: {line}"

"""What tiles say in text, for the screen and for `--plain`. Pure; nothing in it moves a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from whatschat_ops.plurals import rounded
from whatschat_ops.report.sparkline import BLOCKS
from whatschat_ops.watch.snapshot import Mark, Points, Tile

SIGNS: Final = {"ok": "", "warn": "!", "bad": "!!", "unknown": "?"}
"""Beside the colour, which not everyone sees."""
UNKNOWN: Final = "unknown"
GHOST: Final = "·"
MARK: Final = "▲"


def printable(text: str) -> str:
    """The text with everything replaced that a terminal would not print as a character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)


def value_of(tile: Tile) -> str:
    """`12 open`, `3.4 /min`, `-` without data, `unknown`."""
    if tile.unknown:
        return UNKNOWN
    if tile.value is None:
        return "-"
    if tile.unit == "$/h":
        return f"${tile.value:,.4f}/h"
    return printable(f"{rounded(tile.value)} {tile.unit}".strip())


def lines_of(tile: Tile) -> list[str]:
    """What explains it; the reason first when it is unknown."""
    return [printable(line) for line in (*([tile.unknown] if tile.unknown else ()), *tile.lines) if line]


def chart(points: Points, before: Points, width: int, height: int) -> list[tuple[str, str]]:
    """`height` rows from the top, each as two texts of one width: the bars, and the ghost of the time before, to be laid under them.

    A blank in both is no data. The highest value of either fills the height.
    """
    now, then = _columns(points, width), _columns(before, width)
    then = then or [None] * len(now)
    highest = max((value for value in (*now, *then) if value is not None), default=0.0)
    steps = len(BLOCKS) * height
    levels = [_level(value, highest, steps) for value in now]
    ghosts = [_level(value, highest, steps) for value in then]
    rows = []
    for row in reversed(range(height)):
        bars = "".join(_block(level - row * len(BLOCKS)) if level else " " for level in levels)
        is_here = (
            " " if not ghost else GHOST if (ghost - 1) // len(BLOCKS) == row else " " for ghost in ghosts
        )
        rows.append((bars, "".join(is_here)))
    return rows


def _level(value: float | None, highest: float, steps: int) -> int:
    """How many eighths of a row are filled: at least one where there is a value."""
    return 0 if value is None else max(1, round(value / highest * steps)) if highest > 0 else 1


def _block(eighths: int) -> str:
    return " " if eighths <= 0 else BLOCKS[min(eighths, len(BLOCKS)) - 1]


def _columns(values: Points, width: int) -> list[float | None]:
    """One value for each column: the highest of those in it, or each value in several columns."""
    count = len(values)
    if not count or width <= 0:
        return []
    edges = [place * count // width for place in range(width + 1)]
    groups = (values[start : max(end, start + 1)] for start, end in pairwise(edges))
    return [max((value for value in group if value is not None), default=None) for group in groups]


def marks_row(marks: Sequence[Mark], tile: Tile, width: int) -> str:
    """A sign under the column of each mark; empty without any in the time of the chart."""
    if tile.until is None or not tile.points or width <= 0:
        return ""
    minutes = len(tile.points)
    first, cells = tile.until - timedelta(minutes=minutes), [" "] * width
    for mark in marks:
        place = int((mark.at - first).total_seconds() / 60 / minutes * width)
        if 0 <= place < width:
            cells[place] = MARK
    return "".join(cells).rstrip()


def axis(tile: Tile, width: int) -> str:
    """The times of the two ends of the chart."""
    if tile.until is None:
        return ""
    first = tile.until - timedelta(minutes=len(tile.points))
    ends = f"{clock(first)}", f"{clock(tile.until)}"
    return f"{ends[0]}{ends[1].rjust(max(0, width - len(ends[0])))}"


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """The local time of day."""
    return f"{moment.astimezone():{'%H:%M:%S' if seconds else '%H:%M'}}"

"""One tile on the screen: its value, its chart with the time before and the marks under it, and what explains it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import Final

from rich.style import Style
from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from whatschat_ops.watch.snapshot import Level, Mark, Tile
from whatschat_ops.watch.text import SIGNS, axis, chart, lines_of, marks_row, value_of

STYLES: Final = {
    Level.OK: "bold green",
    Level.WARN: "bold yellow",
    Level.BAD: "bold red",
    Level.UNKNOWN: "bold magenta",
}
LEAST_ROWS: Final = 2
"""Of a chart."""
BESIDE_CHART: Final = 3
"""Lines: the value, marks, the axis."""
LEAST_HEIGHT: Final = 3
LEAST_HEIGHT_WITH_CHART: Final = 9
_GHOST: Final = Style(color="bright_black")
_BAR: Final = Style(color="cyan")
_MARK: Final = Style(color="yellow", bold=True)
_DIM: Final = Style(dim=True)


class TileView(Widget, can_focus=True):
    """Draws itself again only when what it shows has changed."""

    def __init__(self, number: int, tile: Tile) -> None:
        super().__init__(id=f"tile-{number}")
        self.number = number
        self.tile = tile
        self._marks: tuple[Mark, ...] = ()
        self._show_level()

    def show(self, tile: Tile, marks: tuple[Mark, ...]) -> None:
        """Show the tile, with the marks of all of them under its chart."""
        if (tile, marks) == (self.tile, self._marks):
            return
        other_height = (tile.lines, tile.unknown, not tile.points) != (
            self.tile.lines,
            self.tile.unknown,
            not self.tile.points,
        )
        self.tile, self._marks = tile, marks
        self._show_level()
        self.refresh(layout=other_height)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Room for every line, however it is wrapped."""
        del container, viewport
        lines = len(self._lines(width))
        if self.tile.points:
            return max(LEAST_HEIGHT_WITH_CHART, BESIDE_CHART + LEAST_ROWS + lines)
        return max(LEAST_HEIGHT, 1 + lines)

    def render(self) -> Text:
        """All of it, in the size that there is."""
        width, height = self.content_size
        text = Text(end="")
        text.append(f"{value_of(self.tile)} {SIGNS[self.tile.level]}\n", STYLES[self.tile.level])
        lines = self._lines(width)
        if self.tile.points:
            _draw_chart(text, self.tile, self._marks, width, height - BESIDE_CHART - len(lines))
        text.append("\n".join(lines), _DIM)
        return text

    def _lines(self, width: int) -> list[str]:
        return [row for line in lines_of(self.tile) for row in wrap(line, max(width, 1))]

    def _show_level(self) -> None:
        self.border_title = f"{(self.number + 1) % 10} {self.tile.name}"
        for level in Level:
            self.set_class(level is self.tile.level, f"-{level}")


def _draw_chart(text: Text, tile: Tile, marks: Sequence[Mark], width: int, height: int) -> None:
    for bars, ghosts in chart(tile.points, tile.before, width, height):
        cells = zip(bars, ghosts, strict=True)
        for is_bar, run in groupby(cells, key=lambda cell: cell[0] != " "):
            text.append("".join(bar if is_bar else ghost for bar, ghost in run), _BAR if is_bar else _GHOST)
        text.append("\n")
    text.append(f"{marks_row(marks, tile, width)}\n", _MARK)
    text.append(f"{axis(tile, width)}\n", _DIM)

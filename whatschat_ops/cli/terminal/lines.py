"""A result as lines of text, for commands that should answer at once: importing Rich takes longer than what they do."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple, TextIO

_STYLES: Final = {
    "": "",
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
}
_PIPE_COLUMNS: Final = 200

_MOST_COLUMNS: Final = 1_000
_RESET: Final = "\x1b[0m"


def is_styled(stream: TextIO) -> bool:
    """Whether it shows styles: a terminal or FORCE_COLOR, unless NO_COLOR is set (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def columns(stream: TextIO) -> int:
    """How wide to write: COLUMNS if it is a width, else what the terminal has. A pipe has no width, so that tables are not cut."""
    given = os.environ.get("COLUMNS", "")
    if not stream.isatty() and not (given.isdecimal() and int(given)):
        return _PIPE_COLUMNS
    return min(shutil.get_terminal_size().columns, _MOST_COLUMNS)


class Styled(NamedTuple):
    """A line of a table, which is never broken, or a paragraph, which is wrapped. `style`: one of `_STYLES`."""

    text: str
    style: str = ""
    wrapped: bool = False


class Lines(NamedTuple):
    """What is shown, from top to bottom."""

    lines: Sequence[Styled]

    def text(self, width: int, *, styled: bool) -> str:
        """As it is printed on `width` columns."""
        return "\n".join(
            f"{_STYLES[line.style]}{text}{_RESET}" if styled and line.style and text else text
            for line in self.lines
            for text in (textwrap.wrap(line.text, width) or [""] if line.wrapped else [line.text])
        )


def aligned(rows: Iterable[Sequence[str]], *, right: Collection[int] = (), gap: int = 2) -> list[str]:
    """The rows of a table, each column as wide as its widest cell; those in `right` are aligned to the right."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in cells
    ]

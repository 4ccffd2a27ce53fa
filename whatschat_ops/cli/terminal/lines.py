"""A result as lines of text, for commands that should answer at once: importing Rich takes longer than what they do."""

from __future__ import annotations

import os
import shutil
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

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


class Shown(ABC):
    """A result that is laid out when the width is known."""

    @abstractmethod
    def text(self, width: int, *, styled: bool, clean: Callable[[str], str] = str) -> str:
        """As it is printed on `width` columns. `clean` takes out of each piece of text what must not be shown."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """As a part of what Rich redraws."""
        from rich.text import Text

        yield Text.from_ansi(self.text(options.max_width, styled=not console.no_color))


@dataclass(frozen=True)
class Lines(Shown):
    """What is shown, from top to bottom."""

    lines: Sequence[Styled]

    def text(self, width: int, *, styled: bool, clean: Callable[[str], str] = str) -> str:
        """As it is printed on `width` columns."""
        return "\n".join(
            styled_text(clean(text), line.style, styled=styled)
            for line in self.lines
            for text in (_paragraph(line.text, width) if line.wrapped else [line.text])
        )


def styled_text(text: str, style: str, *, styled: bool) -> str:
    """The text in a style, one of `_STYLES`."""
    return f"{_STYLES[style]}{text}{_RESET}" if styled and style and text else text


def _paragraph(text: str, width: int) -> list[str]:
    """Broken between words only: an id with a hyphen and a long URL stay whole, so that they can be copied."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False) or [""]


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

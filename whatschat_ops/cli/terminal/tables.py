"""Tables that fit the terminal without cutting what tells rows apart.

What does not fit gives way in this order: texts that may be wrapped get narrower, at blanks and never within a word;
optional columns go, the last one first; then each row is shown as a record of its own, a line for each column: under its
first cell if the heading of that one is long, or there is none. Below 60 columns a table that does not fit becomes records at once.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, NamedTuple

from whatschat_ops.cli.terminal.lines import Shown, Styled, styled_text
from whatschat_ops.cli.terminal.safe_text import safe_text

_GAP: Final = 2
_FEWEST_COLUMNS_TO_WRAP: Final = 60
_POINTS: Final = ("- ", "~ ", "+ ")

Cell = str | Styled
_Row = Sequence[Styled] | Styled


class Column(NamedTuple):
    """`wraps`: a text that may be broken at blanks. `optional`: not shown where there is no room for it."""

    heading: str
    right: bool = False
    wraps: bool = False
    optional: bool = False


def figures(*headings: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(heading, right=True) for heading in headings)


@dataclass(frozen=True)
class Table(Shown):
    """Rows under headings, if there are any. A row may be shorter than the table; one that is a text runs over all columns.

    `empty` is said of a table without rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell] | Styled]
    empty: str = ""

    def text(self, width: int, *, styled: bool, clean: Callable[[str], str] = str) -> str:
        """As it is printed on `width` columns."""
        if self.empty and not self.rows:
            return self.empty
        rows: list[_Row] = [
            _cleaned(row, clean) if isinstance(row, Styled) else [_cleaned(cell, clean) for cell in row]
            for row in self.rows
        ]
        columns = list(self.columns)
        while True:
            widths = _widths(columns, rows, width)
            if widths is not None:
                return "\n".join(_table_lines(columns, widths, rows, width, styled=styled))
            place = next((n for n in reversed(range(len(columns))) if columns[n].optional), None)
            if place is None or width < _FEWEST_COLUMNS_TO_WRAP:
                return _records(columns, rows, width, styled=styled)
            del columns[place]
            rows = [row if isinstance(row, Styled) else [*row[:place], *row[place + 1 :]] for row in rows]


@dataclass(frozen=True)
class Facts(Shown):
    """Names and what is known of them, a line each; a value that is empty is left out. Long values are wrapped.

    A value stands below its name where there is no room beside it. A name without a style of its own is bold.
    """

    values: Mapping[str, Cell] | Mapping[Styled, Cell]

    def text(self, width: int, *, styled: bool, clean: Callable[[str], str] = str) -> str:
        """As it is printed on `width` columns."""
        values = [
            (name if isinstance(name, Styled) else Styled(name, "bold"), _cleaned(value, clean))
            for name, value in self.values.items()
        ]
        return "\n".join(_fact_lines([pair for pair in values if pair[1].text], width, styled=styled))


@dataclass(frozen=True)
class Blocks(Shown):
    """Parts, from top to bottom; a text is wrapped."""

    parts: Sequence[Shown | Cell]

    def text(self, width: int, *, styled: bool, clean: Callable[[str], str] = str) -> str:
        """As it is printed on `width` columns."""
        return "\n".join(
            part.text(width, styled=styled, clean=clean)
            if isinstance(part, Shown)
            else "\n".join(_paragraph(_cleaned(part, clean), width, styled=styled))
            for part in self.parts
        )


def bar(share: float, width: int) -> str:
    """A bar of at most `width` columns, in eighths of one (Unicode's block elements). `share`: 0 to 1."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + (chr(0x2590 - eighths % 8) if eighths % 8 else "")


def display_width(text: str) -> int:
    """How many columns a terminal uses for a line (Unicode's East Asian Width; combining characters have none)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def _cleaned(cell: Cell, clean: Callable[[str], str]) -> Styled:
    """A cell whose control characters are visible: a text of others must not move the cursor."""
    text, style = (cell, "") if isinstance(cell, str) else (cell.text, cell.style)
    return Styled(clean(safe_text(text).replace("\t", "\\t")), style)


def _widths(columns: Sequence[Column], rows: Sequence[_Row], width: int) -> list[int] | None:
    """The width of each column in a table of at most `width`, None if there is none."""
    widths, least = [], []
    for number, column in enumerate(columns):
        cells = [row[number].text for row in rows if not isinstance(row, Styled) and number < len(row)]
        lines = [column.heading, *(line for cell in cells for line in cell.split("\n"))]
        widths.append(max(map(display_width, lines)))
        words = [column.heading, *(word for cell in cells for word in cell.split())]
        least.append(max(map(display_width, words)) if column.wraps else widths[-1])
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    if excess > 0 and (width < _FEWEST_COLUMNS_TO_WRAP or excess > sum(widths) - sum(least)):
        return None
    for _ in range(max(0, excess)):
        widest = max((n for n in range(len(widths)) if widths[n] > least[n]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _table_lines(
    columns: Sequence[Column], widths: Sequence[int], rows: Sequence[_Row], width: int, *, styled: bool
) -> Iterator[str]:
    headings = [Styled(column.heading, "bold") for column in columns]
    for row in [*([headings] if any(column.heading for column in columns) else []), *rows]:
        if isinstance(row, Styled):
            yield from _paragraph(row, width, styled=styled)
            continue
        wrapped = [_wrapped(cell.text, width) for cell, width in zip(row, widths, strict=False)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            yield _line(parts, row, columns, widths, styled=styled)


def _line(
    parts: Sequence[str],
    row: Sequence[Styled],
    columns: Sequence[Column],
    widths: Sequence[int],
    *,
    styled: bool,
) -> str:
    """One line of a row; nothing stands behind its last text, where a program would not expect blanks."""
    last = max((number for number, part in enumerate(parts) if part), default=-1)
    cells = []
    for number, (part, cell) in enumerate(zip(parts[: last + 1], row, strict=False)):
        room = " " * (widths[number] - display_width(part))
        shown = styled_text(part, cell.style, styled=styled)
        cells.append(room + shown if columns[number].right else shown + ("" if number == last else room))
    return (" " * _GAP).join(cells)


def _records(columns: Sequence[Column], rows: Sequence[_Row], width: int, *, styled: bool) -> str:
    heading = columns[0].heading
    titled = display_width(heading) > width // 2 or not heading
    records = ["\n".join(_record(columns, row, width, styled=styled, titled=titled)) for row in rows]
    return "\n\n".join(
        [*([styled_text(heading, "bold", styled=styled)] if titled and heading else []), *records]
    )


def _record(columns: Sequence[Column], row: _Row, width: int, *, styled: bool, titled: bool) -> Iterable[str]:
    if isinstance(row, Styled):
        return _paragraph(row, width, styled=styled)
    cells = zip(columns, row, strict=False)
    values = [
        (Styled(column.heading, "bold"), Styled(cell.text.strip(), cell.style)) for column, cell in cells
    ]
    if titled and values[0][1].text:
        return _titled(values[0][1], values[1:], width, styled=styled)
    return _fact_lines([pair for pair in values if pair[1].text], width, styled=styled)


def _titled(
    title: Styled, values: Sequence[tuple[Styled, Styled]], width: int, *, styled: bool
) -> Iterator[str]:
    """The values of a record under its first cell."""
    yield from _paragraph(title, width, styled=styled)
    for line in _fact_lines([pair for pair in values if pair[1].text], width - _GAP, styled=styled):
        yield " " * _GAP + line


def _fact_lines(values: Sequence[tuple[Styled, Styled]], width: int, *, styled: bool) -> Iterator[str]:
    longest = max((display_width(name.text) for name, _ in values), default=0)
    indent = longest + _GAP if longest else 0
    for name, value in values:
        if name.text and _stands_below(value.text, indent, width):
            yield styled_text(name.text, name.style, styled=styled)
            for line in _paragraph(value, width - _GAP, styled=styled):
                yield " " * _GAP + line
            continue
        lines = _wrapped(value.text, max(width - indent, 1)) or [""]
        for number, line in enumerate(lines):
            label = name.text if number == 0 else ""
            start = styled_text(label, name.style, styled=styled) + " " * (indent - display_width(label))
            yield (start + styled_text(line, value.style, styled=styled)).rstrip()


def _stands_below(text: str, indent: int, width: int) -> bool:
    """Whether a value is below its name: beside it there is no room for a word, or less than half of the lines for a text."""
    word = max(map(display_width, text.split()), default=0)
    is_squeezed = indent * 2 > width and display_width(text) > width - indent
    return is_squeezed or width - indent < word <= width - _GAP


def _paragraph(cell: Styled, width: int, *, styled: bool) -> list[str]:
    return [styled_text(line, cell.style, styled=styled) for line in _wrapped(cell.text, width) or [""]]


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`, broken at blanks only: a longer word gets a line of its own."""
    return [
        part
        for line in text.split("\n")
        for part in (
            [line]
            if display_width(line) <= width
            else textwrap.wrap(
                line,
                max(width, 1),
                subsequent_indent=_hanging(line),
                break_long_words=False,
                break_on_hyphens=False,
            )
            or [""]
        )
    ]


def _hanging(line: str) -> str:
    """What its next lines begin with: they stand below the text of a point."""
    text = line.lstrip(" ")
    return " " * (len(line) - len(text) + (_GAP if text.startswith(_POINTS) else 0))

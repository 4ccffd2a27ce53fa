"""Help pages as plain text: what a command does, then USAGE, COMMANDS, OPTIONS and EXAMPLES, as `gh` and `aws` print them.

A page is made of the command table or of a command's own parameters and docstring (`page`), and is then laid out for a
terminal (`render`). Docstrings are written in paragraphs; one that begins with `Example:` holds a command line in each line.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

COMMON_PANEL = "Common options"
MIN_WIDTH, MAX_WIDTH = 40, 120
"""Columns. Longer lines are hard to read, shorter ones leave no room for a text beside an option."""

_INDENT = "  "
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
"""A word of a command line, with the blanks in its quotes."""


class Section(NamedTuple):
    """Commands or parameters, each with its text."""

    title: str
    rows: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """What there is to say about one command."""

    summary: str
    details: tuple[str, ...]
    """Paragraphs."""
    usage: str
    sections: tuple[Section, ...]
    examples: tuple[str, ...]
    """Command lines."""
    note: str = ""


class Text(NamedTuple):
    """A docstring, taken apart."""

    summary: str
    details: tuple[str, ...]
    examples: tuple[str, ...]


def read_docstring(docstring: str) -> Text:
    """Its first paragraph, the other ones with their lines joined, and the examples."""
    summary, *rest = inspect.cleandoc(docstring).split("\n\n")
    examples = [paragraph for paragraph in rest if paragraph.startswith("Example:")]
    details = [" ".join(paragraph.split()) for paragraph in rest if paragraph not in examples]
    lines = (line.strip() for paragraph in examples for line in paragraph[len("Example:") :].splitlines())
    return Text(" ".join(summary.split()), tuple(details), tuple(filter(None, lines)))


def parameter_sections(parameters: Iterable[Any]) -> tuple[Section, ...]:
    """Arguments, options, and further options by their panel; the common ones last."""
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in parameters:
        if getattr(parameter, "hidden", False):
            continue
        panels.setdefault(_panel(parameter), []).append((_name(parameter), _text(parameter)))
    return tuple(
        Section(title, tuple(rows))
        for title, rows in sorted(panels.items(), key=lambda item: item[0] == COMMON_PANEL)
        if rows
    )


def usage(path: str, parameters: Iterable[Any]) -> str:
    """`whatschat-ops ws send [MESSAGE] [OPTIONS]`."""
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    words = [
        _argument(argument) if argument.required else f"[{_argument(argument)}]" for argument in arguments
    ]
    return " ".join([path, *words, "[OPTIONS]"])


def render(page: Page, width: int, *, styled: bool = False) -> str:
    """The page as text. `styled`: with bold headings."""
    blocks = [_wrapped(page.summary, width), *(_wrapped(paragraph, width) for paragraph in page.details)]
    blocks.append(_block("Usage", _wrapped(page.usage, width, _INDENT), styled=styled))
    blocks += [
        _block(section.title, "\n".join(_rows(section.rows, width)), styled=styled)
        for section in page.sections
    ]
    if page.examples:
        lines = "\n".join(_command_line(f"$ {example}", width) for example in page.examples)
        blocks.append(_block("Examples" if len(page.examples) > 1 else "Example", lines, styled=styled))
    if page.note:
        blocks.append(_wrapped(page.note, width))
    return "\n\n".join(blocks)


def terminal_width() -> int:
    """Columns of the terminal, or of COLUMNS, within what is readable."""
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def _panel(parameter: Any) -> str:
    if parameter.name == "help":
        return COMMON_PANEL
    kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
    return getattr(parameter, "rich_help_panel", None) or kind


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _argument(parameter)
    names = sorted(parameter.opts, key=len)
    short = [name for name in names if not name.startswith("--")]
    long = [name for name in names if name.startswith("--")]
    name = ", ".join([*short, *long]) if short else f"    {', '.join(long)}"
    if parameter.secondary_opts:
        name += f" / {', '.join(parameter.secondary_opts)}"
    return name if parameter.is_flag else f"{name} {parameter.metavar}"


def _argument(argument: Any) -> str:
    return f"{argument.metavar.removesuffix('...')}{'...' if argument.nargs == -1 else ''}"


def _text(parameter: Any) -> str:
    """The help of a parameter, and what else has to be known to use it."""
    extras = [f"[default: {default}]"] if (default := _default(parameter)) else []
    if parameter.envvar and parameter.param_type_name == "option":
        extras.append(f"[env: {parameter.envvar}]")
    if getattr(parameter, "multiple", False):
        extras.append("[repeatable]")
    if parameter.required and parameter.param_type_name == "option":
        extras.append("[required]")
    return " ".join([(parameter.help or "").rstrip("."), *extras])


def _default(parameter: Any) -> str:
    default = parameter.default
    if default is None or default in ("", (), []) or callable(default):
        return ""
    if isinstance(default, bool):
        names = parameter.opts if default else parameter.secondary_opts
        return str(names[0]) if parameter.secondary_opts else ""
    if isinstance(default, Enum):
        return str(default.value)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _block(title: str, text: str, *, styled: bool) -> str:
    heading = title.upper()
    return f"\x1b[1m{heading}\x1b[0m\n{text}" if styled else f"{heading}\n{text}"


def _rows(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """The texts beside their names, where there is room; below them in a narrow terminal."""
    longest = max(len(name) for name, _ in rows)
    column = len(_INDENT) + min(longest, max(12, width // 3)) + 2
    if column > width // 2:
        column = 3 * len(_INDENT)
    for name, text in rows:
        left = f"{_INDENT}{name}"
        indent = " " * column
        lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, **_UNBROKEN) or [
            indent
        ]
        if len(left) + 2 <= column:
            lines[0] = left.ljust(column) + lines[0][column:]
        else:
            yield left
        yield from (line.rstrip() for line in lines)


_UNBROKEN: Any = {"break_long_words": False, "break_on_hyphens": False}


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent * 3, **_UNBROKEN)


def _command_line(line: str, width: int) -> str:
    """A command line that can be copied as it stands, continued with backslashes where it is too long."""
    lines = [_INDENT]
    for word in _WORD.findall(line):
        if lines[-1].strip() and len(lines[-1]) + 1 + len(word) + len(" \\") > width:
            lines.append(_INDENT * 3)
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)

"""In every test: what a command prints as JSON in this process is compared with its published schema."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import Any, Final

from whatschat_ops.cli import command_line
from whatschat_ops.cli.terminal.output import Output

_run_command_line: Final = command_line.run_command_line
_document: Final = Output._document
_lines: Final = Output.lines


def install() -> None:
    """From now on a command line fails its test if it prints what its schema does not allow."""
    printed: list[tuple[Output, Any]] = []

    @functools.wraps(_document)
    def document(self: Output, shown: Any, *, indent: int | None = None) -> None:
        if self.select is None:
            printed.append((self, shown))
        _document(self, shown, indent=indent)

    @functools.wraps(_lines)
    def lines(self: Output, texts: Iterable[str]) -> None:
        found = list(texts)
        if self.as_json and self.select is None:
            printed.extend((self, json.loads(text)) for text in found)
        _lines(self, found)

    @functools.wraps(_run_command_line)
    def run_command_line(arguments: list[str]) -> int:
        printed.clear()
        code = _run_command_line(arguments)
        _check(arguments, printed)
        return code

    Output._document = document  # type: ignore[method-assign]
    Output.lines = lines  # type: ignore[method-assign]
    command_line.run_command_line = run_command_line


def _check(arguments: list[str], printed: list[tuple[Output, Any]]) -> None:
    if not printed:
        return
    from tests.json_output.checking import check_document, command_of

    command = command_of(arguments)
    if command is None:
        return
    for out, shown in printed:
        check_document(command, json.loads(json.dumps(out.encode(shown))))

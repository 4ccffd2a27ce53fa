"""Whether what a command printed with --json is as its published schema says. Every run of the command line in a test is checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from tests.json_output.schemas import file_of
from whatschat_ops.cli.commands import COMMANDS, Command, Group

_TAKE_A_VALUE: Final = ("-e", "--env", "--config", "--profile", "--region", "--query")
_FORMATS: Final = FormatChecker(formats=())


def _is_time(value: object) -> bool:
    """Whether a text is a time in UTC (RFC 3339)."""
    return not isinstance(value, str) or (
        value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    )


_FORMATS.checks("date-time", raises=ValueError)(_is_time)


def check_printed(arguments: Sequence[str], stdout: str) -> None:
    """Fails if a command line with --json printed something that its schema does not allow."""
    command = command_of(arguments)
    if "--json" not in arguments or "--query" in arguments or "--" in arguments or command is None:
        return
    for document in documents(stdout):
        check_document(command, document)


def check_document(command: str, document: Any) -> None:
    """Fails if the schema of a command does not allow a document."""
    wrong = problem(command, document)
    assert wrong is None, f"{command} --json is not as {file_of(command).name} says: {wrong}"


def documents(stdout: str) -> Iterator[Any]:
    """One JSON document, or one on each line. The last line of a command that was ended may be cut."""
    try:
        yield json.loads(stdout)
    except ValueError:
        for line in stdout.splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def problem(command: str, document: Any) -> str | None:
    """What a document has that the schema of the command does not allow, or lacks; None if it is as the schema says."""
    is_error = isinstance(document, dict) and document.keys() == {"error"}
    error = best_match(validator("error" if is_error else command).iter_errors(document))
    if error is None:
        return None
    return f"{error.json_path}: {error.message[:500]}"


@cache
def validator(command: str) -> Draft202012Validator:
    """The validator of the published schema of a command."""
    schema = json.loads(file_of(command).read_text(encoding="utf-8"))
    return Draft202012Validator(schema, format_checker=_FORMATS)


def command_of(arguments: Sequence[str]) -> str | None:
    """The command of a command line; None if it names none, or one that does not exist."""
    here: Any = COMMANDS
    path: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in _TAKE_A_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            path.append(word)
            entry = here.get(word)
            if isinstance(entry, Command):
                return " ".join(path)
            if not isinstance(entry, Group):
                return None
            here = entry.commands
    return "version" if "--version" in arguments and not path else None

"""Command lines, made from the command table and the parameters of its commands. The same seed makes the same line."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from tests.fuzz import values
from whatschat_ops.cli.command import COMMON
from whatschat_ops.cli.program import build_program

EXCLUDED: Final[Mapping[str, str]] = {
    "local start, local stop, local reset, local env": "they start and end processes: only with a mistake that is found before",
    "local clock advance": "other tests use the same embedded AWS: only with a mistake that is found before",
    "status --watch, local logs --follow": "they run until Ctrl-C",
    "ws load, ws connect, ws send": "sockets, seconds and rates are at most a few, a third and at least 50: no load, no waiting",
    "a FIFO": "a program that opens one waits for the other end, as it should",
    "other hosts, writes outside the run's directory, other programs": "refused by tests/fuzz/guard.py",
}
NOT_RUN: Final = frozenset(("local start", "local stop", "local reset", "local env", "local clock advance"))
ENDLESS: Final = frozenset(("watch", "follow"))
SLOW_COMMANDS: Final = (
    "provision",
    "destroy",
    "lambda deploy",
    "lambda package",
    "doctor",
    "token secret rotate",
    "ws load",
    "call test",
    "plan",
)
"""They are drawn less often: each takes seconds."""
MOST: Final[Mapping[str, float]] = {
    **dict.fromkeys(("wait", "timeout", "duration", "drain", "interval"), 0.3),
    **dict.fromkeys(("sockets", "users", "concurrency"), 4),
    "message_size": 4096,
    "stage_timeout": 5,
    "probe": 100,
    "lines": 1000,
}
LEAST: Final[Mapping[str, float]] = {"rate": 50, "connect_rate": 50}
STDIN: Final = (
    b"",
    b"Hello\n",
    b'{"type":"ping"}\n' * 3,
    b"\xff\xfe\n\x00",
    b"\xef\xbb\xbf{}",
    b"x" * 60_000,
    values.JWT.encode(),
)


@dataclass(frozen=True)
class Line:
    """A command line, what it reads, and the exit code that it must have, where that is known."""

    arguments: tuple[str, ...]
    stdin: bytes = b""
    expected: int | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    """More files of its directory; a name that begins with `state/` is in the state directory."""


@cache
def _commands() -> tuple[tuple[str, Any], ...]:
    return tuple(_walk(build_program(), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, each in inner.items():
        yield from _walk(each, (*path, name))


def line(random_: random.Random, *, slow: bool = True) -> Line:
    """A command line. Without `slow` ones, those of commands that take seconds end before they begin."""
    if random_.random() < 0.04:
        return Line(tuple(_words(random_)), random_.choice(STDIN))
    path, command = random_.choice(_commands())
    mistake = (
        path in NOT_RUN
        or (path in SLOW_COMMANDS and (not slow or random_.random() < 0.7))
        or random_.random() < 0.04
    )
    before = _common(random_, 0.08)
    own = [word for parameter in command.params for word in _parameter(random_, parameter)]
    after = _common(random_, 0.25)
    broken = ["--no-such-option"] if mistake else []
    arguments = (*before, *path.split(), *broken, *own, *after)
    expected = 2 if mistake and not {"--help", "-h"} & set(arguments) else None
    return Line(arguments, random_.choice(STDIN) if random_.random() < 0.3 else b"", expected)


def _words(random_: random.Random) -> list[str]:
    """Words that are hardly a command."""
    words = [
        word for path, _ in _commands() for word in path.split() if path not in (*NOT_RUN, *SLOW_COMMANDS)
    ]
    found = [values.mutated(random_, random_.choice(words)) for _ in range(random_.randint(0, 4))]
    if random_.random() < 0.5:
        found.insert(random_.randint(0, len(found)), random_.choice(values.TEXTS))
    return found


def _common(random_: random.Random, share: float) -> list[str]:
    """Options that every command has."""
    words: list[str] = []
    flags = (
        "--json",
        "--json",
        "--json",
        "-q",
        "--quiet",
        "-v",
        "--verbose",
        "--show-secrets",
        "--debug",
        "--help",
        "-h",
    )
    if random_.random() < share * 2:
        words.append(random_.choice(flags))
    if random_.random() < share / 4:
        name = random_.choice(("-e", "--env", "--config", "--region", "--profile"))
        kinds = {"--region": "region", "--config": "path"}
        value = (
            values.path(random_)
            if kinds.get(name) == "path"
            else values.text(random_, kinds.get(name, "env"))
        )
        words += [name, value]
    return words


def _parameter(random_: random.Random, parameter: Any) -> list[str]:
    """The words of one option or argument, or none."""
    if parameter.name in (*COMMON, *ENDLESS, "help"):
        return []
    is_option = parameter.param_type_name == "option"
    share = 0.95 if parameter.required else (0.3 if is_option else 0.6)
    if parameter.name == "yes":
        share = 0.7
    if random_.random() > share:
        return []
    name = random_.choice([word for word in parameter.opts if word.startswith("-")]) if is_option else ""
    if getattr(parameter, "is_flag", False):
        return [name]
    many = getattr(parameter, "multiple", False) or parameter.nargs == -1
    words: list[str] = []
    for _ in range(random_.choice((1, 1, 1, 2, 5)) if many else 1):
        value = _value(random_, parameter)
        joined = is_option and name.startswith("--") and random_.random() < 0.3
        words += [f"{name}={value}"] if joined else [name, value] if is_option else [value]
    return words


def _value(random_: random.Random, parameter: Any) -> str:
    for _ in range(50):
        value = _any_value(random_, parameter)
        if _is_bounded(parameter.name, value):
            return value
    return "0"


def _any_value(random_: random.Random, parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        choices = get_args(kind) or tuple(choice.value for choice in kind)
        return str(random_.choice(choices)) if random_.random() < 0.8 else random_.choice(values.TEXTS)
    if kind is Path:
        return values.path(random_)
    if kind in (int, float):
        return values.number(random_) if random_.random() < 0.9 else random_.choice(values.TEXTS)
    words = f"{parameter.name} {getattr(parameter, 'metavar', '') or ''}".lower()
    if " n" in words[-2:] and random_.random() < 0.7:
        return values.number(random_)
    return values.text(random_, words)


def _is_bounded(name: str, value: str) -> bool:
    """Whether a value makes a command neither long nor a load."""
    try:
        number = float(value)
    except ValueError:
        return True
    if number <= 0 or math.isnan(number):
        return True
    return LEAST.get(name, 0) <= number <= MOST.get(name, math.inf)

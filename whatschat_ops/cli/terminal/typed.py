"""Suggested commands as they are typed: with the program's name or path, and the options that lead to an environment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from whatschat_ops.cli.commands import PLACED_COMMANDS
from whatschat_ops.errors import PROGRAM, Hint


def typed(argv: tuple[str, ...], place: Sequence[str]) -> tuple[str, ...]:
    """A command of this program, with the options `place` if it is about an environment."""
    return (typed_program(sys.argv[0]), *(place if argv[0] in PLACED_COMMANDS else ()), *argv)


def typed_words(hint: Hint, place: Sequence[str]) -> str:
    """A hint in words, whose command is as it is typed."""
    return hint.words(lambda argv: typed(argv, place))


def typed_program(started_as: str) -> str:
    """The program's name, or the path that it was started with if the shell finds something else by that name, or nothing."""
    import shutil

    if Path(started_as).name != PROGRAM:  # `python -m whatschat_ops`
        return PROGRAM
    found = shutil.which(PROGRAM)
    return PROGRAM if found and Path(found).resolve() == Path(started_as).resolve() else started_as

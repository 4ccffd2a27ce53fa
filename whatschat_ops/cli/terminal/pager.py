"""Long results on a terminal, through the pager of the user: PAGER, or less."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final, TextIO

PAGED: Final = frozenset(
    (
        "list",
        "show",
        "describe",
        "explain",
        "policies",
        "plan",
        "reference",
        "schema",
        "stats",
        "status",
        "events",
        "trace",
    )
)
"""The last words of the commands that only show something: what changes something must end by itself."""


def is_paged(text: str, stream: TextIO) -> bool:
    """Whether a text goes through the pager: it is longer than the terminal, and the user has not switched the pager off."""
    if os.environ.get("PAGER", "less") in ("", "cat") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return stream.isatty() and sys.stdin.isatty() and text.count("\n") + 1 >= shutil.get_terminal_size().lines


def show(text: str) -> None:
    """Show the text until the user leaves the pager. Less shows colours, and leaves the text on the screen."""
    import pydoc

    os.environ.setdefault("LESS", "FRX")  # as git and gh do
    pydoc.pager(text)

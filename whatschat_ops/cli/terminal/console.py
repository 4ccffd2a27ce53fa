"""Rich's console, which redacts what it lays out before it breaks lines: half of a token is nothing that anything recognises."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final, TextIO

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from whatschat_ops.cli.terminal.lines import columns
from whatschat_ops.redaction import redact

FEWEST_COLUMNS: Final = 20
"""With fewer, Rich prints tables without anything in them."""


class RedactingConsole(Console):
    """A console on a stream. Texts come from elsewhere (AWS, users): square brackets in them are not markup."""

    def __init__(self, stream: TextIO, *, show_secrets: bool = False) -> None:
        follows_the_terminal = stream.isatty() and "COLUMNS" not in os.environ
        width = None if follows_the_terminal else max(columns(stream), FEWEST_COLUMNS)
        super().__init__(file=stream, width=width, highlight=False, emoji=False, markup=False)
        self._show_secrets = show_secrets

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as Rich's text (called by Rich)."""
        return super().render_str(text if self._show_secrets else redact(text), **options)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of something that is printed (called by Rich, also for the cells of tables)."""
        if isinstance(renderable, Text) and not self._show_secrets:
            shown = redact(renderable.plain)
            renderable = renderable if shown == renderable.plain else renderable.blank_copy(shown)
        return super().render(renderable, options)

"""The progress of a long operation in one line: redrawn on a terminal, printed every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.output import Output, spinner

if TYPE_CHECKING:
    from rich.spinner import Spinner

REDRAW_S: Final = 0.2
REPEAT_S: Final = 5.0


class ProgressLine:
    """Shows the newest text. Nothing at all with --quiet."""

    def __init__(
        self, out: Output, *, repeat_s: float = REPEAT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`repeat_s`: seconds between two lines where no cursor can be moved."""
        self._out = out
        self._every_s = REDRAW_S if out.interactive else repeat_s
        self._clock = clock
        self._spinner: Spinner | None = None
        self._due_s = clock() + self._every_s

    @contextmanager
    def shown(self, title: str) -> Iterator[ProgressLine]:
        """While the work runs. The first text replaces the title."""
        if not self._out.interactive:
            yield self
            return
        self._spinner = spinner(title)
        with self._out.display(self._spinner):
            try:
                yield self
            finally:
                self._spinner = None

    def update(self, make_text: Callable[[], str]) -> None:
        """Show this text, if it is time to; cheap when it is not."""
        if self._clock() < self._due_s:
            return
        self._due_s = self._clock() + self._every_s
        if self._spinner is None:
            self._out.note(make_text())
            return
        from rich.text import Text

        self._spinner.update(text=Text(make_text()))  # drawn when the display is drawn next

    def say(self, text: str) -> None:
        """Say something that stays, above the line."""
        self._out.note(text)

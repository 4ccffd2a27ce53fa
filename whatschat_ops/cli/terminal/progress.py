"""The progress of a long operation: drawn at the bottom of a terminal, lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.live_display import spinner
from whatschat_ops.cli.terminal.output import Output

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.spinner import Spinner

    from whatschat_ops.cli.terminal.live_display import LiveDisplay

REDRAW_S: Final = 0.2
REPEAT_S: Final = 5.0


class ProgressView:
    """Shows the newest state of an operation. `update` and `say` may be called from any thread."""

    def __init__(
        self, out: Output, *, repeat_s: float = REPEAT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`repeat_s`: seconds between two lines where no cursor can be moved."""
        self._out = out
        self._every_s = REDRAW_S if out.interactive else repeat_s
        self._clock = clock
        self._due_s = clock() + self._every_s
        self._display: LiveDisplay | None = None
        self._spinner: Spinner | None = None

    @contextmanager
    def shown(self, drawn: str | RenderableType) -> Iterator[ProgressView]:
        """While the operation runs. `drawn` is replaced by the first update; a text has a spinner in front of it."""
        if not self._out.interactive:
            yield self
            return
        self._spinner = spinner(drawn) if isinstance(drawn, str) else None
        with self._out.display(self._spinner or drawn) as self._display:
            try:
                yield self
            finally:
                self._display = None

    def update(self, words: Callable[[], str], drawn: Callable[[], RenderableType] | None = None) -> None:
        """Show this state, if it is time to; cheap when it is not. On a terminal as `drawn`, or as the words behind the spinner."""
        if (now_s := self._clock()) < self._due_s:
            return
        self._due_s = now_s + self._every_s
        if self._display is None:
            self._out.note(words())
        elif drawn is not None:
            self._display.show(drawn())
        elif self._spinner is not None:
            from rich.text import Text

            self._spinner.update(text=Text(words()))  # drawn when the display is drawn next

    def say(self, text: str) -> None:
        """Print a line that stays, above what is drawn."""
        self._out.note(text)

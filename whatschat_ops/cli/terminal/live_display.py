"""Something that moves at the bottom of the terminal, and lines that stay above it. From any thread.

Rich draws in a thread of its own, and works out where the cursor is before it writes: a line that another thread prints in
between is written over. Here everything that draws holds one lock, the redrawing included.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.spinner import Spinner

REDRAW_S: Final = 0.1


def spinner(text: str) -> Spinner:
    """A spinner with words behind it."""
    from rich.spinner import Spinner
    from rich.text import Text

    return Spinner("dots", text=Text(text))


class LiveDisplay:
    """Shown while it is entered, and gone afterwards."""

    def __init__(self, console: Console, shown: RenderableType) -> None:
        """`shown` is redrawn several times a second, so it may change by itself, as a spinner does."""
        from rich.live import Live

        # Reentrant: a signal handler may print while its own thread draws.
        self._lock = threading.RLock()
        self._live = Live(shown, console=console, transient=True, auto_refresh=False)
        self._ended = threading.Event()
        self._redrawing = threading.Thread(target=self._redraw, name="display", daemon=True)

    def __enter__(self) -> Self:
        with self._lock:
            self._live.start(refresh=True)
        self._redrawing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._redrawing.join()
        with self._lock:
            self._live.stop()

    def show(self, shown: RenderableType) -> None:
        """Show something else from now on."""
        with self._lock:
            self._live.update(shown, refresh=True)

    def print(self, text: str, style: str = "") -> None:
        """Print a line above the display. It is not markup, and never cut."""
        with self._lock:
            self._live.console.print(text, style=style, soft_wrap=True, markup=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn meanwhile: the terminal is someone else's."""
        with self._lock:
            self._live.stop()
            try:
                yield
            finally:
                self._live.start(refresh=True)

    def _redraw(self) -> None:
        while not self._ended.wait(REDRAW_S):
            with self._lock:
                self._live.refresh()

"""The progress of an apply: a spinner for each running step on a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from whatschat_ops.cli.terminal.interrupts import interrupts_to
from whatschat_ops.cli.terminal.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from whatschat_ops.provision import Event

_DOING: Final[Mapping[str, str]] = {
    "create": "Creating",
    "update": "Updating",
    "replace": "Replacing",
    "delete": "Deleting",
}
_DONE: Final[Mapping[str, str]] = {
    "create": "Created",
    "update": "Updated",
    "replace": "Replaced",
    "delete": "Deleted",
}


class ProgressLines:
    """Shows the events of an apply; not thread-safe, except `say`."""

    def __init__(self, out: Output, *, total: int) -> None:
        """`total`: number of steps."""
        self._out = out
        self._total = total
        self._ended = 0
        self._spinners: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._all: Any = None

    @contextmanager
    def shown(self) -> Iterator[threading.Event]:
        """While the steps run. Ctrl-C sets the event: running steps finish, no new ones start.

        A second Ctrl-C interrupts as usual.
        """
        stop = threading.Event()

        def on_interrupt() -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            stop.set()
            self.say("Interrupted: finishing the steps that are running.")

        with self._spinning(), interrupts_to(on_interrupt):
            yield stop

    def say(self, text: str) -> None:
        """Print a line above the spinners."""
        self._out.note(text)

    def on_event(self, event: Event) -> None:
        """Show one event."""
        address, action = event.step.address, event.step.action.value
        if event.type == "started":
            if self._spinners is not None:
                self._tasks[address] = self._spinners.add_task(f"{_DOING[action]} {address}")
            return
        if self._spinners is not None and address in self._tasks:
            self._spinners.remove_task(self._tasks.pop(address))
        self._ended += 1
        self._advance()
        if event.type == "finished":
            self.say(f"{_DONE[action]} {address} ({event.seconds:.1f} s)")
        else:
            self.say(f"Failed: {address} ({event.seconds:.1f} s)")

    def _advance(self) -> None:
        """Show on the first line how many steps have ended."""
        if self._spinners is not None:
            self._spinners.update(self._all, description=f"{self._ended} of {self._total} steps")

    @contextmanager
    def _spinning(self) -> Iterator[None]:
        if not self._out.interactive:
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
        self._spinners = Progress(*columns, auto_refresh=False)  # the display draws it, from one thread
        self._all = self._spinners.add_task("")
        self._advance()
        with self._out.display(self._spinners):
            try:
                yield
            finally:
                self._spinners = None

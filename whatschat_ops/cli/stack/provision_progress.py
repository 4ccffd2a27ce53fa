"""The progress of an apply: a spinner for each running step on a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.progress import ProgressView

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


class ApplyProgress:
    """Shows the events of an apply; not thread-safe, except `say`."""

    def __init__(self, out: Output, *, total: int) -> None:
        """`total`: number of steps."""
        self._out = out
        self._view = ProgressView(out)
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
        if self._out.interactive:
            self._spinners = self._with_first_line()
        with (
            self._view.shown(self._spinners or ""),
            stop_on_interrupt(lambda: self.say("Interrupted: finishing the steps that are running.")) as stop,
        ):
            yield stop

    def say(self, text: str) -> None:
        """Print a line above the spinners."""
        self._view.say(text)

    def on_event(self, event: Event) -> None:
        """Show one event."""
        address, action = event.step.address, event.step.action.value
        if event.type == "started":
            if self._spinners is not None:
                self._tasks[address] = self._spinners.add_task(f"{_DOING[action]} {address}")
            return
        self._ended += 1
        if self._spinners is not None and address in self._tasks:
            self._spinners.remove_task(self._tasks.pop(address))
            self._spinners.update(self._all, description=self._first_line())
        done = f"{_DONE[action]} {address}" if event.type == "finished" else f"Failed: {address}"
        self.say(f"{done} ({event.seconds:.1f} s)")

    def _with_first_line(self) -> Progress:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
        spinners = Progress(*columns, auto_refresh=False)  # the view draws it, from one thread
        self._all = spinners.add_task(self._first_line())
        return spinners

    def _first_line(self) -> str:
        return f"{self._ended} of {self._total} steps"

"""Ctrl-C, and SIGTERM, which a scheduler or a closing session sends instead: both are handled alike."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


def terminate_as_interrupted() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, as Ctrl-C does, so that a command ends in the same way."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def interrupts_to(on_interrupt: Callable[[], None]) -> Iterator[None]:
    """While the body runs, an interrupt calls this instead. On the main thread only."""

    def handler(_signal: int, _frame: Any) -> None:
        on_interrupt()

    before = [(number, signal.signal(number, handler)) for number in INTERRUPTS]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)

"""What the signals that end a command do (`signals.py`): all are handled alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from whatschat_ops.signals import heeded

T = TypeVar("T")


def terminate_as_interrupted() -> None:
    """From now on these signals raise KeyboardInterrupt, as Ctrl-C does, so that a command ends in the same way."""
    for number in heeded():
        if number != signal.SIGINT:
            signal.signal(number, signal.default_int_handler)


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, which makes Ctrl-C cancel the coroutine: here the other signals do so as well.

    Raised by a signal handler, KeyboardInterrupt would come out of whatever the event loop runs just then, a redraw of the prompt
    for example. On the main thread only.
    """
    import asyncio

    async def cancelled_by_each_signal() -> T:
        with _handled_as_sigint():
            return await coroutine

    return asyncio.run(cancelled_by_each_signal())


@contextmanager
def _handled_as_sigint() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGINT)
    before = [(number, signal.signal(number, handler)) for number in heeded()]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)


@contextmanager
def stop_on_interrupt(
    on_first: Callable[[], object], on_second: Callable[[], object] | None = None
) -> Iterator[threading.Event]:
    """While the body runs, an interrupt sets the event and calls `on_first`, and another calls `on_second`.

    Without `on_second` the other one interrupts as usual. On the main thread only.
    """
    stop = threading.Event()

    def handler(_signal: int, _frame: Any) -> None:
        if not stop.is_set():
            stop.set()
            on_first()
        elif on_second is not None:
            on_second()
        else:
            raise KeyboardInterrupt

    before = [(number, signal.signal(number, handler)) for number in heeded()]
    try:
        yield stop
    finally:
        for number, old in before:
            signal.signal(number, old)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """An interrupt is how the body ends, not a failure: for what goes on until Ctrl-C, such as `--follow`."""
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def interrupted_while_pausing() -> Iterator[Callable[[float], None]]:
    """An interrupt ends the body at its next pause, another one at once. Gives what pauses, for a number of seconds.

    Raised anywhere, KeyboardInterrupt is lost when it hits a finaliser, which prints it and goes on.
    """
    interrupts: SimpleQueue[None] = SimpleQueue()  # a handler may put into it while the same thread waits

    def pause(seconds: float) -> None:
        with suppress(Empty):
            interrupts.get(timeout=seconds)
            raise KeyboardInterrupt

    with stop_on_interrupt(lambda: interrupts.put(None)):
        yield pause

"""Looks at AWS again and again, for the commands with `--watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from whatschat_ops.cli.terminal.interrupts import interrupted_while_pausing
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import Throttled, Unavailable

T = TypeVar("T")


def repeated(out: Output, look: Callable[[], T], interval_s: float) -> Iterator[T]:
    """What `look` gives, again and again. A warning, and no end, while AWS is throttling or cannot be reached."""
    with interrupted_while_pausing() as pause:
        while True:
            try:
                yield look()
            except (Throttled, Unavailable) as error:
                out.warn(error.message)
            pause(interval_s)

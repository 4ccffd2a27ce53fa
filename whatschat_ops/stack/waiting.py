"""Waiting for AWS: polling until something is so, and repeating what AWS is not ready for. The clock is injected."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from whatschat_ops.errors import AwsError, TimedOut

T = TypeVar("T")

FIRST_PAUSE_S = 0.06
LONGEST_PAUSE_S = 3.0


class Waiting(Struct, frozen=True):
    """How to wait. `say` tells the user about a wait that is not the usual one."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str], None] = lambda _text: None

    def until(self, what: str, probe: Callable[[], T | None], *, timeout_s: float) -> T:
        """The first answer of `probe` that is not None. Raises TimedOut after `timeout_s`."""
        started, pause = self.clock(), FIRST_PAUSE_S
        while (answer := probe()) is None:
            if self.clock() - started + pause > timeout_s:
                raise TimedOut(
                    f"Waited {timeout_s:.0f} s in vain: {what}.", hint="Run the same command again."
                )
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)
        return answer

    def repeat(
        self, call: Callable[[], T], *, while_: Callable[[AwsError], bool], why: str, timeout_s: float
    ) -> T:
        """The result of `call`, repeated while it fails with an error for which `while_` is true.

        Says `why` once it starts to repeat. After `timeout_s` the error itself is raised.
        """
        started, pause, told = self.clock(), FIRST_PAUSE_S, False
        while True:
            try:
                return call()
            except AwsError as error:
                if not while_(error) or self.clock() - started + pause > timeout_s:
                    raise
            if not told and pause >= LONGEST_PAUSE_S / 3:
                self.say(why)
                told = True
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

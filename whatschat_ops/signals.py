"""The signals that end a command: Ctrl-C, SIGTERM, which a scheduler sends instead, and SIGHUP, which a closing terminal does."""

from __future__ import annotations

import signal
from typing import Final

INTERRUPTS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def heeded() -> list[signal.Signals]:
    """Those of them that this process follows: `nohup` switches SIGHUP off, and it stays off."""
    return [
        number
        for number in INTERRUPTS
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    ]

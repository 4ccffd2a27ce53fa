"""A person at a real terminal: keys are typed, and the screen is what a terminal makes of what the program writes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

COLUMNS, LINES = 100, 40


class Terminal:
    """A process on a pseudo-terminal of 100 columns and 40 lines."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._controller, self._terminal = pty.openpty()
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._mode = termios.tcgetattr(self._terminal)
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._written = ""
        self.process = subprocess.Popen(
            arguments,
            env={**environment, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": str(LINES)},
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(60)
        os.close(self._controller)
        os.close(self._terminal)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size; the program is told by SIGWINCH."""
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._controller, text.encode())

    @property
    def shown(self) -> list[str]:
        """The lines of the screen, without the empty ones at its end."""
        while self._read(0):
            pass
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    @property
    def written(self) -> str:
        """All that the program has written so far."""
        return self._written

    def wait_for(self, shown: Callable[[list[str]], bool], timeout_s: float = 60.0) -> None:
        """Wait until the screen is as wanted."""
        deadline = time.monotonic() + timeout_s
        while not shown(self.shown):
            left_s = deadline - time.monotonic()
            assert left_s > 0, "\n".join(self.shown)
            self._read(left_s)

    def wait_for_text(self, text: str) -> None:
        """Wait until the program has written this, whether it is still shown or not."""
        self.wait_for(lambda _: text in self._written)

    def leave(self, code: int) -> None:
        """Wait for the end; the terminal must be as it was."""
        assert self.process.wait(60) == code, "\n".join(self.shown)
        assert termios.tcgetattr(self._terminal) == self._mode

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._controller], [], [], timeout_s)[0]:
            return False
        data = os.read(self._controller, 65536)
        self._written += data.decode(errors="replace")
        self._stream.feed(data)
        return True


def _take_terminal() -> None:
    """Make standard input the terminal of this session, so that Ctrl-C reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

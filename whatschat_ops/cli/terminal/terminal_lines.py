"""Lines typed or piped into the program, while other things are printed.

A daemon thread reads and hands each line to the event loop; nothing sets the terminal to non-blocking, which would
break printing to it. On a terminal with GNU readline the lines can be edited, and `above_prompt` prints over a half-typed
line and puts it back.
"""

from __future__ import annotations

import asyncio
import codecs
import concurrent.futures
import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PROMPT = "> "


class TerminalLines:
    """A source of lines on standard input. `editing` is true when a person edits them at a prompt."""

    def __init__(self, *, editing: bool) -> None:
        self._readline = _readline() if editing else None
        self._at_prompt = False
        self._saved_mode: Any = None

    def start(self, queue: asyncio.Queue[str | None]) -> None:
        """Start reading into `queue`, with None after the last line. Call it inside the running event loop."""
        self._saved_mode = _terminal_mode() if self._readline else None
        loop = asyncio.get_running_loop()
        readline = self._readline
        source = self._typed_lines(readline) if readline else _piped_lines(sys.stdin.fileno())
        threading.Thread(target=_feed, args=(source, queue, loop), name="lines", daemon=True).start()

    def stop(self) -> None:
        """Leave the terminal as it was. The thread may still wait for a line; it dies with the program."""
        if self._saved_mode is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._saved_mode)
        if self._at_prompt:  # wipe the prompt, and end readline's bracketed paste mode
            self._write("\r\x1b[K\x1b[?2004l")
            self._at_prompt = False

    @contextmanager
    def above_prompt(self) -> Iterator[None]:
        """Print inside this: what has been typed so far is wiped first and comes back below."""
        redraw = self._at_prompt
        if redraw:
            self._write("\r\x1b[K")
        yield
        if redraw and self._readline is not None:
            self._write(PROMPT + self._readline.get_line_buffer())

    def _typed_lines(self, readline: Any) -> Iterator[str]:
        readline.set_pre_input_hook(self._prompt_shown)
        while True:
            try:
                line = input(PROMPT)
            except EOFError:
                return
            finally:
                self._at_prompt = False
            yield line

    def _prompt_shown(self) -> None:
        self._at_prompt = True

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _feed(source: Iterator[str], queue: asyncio.Queue[str | None], loop: asyncio.AbstractEventLoop) -> None:
    """Move lines into the queue, waiting while it is full. Ends quietly when the loop has ended."""
    with contextlib.suppress(RuntimeError, concurrent.futures.CancelledError):
        for line in itertools.chain(source, [None]):
            if loop.is_closed():
                return
            asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()


def _piped_lines(descriptor: int) -> Iterator[str]:
    """The lines of a file descriptor, without their ends. Not through sys.stdin, whose lock would be held at exit."""
    decode: Callable[[bytes], str] = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    while data := os.read(descriptor, 65536):
        *lines, rest = (rest + decode(data)).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
    if rest:
        yield rest


def _readline() -> Any:
    try:
        import readline
    except ImportError:  # Windows
        return None
    return readline if hasattr(readline, "set_pre_input_hook") else None


def _terminal_mode() -> Any:
    import termios

    return termios.tcgetattr(sys.stdin.fileno())

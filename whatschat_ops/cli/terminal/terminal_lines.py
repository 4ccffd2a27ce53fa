"""Lines typed or piped into the program, while other things are printed.

A person types at a prompt of prompt_toolkit, which runs in the event loop: lines can be edited and recalled, and what is
printed meanwhile appears above. Pipes and files are read by a daemon thread; nothing sets them to non-blocking, which would
break printing to a terminal that is behind both standard input and standard output.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final

from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.files import PIPE, refused

PROMPT = "> "
MAX_LINE_BYTES: Final = 1024 * 1024
"""Of what is piped in: far more than a message may have, which the session refuses one by one."""

Lines = asyncio.Queue[str | None]
"""What was typed or piped, one line each; None after the last."""


class TerminalLines:
    """A source of lines on standard input. `editing` is true when a person edits them at a prompt."""

    def __init__(self, *, editing: bool) -> None:
        self._editing = editing
        self.failure: OpsError | None = None
        """Why no more lines were read, if it was not the end of the input."""
        self._prompting: asyncio.Task[None] | None = None
        self._printing: asyncio.Task[None] | None = None
        self._to_print: asyncio.Queue[Callable[[], None] | None] = asyncio.Queue()

    def start(self, lines: Lines) -> None:
        """Start reading into `lines`. Call it inside the running event loop."""
        if self._editing:
            self._prompting = asyncio.create_task(_prompt(lines))
            self._printing = asyncio.create_task(self._print_in_order())
        else:
            arguments = (_piped_lines(sys.stdin.fileno()), lines, asyncio.get_running_loop())
            threading.Thread(target=self._feed, args=arguments, name="lines", daemon=True).start()

    def _feed(self, source: Iterator[str], lines: Lines, loop: asyncio.AbstractEventLoop) -> None:
        """Move lines into the queue, until one cannot be read. Ends quietly when the loop has ended."""
        try:
            for line in source:
                if not _put(line, lines, loop):
                    return
        except OSError as error:
            self.failure = refused(error, PIPE)
        except OpsError as error:
            self.failure = error
        _put(None, lines, loop)

    async def stop(self) -> None:
        """Print what is left to print, and leave the terminal as it was. A thread that waits for a pipe ends with the program."""
        if self._prompting is None or self._printing is None:
            return
        self._to_print.put_nowait(None)
        await asyncio.wait([self._printing])
        self._prompting.cancel()
        await asyncio.wait([self._prompting])

    def print_above(self, show: Callable[[], None]) -> None:
        """Call `show`, which prints: above the prompt and what has been typed so far, if there is a prompt."""
        if self._printing is None or self._printing.done():
            show()
        else:
            self._to_print.put_nowait(show)

    async def _print_in_order(self) -> None:
        from prompt_toolkit.application import run_in_terminal

        while show := await self._to_print.get():
            await run_in_terminal(show)


async def _prompt(lines: Lines) -> None:
    """Move what is typed into `lines`, until Ctrl-D. Ctrl-C interrupts the program, as it does without a prompt."""
    # Otherwise each prompt asks the terminal where its cursor is, and a warning comes if it does not answer.
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
    from prompt_toolkit import PromptSession

    session = PromptSession[str](PROMPT, enable_suspend=True)
    with contextlib.suppress(EOFError):
        while True:
            try:
                typed = await session.prompt_async(set_exception_handler=False, handle_sigint=False)
            except KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
                return
            for line in typed.split("\n"):  # more than one was pasted
                await lines.put(line)
    await lines.put(None)


def _put(line: str | None, lines: Lines, loop: asyncio.AbstractEventLoop) -> bool:
    """Put it into the queue, waiting while it is full; False if the loop has ended."""
    with contextlib.suppress(RuntimeError, concurrent.futures.CancelledError):
        if not loop.is_closed():
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            return True
    return False


def _piped_lines(descriptor: int) -> Iterator[str]:
    """The lines of a file descriptor, without their ends. Not through sys.stdin, whose lock would be held at exit.

    Raises UsageError for what is no line of text.
    """
    rest, number = b"", 0
    while data := os.read(descriptor, 65536):
        *complete, rest = (rest + data).split(b"\n")
        for line in complete:
            number += 1
            yield _decoded(line, number)
        if len(rest) > MAX_LINE_BYTES:
            raise UsageError(
                f"Standard input, line {number + 1}: it is longer than {MAX_LINE_BYTES:,} bytes.",
                hint="Write one message on each line.",
            )
    if rest:
        yield _decoded(rest, number + 1)


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"Standard input, line {number}: it is not UTF-8 text.", hint="Write it in UTF-8."
        ) from error

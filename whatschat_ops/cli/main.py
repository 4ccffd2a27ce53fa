"""Where the program starts. Imports almost nothing: `--version` is answered in the time that Python takes to start."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from typing import Final, NoReturn

from whatschat_ops import __version__

ASK: Final = "__complete"
"""The first argument of a line that a shell asks with, for completion."""


def run() -> NoReturn:
    """Run the command line of this process and exit."""
    code = _run(sys.argv[1:])
    # Where an interrupt came while a dataclass was being made, CPython still means to end by a signal; this makes it forget.
    exec("")
    if threading.active_count() == 1:
        # An output that cannot be flushed: Python says it.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            sys.stderr.flush()
            atexit._run_exitfuncs()
            # Without taking every object apart: a twentieth of a short command's processor time.
            os._exit(code)
    gc.freeze()  # or Python would look through all of it twice before it lets go of it
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Run one command line. Returns the exit code; prints what failed."""
    if arguments == ["--version"]:
        with contextlib.suppress(OSError, AttributeError):  # full or closed: said below
            sys.stdout.write(f"whatschat-ops {__version__}\n")
            sys.stdout.flush()
            return 0
    if arguments[:1] == [ASK]:
        from whatschat_ops.cli.completing.shells import answer

        answer(arguments[1:])
        return 0
    from whatschat_ops.cli.command_line import run_command_line

    return run_command_line(arguments)


def _run(arguments: list[str]) -> int:
    try:
        if arguments != ["--version"] and arguments[:1] != [ASK]:
            from whatschat_ops.cli import command_line  # noqa: F401 - an interrupt can be lost during an import
            from whatschat_ops.cli.terminal.interrupts import terminate_as_interrupted

            terminate_as_interrupted()
        return main(arguments)
    except KeyboardInterrupt:  # before there is a command to end
        with contextlib.suppress(OSError, AttributeError):
            sys.stderr.write("Error: Interrupted.\n")
        return 130

"""What is left on a terminal after a display and the lines above it, which many threads wrote."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import pyte
import pytest

pty = pytest.importorskip("pty")

COLUMNS, LINES = 60, 620
STEPS = 600
PROGRAM = f"""
import os, random, threading, time
from types import SimpleNamespace
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.stack.provision_progress import ProgressLines

lines, todo = ProgressLines(Output(), total={STEPS}), list(range({STEPS}))
one_at_a_time = threading.Lock()

def event(kind, number):
    step = SimpleNamespace(address=f"thing.{{number}}", action=SimpleNamespace(value="create"))
    with one_at_a_time:
        lines.on_event(SimpleNamespace(type=kind, step=step, seconds=0.0))

def work():
    while todo:
        number = todo.pop()
        event("started", number)
        time.sleep(random.uniform(0.001, 0.01))
        event("finished", number)

with lines.shown():
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.say("[bold]no markup[/bold]")
"""


def on_a_terminal(program: str) -> list[str]:
    """The lines that a program leaves on a terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)})
        os.execv(sys.executable, [sys.executable, "-c", program])
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    with suppress(OSError):  # the end of a terminal
        while data := os.read(terminal, 65_536):
            stream.feed(data)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return [line.rstrip() for line in screen.display if line.strip()]


def test_no_line_is_written_over_and_nothing_of_the_display_stays() -> None:
    left = on_a_terminal(PROGRAM)
    assert sorted(left[:-1]) == sorted(f"Created thing.{number} (0.0 s)" for number in range(STEPS))
    assert left[-1] == "[bold]no markup[/bold]"
